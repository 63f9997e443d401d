"""SH-1's gain in score by learning rate, as lines of text."""

from fpnlib.claims import Result
from fpnlib.notes.segmentation_head.experiments.last_layer import NORMS, RATES, WORDS


def rates_beside(frozen: Result, tuned: Result) -> str:
    """How much more mIoU 3×3→1×1 has than 3×3: at each rate, and where each has its best one."""
    lines = [f"{'':42}" + "".join(f"{rate:>9g}" for rate in RATES) + f"{'each at its best':>19}"]
    for normed in reversed(NORMS.values()):
        for words, result in (("frozen backbone", frozen), ("backbone that learns", tuned)):
            gains = [result.number(f"miou_gain_one_{normed}_{rate}") for rate in range(len(RATES))]
            best = _best(result, f"two_{normed}") - _best(result, f"one_{normed}")
            numbers = "".join(f"{gain:9.3f}" for gain in gains) + f"{best:19.3f}"
            lines.append(f"{f'{WORDS[normed]}, {words}':42}{numbers}")
    return "\n".join(lines)


def _best(result: Result, name: str) -> float:
    return max(result.number(f"miou_{name}_{rate}") for rate in range(len(RATES)))
