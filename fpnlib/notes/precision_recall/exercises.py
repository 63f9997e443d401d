"""The exercises of note 01."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fpnlib.exercises import Exercise, compare
from fpnlib.metrics import average_precision

Answer = Callable[..., Any]


def precision_and_recall(scores: np.ndarray, targets: np.ndarray, threshold: float) -> tuple[float, float]:
    """Return precision and recall when scores of at least `threshold` are flagged."""
    flagged = scores >= threshold
    right = (flagged & targets).sum()
    precision = right / flagged.sum() if flagged.any() else 1.0
    return precision, right / targets.sum()


def _swapped(scores: np.ndarray, targets: np.ndarray, threshold: float) -> tuple[float, float]:
    precision, recall = precision_and_recall(scores, targets, threshold)
    return recall, precision


def _strictly_above(scores: np.ndarray, targets: np.ndarray, threshold: float) -> tuple[float, float]:
    return precision_and_recall(scores, targets, np.nextafter(threshold, np.inf))


def _accuracy(scores: np.ndarray, targets: np.ndarray, threshold: float) -> tuple[float, float]:
    _, recall = precision_and_recall(scores, targets, threshold)
    return ((scores >= threshold) == targets).mean(), recall


def _specificity(scores: np.ndarray, targets: np.ndarray, threshold: float) -> tuple[float, float]:
    precision, _ = precision_and_recall(scores, targets, threshold)
    return precision, (~targets & (scores < threshold)).sum() / (~targets).sum()


_COUNT_FAULTS = {
    "Precision and recall are swapped: precision divides by what was flagged, recall by what is positive.": _swapped,
    "A score equal to the threshold must be flagged too: ≥, not >.": _strictly_above,
    "Your first number is the accuracy. Precision looks only at what was flagged.": _accuracy,
    "Your second number counts negatives. Recall looks only at the positives.": _specificity,
}


def _examine_counts(answer: Answer) -> str | None:
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(40):
        n = int(rng.integers(4, 30))
        scores, targets = rng.integers(0, 8, n) / 8, rng.random(n) < 0.4
        targets[:2] = True, False
        cases.append((scores, targets, float(rng.choice(scores))))
    cases.append((np.array([0.1, 0.2]), np.array([True, False]), 0.5))
    return compare(answer, precision_and_recall, cases, _COUNT_FAULTS)


def stepwise_average_precision(ranking: np.ndarray) -> float:
    """Return AP without interpolation; `ranking` is True where the item is positive, best score first."""
    hits = ranking.cumsum()
    precision = hits / np.arange(1, len(ranking) + 1)
    return float(precision[ranking].mean())


def _mean_over_all_ranks(ranking: np.ndarray) -> float:
    return float((ranking.cumsum() / np.arange(1, len(ranking) + 1)).mean())


def _trapezoids(ranking: np.ndarray) -> float:
    precision = np.concatenate([[1], ranking.cumsum() / np.arange(1, len(ranking) + 1)])
    recall = np.concatenate([[0], ranking.cumsum() / ranking.sum()])
    return float((np.diff(recall) * (precision[1:] + precision[:-1]) / 2).sum())


def _bare_trapezoids(ranking: np.ndarray) -> float:
    precision, recall = ranking.cumsum() / np.arange(1, len(ranking) + 1), ranking.cumsum() / ranking.sum()
    return float((np.diff(recall) * (precision[1:] + precision[:-1]) / 2).sum())


def _with_envelope(ranking: np.ndarray) -> float:
    precision = ranking.cumsum() / np.arange(1, len(ranking) + 1)
    return float(np.maximum.accumulate(precision[::-1])[::-1][ranking].mean())


_AP_FAULTS = {
    "You averaged the precision over all ranks. Only ranks where recall grows, the positives, have a weight.": (
        _mean_over_all_ranks
    ),
    "You joined the points by straight lines. Between two points precision is no line, so AP uses steps.": _trapezoids,
    "You joined the points by straight lines, without what lies before the first rank. AP uses steps, from recall 0 "
    "on.": _bare_trapezoids,
    "You took the best precision further down the ranking. That is the interpolated AP.": _with_envelope,
}


def _examine_ap(answer: Answer) -> str | None:
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(40):
        ranking = rng.random(int(rng.integers(2, 25))) < 0.5
        ranking[rng.integers(len(ranking))] = True
        cases.append((ranking,))

    def reference(ranking: np.ndarray) -> float:
        return average_precision(-np.arange(len(ranking), dtype=float), ranking)

    return compare(answer, reference, cases, _AP_FAULTS)


def rarer_precision(recall: float, false_positive_rate: float, ratio: float) -> float:
    """Return the precision when there are `ratio` negatives per positive."""
    return recall / (recall + ratio * false_positive_rate)


def _ignores_ratio(recall: float, false_positive_rate: float, ratio: float) -> float:
    return recall / (recall + false_positive_rate)


def _divides_by_crowd(recall: float, false_positive_rate: float, ratio: float) -> float:
    return recall / (1 + ratio)


def _ratio_on_recall(recall: float, false_positive_rate: float, ratio: float) -> float:
    return ratio * recall / (ratio * recall + false_positive_rate)


_RATIO_FAULTS = {
    "The ratio is not in it: with more negatives the same false positive rate makes more false positives.": (
        _ignores_ratio
    ),
    "You divided by everybody. Precision divides by those who were flagged.": _divides_by_crowd,
    "The ratio weighs the positives. It is the negatives that are many.": _ratio_on_recall,
}


def _examine_ratio(answer: Answer) -> str | None:
    rng = np.random.default_rng(2)
    cases = [(*rng.uniform(0.1, 1, 2).round(2).tolist(), int(rng.integers(1, 200))) for _ in range(40)]
    return compare(answer, rarer_precision, cases, _RATIO_FAULTS)


def twice_found(n: int) -> float:
    """Return AP, not interpolated, of n objects that are all found twice, each duplicate next after its first box."""
    # Before the k-th correct box come k − 1 others, each with its duplicate.
    k = np.arange(1, n + 1)
    return float((k / (2 * k - 1)).mean())


def _share_of_right(n: int) -> float:
    return 0.5


def _without_duplicates(n: int) -> float:
    return 1.0


def _mean_with_duplicates(n: int) -> float:
    return (twice_found(n) + 0.5) / 2


def _last_precision(n: int) -> float:
    return n / (2 * n - 1)


_TWICE_FAULTS = {
    "Half of all boxes are right, but AP asks for the precision at each right box. The first one has no duplicate "
    "above it.": _share_of_right,
    "A duplicate counts as false: its object is taken. You left the duplicates out.": _without_duplicates,
    "You averaged over the ranks of the duplicates too. Recall does not grow there, so they have no weight.": (
        _mean_with_duplicates
    ),
    "That is the precision at the last right box. Average it over all right boxes.": _last_precision,
}


def _examine_twice(answer: Answer) -> str | None:
    return compare(answer, twice_found, [(n,) for n in range(1, 30)], _TWICE_FAULTS)


def tied_average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    """Return AP, not interpolated, where equal scores are flagged together."""
    total = 0.0
    for score in np.unique(scores[targets]):
        found = (targets & (scores == score)).sum()
        total += found * targets[scores >= score].mean()
    return float(total / targets.sum())


def _in_the_order_given(scores: np.ndarray, targets: np.ndarray) -> float:
    return stepwise_average_precision(targets[np.argsort(-scores, kind="stable")])


def _positives_first(scores: np.ndarray, targets: np.ndarray) -> float:
    return stepwise_average_precision(targets[np.lexsort((~targets, -scores))])


def _positives_last(scores: np.ndarray, targets: np.ndarray) -> float:
    return stepwise_average_precision(targets[np.lexsort((targets, -scores))])


def _one_of_each(scores: np.ndarray, targets: np.ndarray) -> float:
    _, kept = np.unique(-scores, return_index=True)
    return stepwise_average_precision(targets[kept]) if targets[kept].any() else 0.0


_TIE_FAULTS = {
    'The same examples in another order get another AP. For which scores can that happen? hint("tied scores") helps.': (
        _in_the_order_given
    ),
    "Among equal scores you take the positives first, which flatters: no threshold can do that.": _positives_first,
    "Among equal scores you take the positives last. That no longer goes by the order given, but no threshold parts "
    "them; flag them together.": _positives_last,
    "You kept one example of each score and dropped the others.": _one_of_each,
}


def _examine_ties(answer: Answer) -> str | None:
    rng = np.random.default_rng(3)
    cases = [(rng.integers(0, 5, n) / 4, rng.permutation(np.arange(n) % 3 == 0)) for n in rng.integers(2, 20, 40)]
    return compare(answer, tied_average_precision, cases, _TIE_FAULTS)


EXERCISES = (
    Exercise(
        "precision and recall",
        "Write f(scores, targets, threshold) that returns (precision, recall); the first two are NumPy arrays. A "
        "score of at least the threshold is flagged. Where nothing is flagged, precision is 1.",
        _examine_counts,
        precision_and_recall,
        ((_swapped, "swapped"), (_strictly_above, "≥"), (_accuracy, "accuracy"), (_specificity, "negatives")),
        (
            "Make a boolean array first: who is flagged? Both answers divide the same count by something else.",
            "That count is the flagged ones that are positive, (flagged & targets).sum().",
            "Precision divides it by flagged.sum(), recall by targets.sum(). One of the two can be zero.",
        ),
    ),
    Exercise(
        "average precision",
        "Write f(ranking) that returns AP without interpolation; ranking is a boolean array, best score first.",
        _examine_ap,
        stepwise_average_precision,
        (
            (_mean_over_all_ranks, "all ranks"),
            (_trapezoids, "straight lines"),
            (_bare_trapezoids, "before the first"),
            (_with_envelope, "interpolated"),
        ),
        (
            "Recall grows only where the item is positive. So the other ranks get no weight of their own.",
            "The precision at rank k is the number of positives among the first k, divided by k; cumsum counts them.",
            "Keep the precisions at the positives, and average them.",
        ),
    ),
    Exercise(
        "rarer positives",
        "Write f(recall, false_positive_rate, ratio) that returns the precision at `ratio` negatives per positive.",
        _examine_ratio,
        rarer_precision,
        ((_ignores_ratio, "more negatives"), (_divides_by_crowd, "everybody"), (_ratio_on_recall, "negatives")),
        (
            "Imagine one positive and `ratio` negatives. How much of the one is flagged, how much of the others?",
            "Flagged are `recall` of the positive and `ratio * false_positive_rate` of the negatives. Precision is a "
            "share of the two together.",
        ),
    ),
    Exercise(
        "found twice",
        "Write f(n) that returns AP, not interpolated, when a detector finds all n objects twice, the duplicate each "
        "time next in the ranking after the correct box.",
        _examine_twice,
        twice_found,
        (
            (_share_of_right, "above"),
            (_without_duplicates, "left the duplicates out"),
            (_mean_with_duplicates, "ranks of the duplicates"),
            (_last_precision, "last"),
        ),
        (
            "Write the ranking down for three objects: right, wrong, right, wrong, right, wrong.",
            "Now the precision at each right box: 1/1, 2/3, 3/5. The next one would be 4/7.",
            "At the k-th right box it is k / (2k − 1). AP is the mean of these over k from 1 to n.",
        ),
    ),
    Exercise(
        "tied scores",
        "Mend f(scores, targets), which is to return AP without interpolation.",
        _examine_ties,
        tied_average_precision,
        (
            (_in_the_order_given, "another order"),
            (_positives_first, "flatters"),
            (_positives_last, "positives last"),
            (_one_of_each, "dropped"),
        ),
        (
            "Try it on two examples with the same score, one positive and one not, in both orders.",
            "A threshold flags all examples of a score or none. So each distinct score is one point of the curve, "
            "where all of its examples are counted.",
            "For each distinct score: the precision of all that is flagged there, weighed by how many positives have "
            "exactly this score. Or keep only the last of each run of equal scores, as the cell under Why does.",
        ),
    ),
)
