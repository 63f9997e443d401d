"""FP-3, FP-4 and FP-5: what each part of the pyramid is worth to a small detector, trained from scratch.

The criteria were committed before any variant but "full" was trained; "full" alone was, to choose the learning rate,
the batch and the number of steps.
"""

import copy
from collections.abc import Sequence

import numpy as np

from fpnlib.claims import Claim, Criterion, Measurement, Result, Said, Verdict
from fpnlib.metrics import detection_average_precision
from fpnlib.models.cost import Cost, cost
from fpnlib.models.detector import AREA_RANGES, Detector, detection_targets
from fpnlib.notes.fpn.aliasing import LEVELS, aliasing
from fpnlib.notes.precision_recall.detection import COCO_THRESHOLDS
from fpnlib.training.detector import (
    SIZE,
    VARIANTS,
    build,
    detections,
    early_loss,
    score,
    score_detections,
    trained,
    validation_scenes,
)

SEEDS = 8
METRICS = ("ap", "ap50", "ar", *(f"{kind}_{size}" for kind in ("ap", "ar") for size in AREA_RANGES))
PARTS = {
    "no_top_down": "the top-down path",
    "no_lateral": "the laterals",
    "c4": "a pyramid instead of C4",
    "c5": "a pyramid instead of C5",
}


PAPER_RECALL = {
    "full": (44.9, 63.4, 66.2),
    "no_top_down": (30.5, 59.9, 68.0),
    "no_lateral": (26.5, 57.4, 64.7),
    "c4": (32.0, 58.7, 62.2),
    "c5": (25.3, 55.5, 64.2),
}
"""Per cent of small, medium and large objects that 1000 proposals recall, averaged over IoU, on COCO's minival.

Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, table 1, rows c, d, e, a, b. Another task than
ours: proposals without classes, ResNet-50 with ImageNet's weights; the head's parameters are the same, the nets' are
not made equal.
"""


def variant_costs() -> dict[str, Cost]:
    """Parameters and multiply-adds of each variant on one scene; steps and images are the same for all."""
    return {name: cost(build(0, options).eval(), (1, 3, SIZE, SIZE)) for name, options in VARIANTS.items()}


