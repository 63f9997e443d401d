"""The sayings of note 08 that need no training, each with its test. Criteria stood before anything was measured."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from skimage.segmentation import felzenszwalb, slic
from torch import Tensor

from fpnlib.claims import (
    Claim,
    Criterion,
    Measurement,
    Said,
    all_of,
    exceeds,
    interval_of_mean,
    interval_of_resamples,
    resampled_means,
    stays_within,
    within,
)
from fpnlib.data.voc import VOID
from fpnlib.metrics import confusion_matrix, iou_per_class, mean_iou, panoptic_quality
from fpnlib.models import resnet18
from fpnlib.notes.segmentation_difficulties.masks import (
    STRIDES,
    VOID_WIDTH,
    Labelled,
    cafe,
    class_names,
    classes_through_stride,
    in_box,
    iou,
    lines_off,
    on_photos,
    photos,
    random_boxes,
    swapped,
    through_stride,
    tight_box,
    with_border,
)
from fpnlib.ops import AxisField, achievable_accuracy, graph_cut, potts_energy

BOXES = 200  # for each mask
PIXELS = (1, 2)  # a thin line
_THICK = 6  # pixels: a line that no one calls thin
WIDTHS = range(VOID_WIDTH + 1)
BAND = 7  # pixels, of boundary IoU: 2 % of the short side
SUPERPIXELS = (50, 100, 200, 400, 800)
COMPACTNESS = 10.0
_FELZENSZWALB = {"scale": 100, "sigma": 0.5, "min_size": 50}
GRIDS = 5
_RESAMPLES = 2000

POINT = 0.01
_A_POINT = "a point, one in a hundred, is the unit of the field's tables"
CRF_GAIN = 0.0539
LESS_THAN_A_CRF = (
    "a CRF, the classical repair of boundaries, raised DeepLab's mIoU on VOC from .6225 to .6764; a smaller cost is "
    "less than what the field found worth repairing"
)
_STEP = 0.05
_COCO_STEP = "COCO averages AP over IoU thresholds .05 apart: a mask that loses more falls below the next one"
_HALF_THE_ERRORS = 0.951
_HALF = "DeepLab without a CRF gets .902 of VOC's pixels right; regions may cost half of what it gets wrong"


def _spread(name: str, values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """The mean of one value per photo or instance, with its interval, as `Measurement.numbers` holds them."""
    low, high = interval_of_mean(values)
    return {name: float(np.mean(values)), f"{name}_low": low, f"{name}_high": high}


def _with_effect(effect: str, n: int, numbers: dict[str, float]) -> Measurement:
    return Measurement(numbers[effect], (numbers[f"{effect}_low"], numbers[f"{effect}_high"]), n, numbers)


def _together(found: Iterable[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """The values of many photos under one name."""
    together: dict[str, list[float]] = {}
    for outcomes in found:
        for name, values in outcomes.items():
            together.setdefault(name, []).extend(values)
    return together


# SD-1


def measure_ties() -> Measurement:
    """Change one pixel at a time and see which units of a ResNet-18 change; compare with the receptive fields."""
    torch.manual_seed(0)
    net = resnet18(width=8, num_classes=None).double().eval()
    fields = _resnet18_fields()
    wrong = compared = outside = 0
    with torch.no_grad():
        image = torch.rand(1, 3, 64, 64, dtype=torch.float64)
        before = net.stages(image)
        for y, x in ((5, 9), (31, 32), (60, 40)):
            changed = image.clone()
            changed[..., y, x] += 100
            for field, old, new in zip(fields, before, net.stages(changed), strict=True):
                moved = (old != new).any(1)[0]
                sees = _sees(field, y, len(moved))[:, None] & _sees(field, x, moved.shape[1])
                wrong += int((moved & ~sees).sum())
                compared += moved.numel()
                outside += int((~sees).sum())
    sizes = {f"field_{level}": float(field.size) for level, field in enumerate(fields, 2)}
    shared = {f"shared_{level}": (field.size - field.stride) / field.size for level, field in enumerate(fields, 2)}
    return Measurement.exact(wrong, compared, outside=outside, **sizes, **shared)


def _resnet18_fields() -> list[AxisField]:
    """Return the receptive fields of C2 … C5 along one axis, by the longest way: both 3×3 of all eight blocks."""
    field = AxisField().then(AxisField(7, 2, 3, 3)).then(AxisField(3, 2, 1, 1))
    fields = []
    for stage in range(4):
        for block in range(2):
            stride = 2 if stage > 0 and block == 0 else 1
            field = field.then(AxisField(3, stride, 1, 1)).then(AxisField(3, 1, 1, 1))
        fields.append(field)
    return fields


def _sees(axis: AxisField, pixel: int, units: int) -> Tensor:
    first = torch.tensor([axis.first(unit) for unit in range(units)])
    return (first <= pixel) & (pixel < first + axis.size)


# SD-4


def boxes_of(known: Labelled, first: int) -> dict[str, list[float]]:
    """How much of each mask is lost even to the best mask in a box that is off at random, by the box's IoU."""
    lost: dict[str, list[float]] = {}
    for seed, mask in enumerate(known.masks, first):
        lost.setdefault("tight", []).append(1 - in_box(mask, tight_box(mask)).ceiling)
        boxed = random_boxes(mask, BOXES, seed)
        for low in (50, 60, 70, 80, 90):
            kept = [one.ceiling for one in boxed if low <= 100 * one.box_iou < low + 10]
            if kept:
                lost.setdefault(f"lost_{low}", []).append(1 - float(np.mean(kept)))
                lost.setdefault(f"most_{low}", []).append(1 - min(kept))
    return lost


