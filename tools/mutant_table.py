"""The bugs that `mutants.py` plants: each a slip that people make."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A planted bug: in `path`, `before`, which stands there once, becomes `after`; `tests` must notice."""

    name: str
    path: str
    before: str
    after: str
    tests: tuple[str, ...]


_CLASSIFICATION = ("fpnlib/metrics/classification.py", ("tests/unit/metrics/test_classification.py",))
_DETECTION = ("fpnlib/metrics/detection.py", ("tests/unit/metrics/test_detection.py",))
_BOXES = ("fpnlib/ops/boxes.py", ("tests/unit/ops/test_boxes.py",))
_ROI = ("fpnlib/ops/roi.py", ("tests/unit/ops/test_roi.py",))
_FIELD = ("fpnlib/ops/receptive_field.py", ("tests/unit/ops/test_receptive_field.py",))
_PROJECTION = ("fpnlib/ops/projection.py", ("tests/unit/ops/test_projection.py",))


def _mutant(name: str, place: tuple[str, tuple[str, ...]], before: str, after: str) -> Mutant:
    path, tests = place
    return Mutant(name, path, before, after, tests)


MUTANTS = (
    _mutant(
        "FP and FN swapped",
        _CLASSIFICATION,
        "fp, fn = int(called.sum()) - tp, int(hits.sum()) - tp",
        "fn, fp = int(called.sum()) - tp, int(hits.sum()) - tp",
    ),
    _mutant("a score at the threshold is called negative", _CLASSIFICATION, "called = ranks >= ", "called = ranks > "),
    _mutant(
        "the envelope runs from the wrong end",
        _CLASSIFICATION,
        "np.maximum.accumulate(precision[::-1])[::-1]",
        "np.maximum.accumulate(precision)",
    ),
    _mutant(
        "VOC's recall levels reached a step too late",
        _CLASSIFICATION,
        "np.searchsorted(recall, levels)",
        'np.searchsorted(recall, levels, side="right")',
    ),
    _mutant("F with beta in place of its square", _CLASSIFICATION, "weight = beta**2", "weight = beta"),
    _mutant("IoU strictly above the threshold", _DETECTION, "near = iou >= limit\n", "near = iou > limit\n"),
    _mutant(
        "missed objects leave the recall",
        _DETECTION,
        "count = int(positives[column])",
        "count = int((found[0, members] >= 0).sum())",
    ),
    _mutant(
        "a detection of another size counts as false",
        _DETECTION,
        "skipped = on_ignored | ((found < 0) & ((sizes < low) | (sizes > high)))",
        "skipped = on_ignored",
    ),
    _mutant("the union counts the intersection twice", _BOXES, "_areas(second) - shared)", "_areas(second))"),
    _mutant("NMS drops at the threshold too", _BOXES, "~(overlap > iou_threshold)", "~(overlap >= iou_threshold)"),
    _mutant("RoIAlign's half pixel forgotten", _ROI, "(0.5 if aligned else 0.0)", "0.0"),
    _mutant("samples at the left end of their interval", _ROI, "(within.to(start.dtype) + 0.5)", "within"),
    _mutant("samples outside the map keep the border's value", _ROI, "share = inside / per_bin", "share = 1 / per_bin"),
    _mutant("nearest for bilinear", _ROI, "fraction = at - low", "fraction = (at - low).round()"),
    _mutant(
        "a layer's own stride too early",
        _FIELD,
        "(layer.size - 1) * self.stride",
        "(layer.size - 1) * self.stride * layer.stride",
    ),
    _mutant(
        "padding counted in units", _FIELD, "self.padding + layer.padding * self.stride", "self.padding + layer.padding"
    ),
    _mutant(
        "start half a pixel off",
        _FIELD,
        "return (self.size - 1) / 2 - self.padding",
        "return self.size / 2 - self.padding",
    ),
    _mutant(
        "padding rounded down",
        _PROJECTION,
        "before = max(0, math.ceil(axis.start - begin))",
        "before = max(0, math.floor(axis.start - begin))",
    ),
)