def ablation(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Scores of every variant and, per seed, how much more the full pyramid reaches: `gain_<variant>_<metric>`."""
    rows = []
    for seed in seeds:
        scores = {name: score(trained(name, seed), validation_scenes()) for name in VARIANTS}
        row = {f"{name}_{metric}": scores[name][metric] for name in VARIANTS for metric in METRICS}
        row |= {
            f"gain_{name}_{metric}": scores["full"][metric] - scores[name][metric]
            for name in VARIANTS
            if name != "full"
            for metric in METRICS
        }
        rows.append(row | {"effect": row["gain_no_top_down_ar_small"]})
    return {name: [row[name] for row in rows] for name in rows[0]} | early_losses(seeds)


def early_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """`early_<variant>`: the loss at the start of each training, which a test can run again."""
    return {f"early_{name}": [early_loss(seed, VARIANTS[name]) for seed in seeds] for name in VARIANTS}


def _all_above_zero(numbers: dict[str, float], names: Sequence[str]) -> Verdict:
    """Holds where every interval lies above 0, fails where one lies at or below it."""
    if all(numbers[f"{name}_low"] > 0 for name in names):
        return "holds"
    return "fails" if any(numbers[f"{name}_high"] <= 0 for name in names) else "depends"


def _judge_ablation(measurement: Measurement) -> Verdict:
    return _all_above_zero(dict(measurement.numbers), [f"gain_{part}_ar_small" for part in PARTS])


def beside_the_paper(result: Result) -> str:
    """Cost of each variant, and FP-3's AR for small, medium, large objects beside the paper's, as lines of text."""
    widths = (9, 11, 13, 8, 8, 14, 8, 8)
    heads = ("weights", "mult-adds", "AR, %: small", "medium", "large", "paper: small", "medium", "large")
    lines = [" " * 11 + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))]
    for name, price in variant_costs().items():
        ours = [100 * result.number(f"{name}_ar_{size}") for size in AREA_RANGES]
        paper = [f"{value:.1f}" for value in PAPER_RECALL[name]] if name in PAPER_RECALL else ["–"] * 3
        costs = [f"{price.parameters / 1e3:.0f} k", f"{price.macs / 1e6:.0f} M"]
        columns = zip([*costs, *(f"{value:.1f}" for value in ours), *paper], widths, strict=True)
        lines.append(f"{name:11}" + "".join(f"{text:>{width}}" for text, width in columns))
    return "\n".join(lines)


def smoothing(seeds: Sequence[int]) -> dict[str, list[float]]:
    """What the 3×3 does to the maps of real photos, and what it is worth."""
    rows = []
    for seed in seeds:
        full, single = trained("full", seed), trained("c4", seed)
        bilinear = copy.deepcopy(full)
        bilinear.fpn.upsampling = "bilinear"
        row = {f"nearest_{name}": value for name, value in aliasing(full).items()}
        row |= {f"bilinear_{name}": value for name, value in aliasing(bilinear).items()}
        for name, net in (("level4", full), ("single", single)):
            row |= {f"{name}_{key}": value for key, value in aliasing(net, LEVELS[-1:]).items()}
        for name in ("nearest", "bilinear", "level4", "single"):
            for kind in ("share", "error"):
                row[f"{name}_{kind}_fall"] = row[f"{name}_{kind}_merged"] - row[f"{name}_{kind}_smoothed"]
        row["share_fall_beyond_single"] = row["level4_share_fall"] - row["single_share_fall"]
        with_it, without = (score(net, validation_scenes())["ap"] for net in (full, trained("no_smooth", seed)))
        row["ap_gain"] = with_it - without
        rows.append(row | {"effect": row["nearest_share_fall"]})
    return {name: [row[name] for row in rows] for name in rows[0]} | smoothing_early_losses(seeds)


def smoothing_early_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """As `early_losses`, of the variants that FP-4 needs."""
    return {
        f"early_{name}": [early_loss(seed, VARIANTS[name]) for seed in seeds] for name in ("full", "c4", "no_smooth")
    }


FP4_PARTS = ("nearest_share_fall", "nearest_error_fall", "share_fall_beyond_single", "ap_gain")


def _judge_smoothing(measurement: Measurement) -> Verdict:
    return _all_above_zero(dict(measurement.numbers), FP4_PARTS)


def detector_on_scenes() -> Measurement:
    """Score the detector "scenes" at ten IoU thresholds on validation scenes: how much AP falls from .5 to .75."""
    scenes = validation_scenes()
    targets = detection_targets([one.boxes for one in scenes], [one.classes for one in scenes])
    found = detections(Detector.pretrained("scenes"), scenes)
    ap = detection_average_precision(found, targets, iou_thresholds=COCO_THRESHOLDS)
    per_iou = dict(zip(COCO_THRESHOLDS, ap.per_iou.tolist(), strict=True))
    return Measurement.exact(
        per_iou[0.5] - per_iou[0.75],
        n=sum(len(one.boxes) for one in scenes),
        scenes=len(scenes),
        largest_rise=max(0.0, float(np.diff(list(per_iou.values())).max())),
        **score_detections(found, scenes),
        **{f"ap_{round(100 * threshold)}": value for threshold, value in per_iou.items()},
    )


def _judge_detector(measurement: Measurement) -> Verdict:
    return "holds" if measurement.effect > 0.1 and measurement.numbers["largest_rise"] == 0 else "fails"


CLAIMS = (
    Claim(
        "FP-3",
        "The top-down path and the laterals each earn their keep: without one of them, or with C4 or C5 alone, small "
        "objects are lost.",
        Said("field", "Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017, table 1"),
        {
            "": Criterion(
                "at equal parameters (within 5 %), steps and images, the full pyramid's AR of small objects is above "
                "that without the top-down path, without laterals, with C4 alone and with C5 alone: over seeds all "
                "four intervals of the paired difference above 0 (fails if one is not above 0 anywhere). The effect "
                "is the difference to no top-down path",
                _judge_ablation,
            )
        },
        ablation,
        seeds=SEEDS,
        recheck=early_losses,
    ),
    Claim(
        "FP-4",
        "The 3×3 is there because added features are noisy.",
        Said(
            "source",
            "利用 3x3 的卷积(因为特征相加之后会有噪声)",
            "a 3×3 convolution is used, since features are noisy after they are added",
        ),
        {
            "": Criterion(
                "with nearest upsampling, over P2 to P4 of real photos, P has a smaller share of its energy above the "
                "coarser level's Nyquist frequency than M and a smaller shift-equivariance error; at level 4 the "
                "share falls by more than on a single-level map (C4 alone); and AP is higher than without 3×3 at "
                "equal parameters: over seeds all four intervals above 0 (fails if one is not above 0 anywhere). The "
                "effect is the first",
                _judge_smoothing,
            )
        },
        smoothing,
        seeds=SEEDS,
        recheck=smoothing_early_losses,
    ),
    Claim(
        "FP-5",
        "AP depends on the IoU at which a box counts: PR-4 again, with a detector chosen before it was seen.",
        Said("field", "Lin et al., Microsoft COCO, ECCV 2014; the COCO evaluation's ten thresholds"),
        {
            "": Criterion(
                "for the detector trained on scenes, on validation scenes, AP falls by more than 0.1 from IoU .5 to "
                ".75 and never rises from .5 to .95",
                _judge_detector,
            )
        },
        detector_on_scenes,
    ),
)