def over_boxes(found: Sequence[Mapping[str, Sequence[float]]]) -> Measurement:
    """The mean of what is lost, one value an instance."""
    lost = _together(found)
    tight = lost.pop("tight")
    numbers = {"tight": max(tight), "worst": max(lost["most_70"])}
    for name, values in lost.items():
        if len(values) > 1:  # of few instances no box may fit so well, or so badly
            numbers |= _spread(name, values)
    return _with_effect("lost_70", len(tight), numbers)


def measure_boxes() -> Measurement:
    """How much of the masks of five photos is lost to boxes that are off."""
    counts = itertools.accumulate((len(known.masks) for known in photos().values()), initial=0)
    return over_boxes([boxes_of(known, first) for known, first in zip(photos().values(), counts, strict=False)])


# SD-5


def measure_tasks() -> Measurement:
    """Three answers to one photo. Each is made from the truth, so what is lost is what the task cannot say."""
    photo = cafe()
    # Truth: the instances; the background is one segment of stuff.
    ids = 1 + (photo.masks * torch.arange(1, len(photo.masks) + 1)[:, None, None]).sum(0)
    categories = {1: 0} | {i + 2: int(label) for i, label in enumerate(photo.labels)}
    kinds = sorted(set(categories.values()))
    classes = torch.zeros_like(ids)
    for one, label in categories.items():
        classes[ids == one] = label
    semantic = panoptic_quality(1 + classes, ids, {1 + kind: kind for kind in kinds}, categories)
    instance = panoptic_quality(ids.where(ids > 1, 0), ids, {k: v for k, v in categories.items() if k > 1}, categories)
    perfect = panoptic_quality(ids, ids, categories, categories)
    people = int((photo.labels == photo.class_names.index("person")).sum())
    return Measurement.exact(
        1 - perfect.pq,
        len(categories),
        people=float(people),
        person_semantic=semantic.per_category[photo.class_names.index("person")].pq,
        semantic=semantic.pq,
        instance=instance.pq,
        stuff_instance=instance.per_category[0].pq,
    )


# SD-7

_SIDES = {"grown": 1, "shrunk": -1}


def one_wrong_region(area: int, called: str) -> Tensor:
    """Call `area` pixels of the café by another class: in the smallest object of another that has as many pixels.

    If none has, the largest object is called so altogether, and the next largest for the rest.
    """
    photo = cafe()
    to = photo.class_names.index(called)
    areas = {place: int(photo.masks[place].sum()) for place in (photo.labels != to).nonzero().flatten().tolist()}
    fits = [place for place in areas if areas[place] >= area]
    order = [min(fits, key=areas.__getitem__)] if fits else sorted(areas, key=areas.__getitem__, reverse=True)
    labels = photo.class_map
    for place in order:
        part = min(area, areas[place])
        labels, area = swapped(labels, photo.masks[place], to, part), area - part
    return labels


