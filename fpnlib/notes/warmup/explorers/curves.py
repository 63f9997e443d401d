"""Curves along training, as more than one explorer of this note draws them."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from fpnlib.explore import Explorer, Panel
from fpnlib.explore.style import FAINT, MUTED
from fpnlib.notes.warmup.experiments.recorded import EVERY
from fpnlib.notes.warmup.experiments.runs import STEPS

POINTS = np.arange(0, STEPS, EVERY) + EVERY / 2  # the steps that a loss curve has a point at


def loss_panel(explorer: Explorer[Any], axes: Axes, **settings: Any) -> Panel:
    """Make a panel for losses along the steps, with that of chance."""
    panel = explorer.panel(axes, yscale="log", xlim=(0, STEPS), ylim=(1e-3, 1e3), **settings)
    axes.set(xlabel="step", ylabel="loss")
    axes.grid(color=FAINT, lw=0.6)
    panel.level(np.log(10), color=MUTED, ls=":", lw=1.2)
    panel.text("chance", STEPS - 1, np.log(10) * 1.15, ha="right", color=MUTED, fontsize=9)
    return panel


def known_lines(x: np.ndarray, values: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """Return of each curve (curves, points) the points that are known, each (points, 2)."""
    return [np.stack([x[k], v[k]], 1) for v, k in zip(values, known, strict=True)]


def end(x: np.ndarray, values: np.ndarray, known: np.ndarray) -> tuple[float, float]:
    """Return the last point of a curve that is known."""
    last = np.flatnonzero(known)[-1]
    return float(x[last]), float(values[last])
