"""How far an LSTM looks back: the gradient against the lag, with its forget gate held at a value."""

import dataclasses

import numpy as np
from ipywidgets import Widget
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from fpnlib.explore import Explorer, counted, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PAPER
from fpnlib.notes.add_vs_concat.experiments.gradients import BURN_IN, LAGS, gradients_per_lag, scanlines

_LAGS = LAGS[-1]
_FLOOR = -14.0  # decades shown
_ROW = 180  # the row of the photos that is shown
_EACH = np.arange(1, _LAGS + 1)


@dataclasses.dataclass(frozen=True)
class MemoryData:
    """Decades of the gradient at each lag against lag 1, the gate forced; and without any forcing."""

    forget: float
    lag: int
    others: dict[str, np.ndarray]  # the same curve (200,) of an RNN and of an LSTM whose gate is free
    forced: np.ndarray  # (200,), from lag 1
    gate_alone: np.ndarray  # (200,), forget^(lag − 1), what the cell state alone would hand on
    seen: np.ndarray  # (201,), what each pixel of the row still counts, 0 to 1 on a scale of 6 decades

    @property
    def at_lag(self) -> float:
        """Decades at the chosen lag."""
        return float(self.forced[self.lag - 1])


class MemoryExplorer(Explorer[MemoryData]):
    """The gradient against the lag for one forget gate, beside an RNN's and a free LSTM's; and the row of pixels."""

    title = "The gradient against the lag for an LSTM whose forget gate is held, and what the last step sees of a row"
    size = (1000, 400)

    def make_controls(self) -> dict[str, Widget]:
        """Return the gate and the lag."""
        return {
            "forget": slider("forget gate, held at", 0.9, 0.0, 1.0, 0.01),
            "lag": slider("lag (steps back)", 100, 1, _LAGS, 1),
        }

    def compute(self, forget: float, lag: int) -> MemoryData:
        """Look up the gate's curve."""
        curves = gradients_per_lag()
        forced = curves["forced"][round(100 * forget)]
        steps = np.arange(_LAGS)
        with np.errstate(divide="ignore"):
            alone = np.maximum(steps * np.log10(forget), -400.0) if forget else np.where(steps, -400.0, 0.0)
        return MemoryData(
            forget=forget,
            lag=lag,
            others={name: curves[name] for name in ("rnn", "lstm")},
            forced=forced,
            gate_alone=alone,
            seen=np.concatenate([np.clip(1 + forced / 6, 0, 1)[::-1], [1.0]]),
        )

    def build(self, figure: Figure) -> None:
        """Lay out the curves above the row and what is seen of it."""
        above, middle, lowest = figure.subplots(3, 1, height_ratios=[6, 1, 1])
        curve = self.panel(above, title="How much an input counts, steps later (eight rows of a photo)")
        curve.axes.set(xlabel="lag (steps back)", ylabel="decades against lag 1", xlim=(_LAGS, 0), ylim=(_FLOOR, 2.4))
        curve.level(0, color=FAINT, lw=1, zorder=0)
        curve.line(lambda data: (_EACH, data.gate_alone), color=MUTED, ls=":", label="the cell state alone")
        curve.line(lambda data: (_EACH, data.others["rnn"]), color=GREEN, ls="--", label="RNN")
        curve.line(lambda data: (_EACH, data.others["lstm"]), color=BLUE, ls="--", label="LSTM, gate free")
        curve.line(lambda data: (_EACH, data.forced), color=ORANGE, lw=2.5, label="LSTM, gate held")
        curve.text("RNN", at=lambda data: (_lag_at(-11, data.others["rnn"]) - 5, -11.3), color=GREEN)
        free = "LSTM at torch's start, gate free"
        curve.text(free, at=lambda data: (_lag_at(-11, data.others["lstm"]) + 5, -11.3), ha="right", color=BLUE)
        held, alone = "LSTM, gate held at", "the cell state alone:"
        curve.text(lambda data: f"{held} {number(data.forget)}", 70, 1.1, ha="right", color=ORANGE, weight="bold")
        curve.text(lambda data: f"{alone} {number(data.forget)}^(lag − 1)", 1, 1.1, ha="right", color=MUTED)
        curve.dot(
            lambda data: (data.lag, max(data.at_lag, _FLOOR)),
            grab={"lag": lambda value: (value, None), "forget": lambda value, data: (None, _held(value, data))},
        )
        pixels = scanlines()[_ROW, BURN_IN:].numpy()
        colours = (pixels - pixels.min()) / (pixels.max() - pixels.min())
        paper = np.array(to_rgb(PAPER))

        def seen(data: MemoryData) -> np.ndarray:
            shares = data.seen[:, None]
            return np.rint(255 * (shares * colours + (1 - shares) * paper)).astype(np.uint8)[None]

        for axes, name, of in (
            (middle, "a row", np.rint(255 * colours).astype(np.uint8)[None]),
            (lowest, "seen", seen),
        ):
            strip = self.panel(axes, bare=True, xlim=(_LAGS, 0), ylim=(0, 1))
            strip.image(of, (_LAGS + 0.5, 0, -0.5, 1), aspect="auto")
            strip.axes.set_yticks([0.5], [name])
            strip.axes.tick_params(axis="y", length=0)
            strip.upright(lambda data: data.lag, color=INK, lw=5)  # so that it is seen on any colour
            strip.upright(lambda data: data.lag, color=ORANGE, lw=2, grab="lag")
        lowest.set_xlabel("seen in full: counts as much as at lag 1; gone: a millionth or less")

    def describe(self, data: MemoryData) -> str:
        """Say what is left at the lag."""
        left = {name: times(float(curve[data.lag - 1])) for name, curve in data.others.items()}
        return (
            f"Forget gate held at {number(data.forget)}: {counted(data.lag, 'step')} back an input counts "
            f"{times(data.at_lag)} as much as one step back; the cell state alone would hand on "
            f"{times(float(data.gate_alone[data.lag - 1]))}. With its gate free at torch's start "
            f"{left['lstm']}, an RNN {left['rnn']}."
        )

    def invariants(self, data: MemoryData) -> dict[str, bool]:
        """Check the measure, and that an open gate loses less than a shut one."""
        curves = gradients_per_lag()["forced"]
        return {
            "lag 1 is the measure": bool(data.forced[0] == 0),
            "an open gate keeps more than a shut one": bool(curves[-1, -1] > curves[0, -1]),
            "what is seen lies between 0 and 1": bool((data.seen >= 0).all() and (data.seen <= 1).all()),
        }


def _lag_at(decades: float, curve: np.ndarray) -> int:
    """Return the first lag at which a falling curve is below so many decades."""
    return int(np.argmax(curve < decades)) + 1


def _held(forget: float, data: MemoryData) -> float:
    """Return the decades shown at the chosen lag with the gate held at another value."""
    return max(float(gradients_per_lag()["forced"][round(100 * forget), data.lag - 1]), _FLOOR)


def times(decades: float) -> str:
    """Write a factor given in decades: 0.02 times, or less than 10⁻¹⁵ times."""
    return "less than 10⁻¹⁵ times" if decades < -15 else f"{number(10**decades, 2)} times"