def lines_of(known: Labelled, first: int = 0) -> dict[str, Any]:
    """What a line along all contours of a photo costs, by its side, its width and the width of the void border.

    Beside each cost stand the shared and the joint pixels of the classes: class, shared, joint, class …
    """
    outcomes: dict[str, Any] = {}
    counted = [with_border(known.classes, known.instances, width) for width in WIDTHS]
    for pixels, (kind, sign) in itertools.product((*PIXELS, _THICK), _SIDES.items()):
        wrong = lines_off(known.classes, sign * pixels)
        for width, truth in zip(WIDTHS, counted, strict=True):
            table = confusion_matrix(wrong, truth, VOID, ignore_index=VOID)
            shared = table.diagonal()
            joint = table.sum(0) + table.sum(1) - shared
            there = joint.nonzero().flatten()
            outcomes[f"{kind}_{pixels}_void_{width}"] = 1 - iou_per_class(table).nanmean().item()
            areas = torch.stack([there, shared[there], joint[there]], 1)
            outcomes[f"areas_{kind}_{pixels}_void_{width}"] = areas.flatten().tolist()
    return outcomes


def over_lines(found: Sequence[Mapping[str, Any]]) -> Measurement:
    """The mean cost of a line over the photos, and its cost where all photos are scored as one."""
    numbers: dict[str, float] = {}
    for pixels, width in itertools.product((*PIXELS, _THICK), WIDTHS):
        numbers |= _spread(f"line_{pixels}_void_{width}", [_line(one, pixels, width) for one in found])
        for kind in _SIDES:
            areas = torch.zeros(2, VOID, dtype=torch.int64)
            for one in found:
                there, *both = torch.tensor(one[f"areas_{kind}_{pixels}_void_{width}"]).view(-1, 3).T
                areas[:, there] += torch.stack(both)
            numbers[f"dataset_{kind}_{pixels}_void_{width}"] = 1 - (areas[0].double() / areas[1]).nanmean().item()
    return _with_effect("line_1_void_0", len(found), numbers)


def _line(outcomes: Mapping[str, Any], pixels: int, width: int) -> float:
    return float(np.mean([outcomes[f"{kind}_{pixels}_void_{width}"] for kind in _SIDES]))


def measure_errors() -> Measurement:
    """What a line along all contours of five photos costs, and what a wrong region of the café costs."""
    found = {name: lines_of(known) for name, known in photos().items()}
    whole = over_lines(list(found.values()))
    each = {
        f"line_{pixels}_void_{width}_{name}": _line(one, pixels, width)
        for pixels, width in itertools.product((*PIXELS, _THICK), WIDTHS)
        for name, one in found.items()
    }
    return dataclasses.replace(whole, numbers={**whole.numbers, **each, **_regions()})


def _regions() -> dict[str, float]:
    """What one region of the café costs that has the area of a line of one pixel, by the class it is called."""
    area = int((lines_off(cafe().class_map, 1) != cafe().class_map).sum())
    numbers = {"region_area": area / cafe().class_map.numel()}
    for called, width in itertools.product(("chair", "bottle", "person", "diningtable"), (0, VOID_WIDTH)):
        region = one_wrong_region(area, called)
        truth = with_border(cafe().class_map, photos()["cafe"].instances, width)
        numbers[f"region_{called}_void_{width}"] = 1 - mean_iou(
            [region], [truth], len(class_names()), ignore_index=VOID
        )
    return numbers


# SD-9

_GRIDS = (*STRIDES, 64)


def strides_of(known: Labelled, first: int = 0) -> dict[str, list[float]]:
    """What a map of a stride allows one photo: the IoU of each class, and the IoU of each instance's mask."""
    reached: dict[str, list[float]] = {}
    truth = {width: with_border(known.classes, known.instances, width) for width in (0, VOID_WIDTH)}
    for stride in _GRIDS:
        best = classes_through_stride(known.classes, stride)
        for width, wanted in truth.items():
            found = iou_per_class(confusion_matrix(best, wanted, VOID, ignore_index=VOID))
            reached[f"classes_{stride}_void_{width}"] = found[wanted[wanted != VOID].unique()].tolist()
    for stride, mode in itertools.product(STRIDES, ("nearest", "bilinear")):
        reached[f"{mode}_{stride}"] = [iou(through_stride(mask, stride, mode), mask) for mask in known.masks]
    reached["areas"] = known.masks.flatten(1).sum(1).tolist()
    return reached


