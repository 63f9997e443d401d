"""FP-4: what the 3×3 does to maps that were added and to maps that were not, and what it is worth to either."""

from collections.abc import Sequence
from itertools import product

from fpnlib.claims import Claim, Result, Said, all_of, exceeds
from fpnlib.notes.fpn.experiments.aliasing import aliasing
from fpnlib.notes.fpn.experiments.levels import early_loss, scores, trained

NETS = {
    f"{adding}_{smoothing}": {"top_down": adding == "added", "smooth": smoothing == "smoothed"}
    for adding, smoothing in product(("added", "single"), ("smoothed", "plain"))
}
"""The four pyramids: levels added from above or each its lateral alone, with the 3×3 or without."""
SEEDS = 8


def two_by_two(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Maps and scores of the four nets, `<net>_<number>`; what the 3×3 takes away, and what it adds to the score."""
    rows = []
    for seed in seeds:
        row: dict[str, float] = {}
        for name, options in NETS.items():
            net = trained(seed, **options)
            row |= {f"{name}_{key}": value for key, value in {**aliasing(net.fpn), **scores(net)}.items()}
        added, single = "added_smoothed", "single_smoothed"
        for kind in ("share", "error"):
            row[f"{kind}_of_adding"] = row[f"{added}_{kind}_merged"] - row[f"{added}_{kind}_lateral"]
            row[f"{kind}_blurred_away"] = row[f"{added}_{kind}_merged"] - row[f"{added}_{kind}_blurred"]
            row[f"{kind}_fall"] = row[f"{added}_{kind}_merged"] - row[f"{added}_{kind}_smoothed"]
        row["single_share_fall"] = row[f"{single}_share_merged"] - row[f"{single}_share_smoothed"]
        row["share_fall_of_adding"] = row["share_fall"] - row["single_share_fall"]
        for adding in ("added", "single"):
            row[f"{adding}_miou_gain"] = row[f"{adding}_smoothed_miou"] - row[f"{adding}_plain_miou"]
        row["miou_gain_of_adding"] = row["added_miou_gain"] - row["single_miou_gain"]
        row["miou_of_adding"] = row["added_smoothed_miou"] - row["single_smoothed_miou"]
        rows.append({"effect": row["error_fall"], **row})
    return {name: [row[name] for row in rows] for name in rows[0]} | first_losses(seeds)


def first_losses(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The loss of each net's first step."""
    return {f"early_{name}": [early_loss(seed, **options) for seed in seeds] for name, options in NETS.items()}


def four_nets(result: Result) -> str:
    """FP-4's numbers of the four pyramids, as lines of text: of lateral, sum M and, where there is a 3×3, P; mIoU."""
    lines = [f"{'':22}{'fine energy':>24}{'shift error':>24}", f"{'':22}" + f"{'lateral':>10}{'M':>7}{'P':>7}" * 2]
    lines[1] += f"{'mIoU at P2':>13}"
    for name, options in NETS.items():
        words = ("top-down" if options["top_down"] else "laterals alone") + (", 3×3" if options["smooth"] else "")
        line = f"{words:22}"
        for kind in ("share", "error"):
            line += f"{result.number(f'{name}_{kind}_lateral'):>10.3f}{result.number(f'{name}_{kind}_merged'):>7.3f}"
            line += f"{result.number(f'{name}_{kind}_smoothed'):>7.3f}" if options["smooth"] else f"{'–':>7}"
        lines.append(f"{line}{result.number(f'{name}_miou'):>13.3f}")
    return "\n".join(lines)


_SHARE, _ERROR, _MIOU = 0.02, 0.1, 0.025
_SHARE_BECAUSE = "two standard deviations over seeds of what the 3×3 took away in the detectors of FP-6"
_ERROR_BECAUSE = "a tenth of a map's deviation is a hundredth of its variance; less is lost in a classifier's own noise"
_MIOU_BECAUSE = "twice as far as two other seeds of the full pyramid lay apart"

CLAIMS = (
    Claim(
        "FP-4",
        "Features are noisy after they are added, and a 3×3 convolution is used against it.",
        Said(
            "source",
            "利用 3x3 的卷积(因为特征相加之后会有噪声)",
            "a 3×3 convolution is used, since features are noisy after they are added",
        ),
        {
            "that the sum follows a shift of the photo less well than the lateral": exceeds(
                _ERROR,
                "shift error of M less that of the lateral, which is near 0",
                of="error_of_adding",
                because=_ERROR_BECAUSE,
            ),
            "that the sum has more fine energy than the lateral": exceeds(
                _SHARE,
                "share of energy that is too fine for the level above, in M less in the lateral",
                of="share_of_adding",
                because=_SHARE_BECAUSE,
            ),
            "that the 3×3 lowers the shift error": exceeds(
                _ERROR, "shift error, M less P", of="error_fall", because=_ERROR_BECAUSE
            ),
            "that the 3×3 lowers the fine energy": exceeds(
                _SHARE, "share of fine energy, M less P", of="share_fall", because=_SHARE_BECAUSE
            ),
            "that it lowers the fine energy more where levels were added": exceeds(
                _SHARE,
                "that fall with the top-down path less the fall without it",
                of="share_fall_of_adding",
                because=_SHARE_BECAUSE,
            ),
            "that it raises the score more where levels were added": exceeds(
                _MIOU,
                "mIoU at P2 that the 3×3 adds with the top-down path less what it adds without it",
                of="miou_gain_of_adding",
                because=_MIOU_BECAUSE,
            ),
        },
        two_by_two,
        seeds=SEEDS,
        control=all_of(
            exceeds(_ERROR, "shift error, M less M after a binomial 3×3", of="error_blurred_away"),
            exceeds(_SHARE, "share of fine energy, M less M after a binomial 3×3", of="share_blurred_away"),
            exceeds(_MIOU, "mIoU that the top-down path adds", of="miou_of_adding"),
        ),
        recheck=first_losses,
        told={
            "depends": "The 3×3 does smooth the sum, but it pays even more where nothing was added: that noise is the "
            "reason for it is not shown."
        },
    ),
)
