"""FP-6: what each part of the pyramid is worth to a small detector, trained from scratch on scenes.

The nets were trained before the criterion had its present parts: until then all of them stood in FP-3, as one
condition. In those scenes an object's class and place are drawn apart from the background, so none needs its
surroundings; and scenes of training and of validation share cut-outs and backgrounds.
"""

from collections.abc import Sequence

from fpnlib.claims import Claim, Result, Said, exceeds
from fpnlib.models.cost import Cost, cost
from fpnlib.models.detector import AREA_RANGES
from fpnlib.training.detector import SIZE, VARIANTS, build, early_loss, score, trained, validation_scenes

SEEDS = 8
METRICS = ("ap", "ap50", "ar", *(f"{kind}_{size}" for kind in ("ap", "ar") for size in AREA_RANGES))
PARTS = {
    "no_lateral": "for the laterals",
    "c4": "for a pyramid in place of C4 alone",
    "no_top_down": "for the top-down path, where no object needs its surroundings",
}

PAPER_RECALL = {
    "full": (44.9, 63.4, 66.2),
    "no_top_down": (30.5, 59.9, 68.0),
    "no_lateral": (26.5, 57.4, 64.7),
    "c4": (32.0, 58.7, 62.2),
    "c5": (25.3, 55.5, 64.2),
}
PAPER_P2 = (35.1, 59.7, 67.6)  # row f, all anchors on the finest level alone; no detector of ours has that
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
        rows.append(row | {"effect": row["gain_no_lateral_ar_small"]})
    return {name: [row[name] for row in rows] for name in rows[0]} | early_losses(seeds)


def early_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """`early_<variant>`: the loss at the start of each training, which a test can run again."""
    return {f"early_{name}": [early_loss(seed, VARIANTS[name]) for seed in seeds] for name in VARIANTS}


def beside_the_paper(result: Result) -> str:
    """Cost of each variant, and FP-6's AR for small, medium, large objects beside the paper's, as lines of text."""
    widths = (9, 11, 13, 8, 8, 14, 8, 8)
    blank = " " * max(map(len, NAMES.values()))
    heads = ("weights", "mult-adds", "AR, %: small", "medium", "large", "paper: small", "medium", "large")
    lines = [blank + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))]
    for name, price in variant_costs().items():
        ours = [100 * result.number(f"{name}_ar_{size}") for size in AREA_RANGES]
        paper = [f"{value:.1f}" for value in PAPER_RECALL[name]] if name in PAPER_RECALL else ["–"] * 3
        costs = [f"{price.parameters / 1e3:.0f} k", f"{price.macs / 1e6:.0f} M"]
        columns = zip([*costs, *(f"{value:.1f}" for value in ours), *paper], widths, strict=True)
        lines.append(f"{NAMES[name]:{len(blank)}}" + "".join(f"{text:>{width}}" for text, width in columns))
    theirs = zip(["–"] * 5 + [f"{value:.1f}" for value in PAPER_P2], widths, strict=True)
    lines.append(f"{'P2 alone':{len(blank)}}" + "".join(f"{text:>{width}}" for text, width in theirs))
    return "\n".join(lines)


NAMES = {
    "full": "full pyramid",
    "no_top_down": "no top-down path",
    "no_lateral": "no laterals",
    "no_smooth": "no 3×3",
    "c4": "C4 alone",
    "c5": "C5 alone",
}
MATTERS = 0.03
_BECAUSE = "two standard deviations of the full pyramid's AR over seeds, so what another seed does as well"

CLAIMS = (
    Claim(
        "FP-6",
        "Small objects need fine levels with laterals and a top-down path: without one of these, or with one coarse "
        "level alone, fewer are found.",
        Said("field", "Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017, table 1"),
        {
            words: exceeds(
                MATTERS,
                f"AR of small objects, the full pyramid's less that of the net with {NAMES[name]}, at equal weights "
                "(within 5 %), steps and images",
                of=f"gain_{name}_ar_small",
                because=_BECAUSE,
            )
            for name, words in PARTS.items()
        },
        ablation,
        seeds=SEEDS,
        control=exceeds(
            MATTERS, "AR of small objects, the full pyramid's less that of C5 alone", of="gain_c5_ar_small"
        ),
        recheck=early_losses,
        told={
            "depends": "A small detector needs fine levels and their laterals to find small objects; the top-down path "
            "costs it a little, in scenes where no object depends on its surroundings."
        },
    ),
)