def over_strides(found: Sequence[Mapping[str, Sequence[float]]]) -> Measurement:
    """The means over the classes of the photos, and over the instances, small and large."""
    numbers: dict[str, float] = {}
    reached = {name: np.array(values) for name, values in _together(found).items()}
    for stride, width in itertools.product(_GRIDS, (0, VOID_WIDTH)):
        numbers |= _spread(f"classes_{stride}_void_{width}", reached[f"classes_{stride}_void_{width}"])
    for fine, coarse in itertools.pairwise(_GRIDS):
        gain = reached[f"classes_{fine}_void_{VOID_WIDTH}"] - reached[f"classes_{coarse}_void_{VOID_WIDTH}"]
        numbers |= _spread(f"gain_{coarse}_{fine}", gain)
    order = np.argsort(reached["areas"], kind="stable")
    half = len(order) // 2
    for stride, mode in itertools.product(STRIDES, ("nearest", "bilinear")):
        ceilings = reached[f"{mode}_{stride}"]
        numbers |= _spread(f"{mode}_{stride}", ceilings)
        numbers |= _spread(f"{mode}_{stride}_small", ceilings[order[:half]])
        numbers |= _spread(f"{mode}_{stride}_large", ceilings[order[half:]])
        if mode == "bilinear":
            # Small and large instances are not pairs: each half is drawn again by itself.
            numbers |= _difference(f"small_pay_{stride}", ceilings[order[half:]], ceilings[order[:half]])
    return _with_effect("gain_32_16", len(reached["classes_32_void_0"]), numbers)


def measure_strides() -> Measurement:
    """What a map of a stride allows five photos."""
    found = {name: strides_of(known) for name, known in photos().items()}
    whole = over_strides(list(found.values()))
    each = {
        f"classes_{stride}_void_{width}_{name}": float(np.mean(one[f"classes_{stride}_void_{width}"]))
        for stride, width in itertools.product(_GRIDS, (0, VOID_WIDTH))
        for name, one in found.items()
    }
    return dataclasses.replace(whole, numbers={**whole.numbers, **each})


