"""SH-1's numbers side by side, as lines of text."""

from collections.abc import Callable

import numpy as np

from fpnlib.claims import Result
from fpnlib.notes.segmentation_head.experiments.heads import HEADS
from fpnlib.notes.segmentation_head.experiments.last_layer import (
    BEST,
    COMPARED,
    EVALUATED,
    NAMES,
    NORMS,
    RATES,
    WORDS,
    falls,
    jitter,
    of_nets,
)

_COLUMNS = {"miou": ("mIoU", 3), "spread": ("spread", 3), "jitter": ("jitter", 3), "spikes": ("spikes, %", 1)}


def heads_beside(result: Result) -> str:
    """Mean of each measure for each head at the middle rate, without batch norm and with it."""
    words = [f"{WORDS[normed]:>{10 * len(_COLUMNS)}}" for normed in NORMS.values()]
    names = "".join(f"{name:>10}" for name, _ in _COLUMNS.values())
    lines = [" " * 9 + "".join(words), " " * 9 + names * len(NORMS)]
    for head in HEADS:
        line = f"{head:9}"
        for normed in NORMS.values():
            for measure, (_, digits) in _COLUMNS.items():
                value = result.number(f"{measure}_{NAMES[head]}_{normed}_{BEST}")
                line += f"{value * (100 if measure == 'spikes' else 1):10.{digits}f}"
        lines.append(line)
    return "\n".join(lines)


def rates_beside(frozen: Result, tuned: Result) -> str:
    """mIoU of the compared heads at each rate, on a frozen backbone and on one that learns."""
    lines = [f"{'':28}{'frozen':>24}{'learns':>24}", f"{'learning rate':28}" + "".join(f"{r:8g}" for r in RATES * 2)]
    for normed in NORMS.values():
        for head in COMPARED:
            lines.append(f"{f'{head} {WORDS[normed]}':28}" + _rates((frozen, tuned), f"miou_{NAMES[head]}_{normed}"))
        lines.append(f"{'   the second less the first':28}" + _rates((frozen, tuned), f"miou_gain_one_{normed}"))
    return "\n".join(lines)


def _rates(results: tuple[Result, ...], name: str) -> str:
    return "".join(f"{one.number(f'{name}_{rate}'):8.3f}" for one in results for rate in range(len(RATES)))


def falls_beside(result: Result) -> str:
    """For the compared heads at all rates: jitter, that of the mean of all curves, which only bends, and falls."""
    lines = [f"{'':28}{'jitter':>10}{'of the mean curve':>20}{'falls':>10}"]
    for normed in NORMS.values():
        for head in COMPARED:
            found = [_of_cell(result, f"{NAMES[head]}_{normed}_{rate}") for rate in range(len(RATES))]
            own, bent, fallen = np.mean(found, 0)
            lines.append(f"{f'{head} {WORDS[normed]}':28}{own:10.4f}{bent:20.4f}{fallen:10.4f}")
    return "\n".join(lines)


def _of_cell(result: Result, cell: str) -> tuple[float, float, float]:
    """Jitter and falls of all nets, means, with the jitter of their mean curve between."""
    curves = np.stack([of_nets(result.per_seed, f"curve_{cell}", f"_{at}") for at in EVALUATED], 1)

    def mean(measure: Callable[[list[float]], float]) -> float:
        return float(np.mean([measure(curve) for curve in curves.tolist()]))

    return mean(jitter), jitter(curves.mean(0).tolist()), mean(falls)