def _difference(name: str, first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """The difference of two means with its bootstrap interval."""
    rng = np.random.default_rng(0)
    low, high = interval_of_resamples(
        resampled_means(first, _RESAMPLES, rng) - resampled_means(second, _RESAMPLES, rng)
    )
    return {name: float(first.mean() - second.mean()), f"{name}_low": low, f"{name}_high": high}


# SD-10


def regions_of(known: Labelled, first: int = 0) -> dict[str, list[float]]:
    """How well regions of a photo, found without labels, could label it."""
    reached: dict[str, float] = {}
    truth = {width: with_border(known.classes, known.instances, width) for width in (0, VOID_WIDTH)}
    for count in SUPERPIXELS:
        regions = slic(known.image, count, COMPACTNESS, start_label=0)
        for width, wanted in truth.items():
            found, squares = _allows(regions, wanted), _allows(_squares(regions), wanted)
            reached |= {f"slic_{count}_void_{width}": found, f"over_squares_{count}_void_{width}": found - squares}
        reached[f"returned_{count}"] = len(np.unique(regions))
    regions = felzenszwalb(known.image, **_FELZENSZWALB)
    reached |= {f"graph_void_{width}": _allows(regions, wanted) for width, wanted in truth.items()}
    reached["graph_returned"] = len(np.unique(regions))
    reached["more_help"] = reached[f"slic_{SUPERPIXELS[-1]}_void_0"] - reached[f"slic_{SUPERPIXELS[0]}_void_0"]
    return {name: [float(value)] for name, value in reached.items()}


def over_regions(found: Sequence[Mapping[str, Sequence[float]]]) -> Measurement:
    """The means over the photos."""
    reached = _together(found).items()
    numbers = {key: value for name, values in reached for key, value in _spread(name, values).items()}
    return _with_effect(f"slic_{SUPERPIXELS[-1]}_void_{VOID_WIDTH}", len(found), numbers)


def measure_old_methods() -> Measurement:
    """How well regions found without labels could label five photos; and graph cuts beside every labelling there is."""
    found = {name: regions_of(known) for name, known in photos().items()}
    whole = over_regions(list(found.values()))
    each = {
        f"cafe_{count}_void_{width}": found["cafe"][f"slic_{count}_void_{width}"][0]
        for count, width in itertools.product(SUPERPIXELS, (0, VOID_WIDTH))
    }
    worst = 0.0
    for seed in range(GRIDS):
        unary = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        every = (torch.tensor(flat).view(3, 3) for flat in itertools.product(range(2), repeat=9))
        lowest = min(potts_energy(labels, unary, 0.3) for labels in every)
        worst = max(worst, potts_energy(graph_cut(unary, 0.3), unary, 0.3) - lowest)
    return dataclasses.replace(whole, numbers={**whole.numbers, **each, "energy": worst, "grids": float(GRIDS)})


def _allows(regions: np.ndarray, truth: Tensor) -> float:
    """The achievable accuracy over the pixels that count."""
    counted = truth != VOID
    return achievable_accuracy(torch.from_numpy(regions)[counted][None], truth[counted][None])


def _squares(regions: np.ndarray) -> np.ndarray:
    """A grid of about as many squares as there are regions."""
    height, width = regions.shape
    side = (height * width / len(np.unique(regions))) ** 0.5
    across = int(width / side) + 1
    return (np.arange(height) / side).astype(int)[:, None] * across + (np.arange(width) / side).astype(int)


def _hardly(pixels: int, width: int) -> Criterion:
    return stays_within(
        CRF_GAIN,
        f"mean cost in mIoU over the photos of contours off by {pixels} px, {width} px of border left out",
        of=f"line_{pixels}_void_{width}",
        because=LESS_THAN_A_CRF,
    )


_REGIONS = {
    "for SLIC's superpixels, VOC's border left out": exceeds(
        _HALF_THE_ERRORS,
        f"share of pixels that can be right with {SUPERPIXELS[-1]} superpixels asked for",
        because=_HALF,
    ),
    "for SLIC's superpixels, every pixel counted": exceeds(
        _HALF_THE_ERRORS,
        f"share of pixels that can be right with {SUPERPIXELS[-1]} superpixels asked for",
        of=f"slic_{SUPERPIXELS[-1]}_void_0",
        because=_HALF,
    ),
    "for regions of a graph (Felzenszwalb, Huttenlocher), VOC's border left out": exceeds(
        _HALF_THE_ERRORS,
        "share of pixels that can be right",
        of=f"graph_void_{VOID_WIDTH}",
        because=_HALF,
    ),
    "against as many squares": exceeds(
        POINT,
        "share of pixels that can be right, above that of squares",
        of=f"over_squares_{SUPERPIXELS[-1]}_void_0",
        because=_A_POINT,
    ),
}

EXACT = (
    Claim(
        "SD-1",
        "Each pixel is predicted on its own; neighbours are tied only through overlapping receptive fields",
        Said(
            "source",
            "每一个pixel的prediction其实是割裂开的,没有显式的联系。(隐式的联系就是相邻像素的感受野重合程度大)",
            "each pixel's prediction is cut off from the others, without an explicit tie; the implicit one is how "
            "much neighbours' receptive fields overlap",
        ),
        {"": within(0, "what a changed pixel reaches and the receptive fields that hold it (units beyond)")},
        measure_ties,
        check="convolutions are local by definition, and 割裂 says only that no layer labels pixels jointly",
        told={"holds": "A pixel that changes is noticed only by the units whose receptive field holds it."},
    ),
    Claim(
        "SD-4",
        "Instance masks that are cut out of boxes are capped by the boxes",
        Said(
            "source",
            "基于bounding box的方法上限被目标检测限制了",
            "methods based on boxes are capped by the detection",
        ),
        {
            "for boxes of IoU .7 to .8": exceeds(
                _STEP, "mean share of an instance that the best mask in such a box loses", because=_COCO_STEP
            ),
            "for boxes of IoU .8 to .9": exceeds(
                _STEP,
                "mean share of an instance that the best mask in such a box loses",
                of="lost_80",
                because=_COCO_STEP,
            ),
        },
        measure_boxes,
        control=all_of(
            within(0, "what a tight box loses", of="tight"),
            exceeds(_STEP, "what boxes of IoU .5 to .6 lose", of="lost_50", because=_COCO_STEP),
        ),
        on=on_photos(boxes_of, over_boxes),
        told={
            "depends": "A box that most would call good cuts off enough of a mask to be seen in the score; a very good "
            "box does not."
        },
    ),
    Claim(
        "SD-5",
        "Semantic segmentation merges the instances, instance segmentation drops the stuff; the panoptic task wants "
        "both",
        Said(
            "source",
            "语义分割本身就是一个退而求其次的课题",
            "semantic segmentation is itself a topic one settles for",
            "in part an opinion",
        ),
        {
            "": all_of(
                within(0, "PQ that a panoptic answer made from the truth loses"),
                within(0, "PQ of people in a semantic answer made from the truth", of="person_semantic"),
                within(0, "PQ of stuff in an instance answer made from the truth", of="stuff_instance"),
            )
        },
        measure_tasks,
        check="what an answer made from the truth loses is what its task leaves out by definition",
        told={
            "holds": "A semantic answer cannot tell one person from the next, an instance answer is silent on the rest."
        },
    ),
    Claim(
        "SD-7",
        "Dataset-mIoU hardly sees a line of one or two pixels",
        Said(
            "source",
            "dataset-mIoU … 并不是那么care一两个像素点宽度的线",
            "dataset-mIoU does not care so much about a line one or two pixels wide",
        ),
        {
            "with VOC's border of 5 pixels, 1 pixel": _hardly(1, VOID_WIDTH),
            "with VOC's border of 5 pixels, 2 pixels": _hardly(2, VOID_WIDTH),
            "with a border of 2 pixels, 2 pixels": _hardly(2, 2),
            "without a border, 1 pixel": _hardly(1, 0),
            "without a border, 2 pixels": _hardly(2, 0),
        },
        measure_errors,
        control=exceeds(CRF_GAIN, f"what a line of {_THICK} pixels costs without a border", of=f"line_{_THICK}_void_0"),
        on=on_photos(lines_of, over_lines),
        told={
            "depends": "VOC does not score the last pixels around an object, so a thin line costs nothing there; where "
            "every pixel is scored, two pixels cost a lot."
        },
    ),
    Claim(
        "SD-9",
        "Coarse output is a matter of the output stride",
        Said(
            "source",
            "分割结果太粗糙,减少output stride加decoder啊",
            "the result is too coarse? reduce the output stride and add a decoder",
        ),
        {
            **{
                f"from stride {coarse} to {fine}": exceeds(
                    POINT,
                    "gain in the IoU that a perfect answer allows a class of a photo, VOC's border left out",
                    of=f"gain_{coarse}_{fine}",
                    because=_A_POINT,
                )
                for fine, coarse in reversed(list(itertools.pairwise(STRIDES)))
            },
            "most of all for small objects": exceeds(
                _STEP,
                "at stride 16 the IoU that the larger half of the instances keeps, less that of the smaller half",
                of="small_pay_16",
                because=_COCO_STEP,
            ),
        },
        measure_strides,
        control=exceeds(POINT, "gain from stride 64 to 32", of="gain_64_32", because=_A_POINT),
        on=on_photos(strides_of, over_strides),
        told={
            "depends": "A map at every eighth pixel holds all that VOC scores; one at every thirty-second does not, "
            "and small objects go first."
        },
    ),
    Claim(
        "SD-10",
        "The older methods need no labels and still help: their regions keep to boundaries, a graph cut finds the "
        "labels of lowest energy",
        Said(
            "source",
            "传统的图割算法,似乎都是无监督算法",
            "the traditional graph-cut algorithms all seem to be unsupervised",
            "from memory",
        ),
        {
            **_REGIONS,
            "in the energy of a graph cut": within(
                1e-9, "the cut's energy from the lowest of all labellings", of="energy"
            ),
        },
        measure_old_methods,
        control=exceeds(
            POINT,
            f"what {SUPERPIXELS[-1]} superpixels allow more than {SUPERPIXELS[0]}",
            of="more_help",
            because=_A_POINT,
        ),
        on=on_photos(regions_of, over_regions, _REGIONS),
        told={
            "depends": "Old methods find regions without a label that nearly fit the labels; but small squares fit "
            "them nearly as well."
        },
    ),
)
