"""The sayings of note 08 that need no training, each with its test. Criteria stood before anything was measured."""

import functools
import itertools

import numpy as np
import torch
from skimage.segmentation import slic
from torch import Tensor

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict, within
from fpnlib.data.scenes import SCENE_CLASSES, VALIDATION_SEEDS, scene
from fpnlib.metrics import boundary_iou, mean_iou, panoptic_quality
from fpnlib.models import resnet18
from fpnlib.notes.segmentation_difficulties.masks import (
    STRIDES,
    cafe,
    in_box,
    iou,
    random_boxes,
    shifted_boundaries,
    swapped,
    through_stride,
    tight_box,
)
from fpnlib.ops import AxisField, achievable_accuracy, graph_cut, potts_energy

BOXES = 200  # for each mask
BOX_IOU = (0.7, 0.8)  # boxes that are called good
PIXELS = (1, 2)  # a thin line
BAND = 7  # pixels, of boundary IoU: 2 % of the short side
THIN = 0.05  # mIoU; more is not "hardly"
SCENES = 120
SMALL = 20  # pixels of an object's longer side below which predictor A misses it
FLIP = 0.02
SUPERPIXELS = (50, 100, 200, 400, 800)
COMPACTNESS = 10.0
GOOD = 0.95
GRIDS = 5


def _when(holds: bool, fails: bool) -> Verdict:
    return "holds" if holds else "fails" if fails else "depends"


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


def measure_boxes() -> Measurement:
    """How much of a real mask the best mask in a box keeps, for boxes that are off at random."""
    perfect, boxed = [], []
    for seed, mask in enumerate(cafe().masks):
        perfect.append(in_box(mask, tight_box(mask)).ceiling)
        boxed += random_boxes(mask, BOXES, seed)
    good = [one.ceiling for one in boxed if BOX_IOU[0] <= one.box_iou <= BOX_IOU[1]]
    numbers = {"perfect": min(perfect), "boxes": float(len(good)), "lowest": min(good)}
    for low in (0.5, 0.6, 0.7, 0.8, 0.9):
        kept = [one.ceiling for one in boxed if low <= one.box_iou < low + 0.1]
        numbers[f"ceiling_{round(100 * low)}"] = float(np.mean(kept))
    return Measurement.exact(1 - float(np.mean(good)), len(good), **numbers)


def _judge_boxes(m: Measurement) -> Verdict:
    return _when(m.numbers["perfect"] == 1 and m.effect > 0.05, m.effect <= 0.05)


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
    off = max(abs(one.pq - one.sq * one.rq) for found in (semantic, instance) for one in found.per_category.values())
    people = int((photo.labels == photo.class_names.index("person")).sum())
    return Measurement.exact(
        off,
        len(categories),
        people=float(people),
        person_semantic=semantic.per_category[photo.class_names.index("person")].pq,
        semantic=semantic.pq,
        instance=instance.pq,
        stuff_instance=instance.per_category[0].pq,
        perfect=perfect.pq,
    )


def _judge_tasks(m: Measurement) -> Verdict:
    numbers = m.numbers
    lost = numbers["person_semantic"] < 1 and numbers["stuff_instance"] == 0 and numbers["perfect"] == 1
    return _when(lost and m.effect <= 1e-12, not lost)


# SD-7


def one_wrong_region(area: int) -> Tensor:
    """Give `area` pixels of one object another class of the photo: of the smallest object that has as many."""
    photo = cafe()
    areas = photo.masks.flatten(1).sum(1)
    chosen = int(areas.where(areas >= area, areas.max() + 1).argmin())
    person, table = (photo.class_names.index(name) for name in ("person", "diningtable"))
    other = table if photo.labels[chosen] == person else person
    return swapped(photo.class_map, photo.masks[chosen], other, area)


def measure_errors() -> Measurement:
    """A thin error along all boundaries of a real photo, beside one region of the same area with a wrong class."""
    photo = cafe()
    labels, classes = photo.class_map, len(photo.class_names)
    numbers: dict[str, float] = {}
    worst, cheaper = 0.0, 1.0
    for pixels in PIXELS:
        costs = []
        for sign in (1, -1):
            wrong = shifted_boundaries(labels, sign * pixels)
            area = int((wrong != labels).sum())
            name = f"{'grown' if sign > 0 else 'shrunk'}_{pixels}"
            region = one_wrong_region(area)
            numbers |= {
                f"{name}_miou": 1 - mean_iou([wrong], [labels], classes),
                f"{name}_boundary": 1 - boundary_iou(wrong > 0, labels > 0, distance=BAND),
                f"{name}_area": area / labels.numel(),
                f"{name}_region_miou": 1 - mean_iou([region], [labels], classes),
            }
            costs.append(numbers[f"{name}_miou"])
            cheaper = min(cheaper, numbers[f"{name}_region_miou"] - numbers[f"{name}_miou"])
        worst = max(worst, *costs)
    return Measurement.exact(worst, 2 * len(PIXELS), region_costs_more_by=cheaper, **numbers)


def _judge_errors(m: Measurement) -> Verdict:
    hardly, region = m.effect <= THIN, m.numbers["region_costs_more_by"] > 0
    return _when(hardly and region, not hardly and not region)


# SD-8


@functools.cache
def two_predictors() -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Return the true labels of scenes, what A says (small objects missed) and B (all objects a pixel smaller)."""
    truth, missing, shrunk = [], [], []
    for seed in VALIDATION_SEEDS[:SCENES]:
        drawn = scene(seed)
        sides = (drawn.boxes[:, 2:] - drawn.boxes[:, :2]).amax(1)
        small = torch.cat([torch.tensor([False]), sides < SMALL])
        truth.append(drawn.semantic)
        missing.append(drawn.semantic.where(~small[drawn.instances], 0))
        shrunk.append(shifted_boundaries(drawn.semantic, -1))
    return truth, missing, shrunk


def measure_means() -> Measurement:
    """Dataset-mIoU and image-mIoU of two predictors: do they agree which is better?"""
    truth, missing, shrunk = two_predictors()
    classes = len(SCENE_CLASSES)
    numbers = {
        f"{name}_{over}": mean_iou(said, truth, classes, over=over)  # type: ignore[arg-type]
        for name, said in (("missing", missing), ("shrunk", shrunk))
        for over in ("dataset", "image")
    }
    dataset = numbers["missing_dataset"] - numbers["shrunk_dataset"]
    image = numbers["missing_image"] - numbers["shrunk_image"]
    return Measurement.exact(abs(dataset - image), SCENES, dataset_lead=dataset, image_lead=image, **numbers)


def _judge_means(m: Measurement) -> Verdict:
    return _when(m.effect > FLIP, m.effect <= FLIP)


# SD-9


def measure_strides() -> Measurement:
    """The best mask IoU that a map of a stride allows on real masks, enlarged both ways; small and large objects."""
    masks = cafe().masks
    order = masks.flatten(1).sum(1).argsort()
    half = len(order) // 2
    numbers: dict[str, float] = {}
    for stride, mode in itertools.product(STRIDES, ("nearest", "bilinear")):
        ceilings = torch.tensor([iou(through_stride(mask, stride, mode), mask) for mask in masks], dtype=torch.float64)
        numbers |= {
            f"{mode}_{stride}": float(ceilings.mean()),
            f"{mode}_{stride}_small": float(ceilings[order[:half]].mean()),
            f"{mode}_{stride}_large": float(ceilings[order[half:]].mean()),
        }
    return Measurement.exact(numbers["bilinear_4"] - numbers["bilinear_32"], len(masks), **numbers)


def _judge_strides(m: Measurement) -> Verdict:
    numbers = m.numbers
    falls = all(numbers[f"bilinear_{a}"] > numbers[f"bilinear_{b}"] for a, b in itertools.pairwise(STRIDES))
    small = all(numbers[f"bilinear_{stride}_small"] < numbers[f"bilinear_{stride}_large"] for stride in STRIDES)
    return _when(falls and small and m.effect > 0.1, m.effect <= 0.1)


# SD-10


def measure_old_methods() -> Measurement:
    """Superpixels of a real photo, and graph cuts on grids small enough to try every labelling."""
    photo = cafe()
    reached = {
        f"achievable_{count}": achievable_accuracy(
            torch.from_numpy(slic(photo.image, count, COMPACTNESS, start_label=0)), photo.class_map
        )
        for count in SUPERPIXELS
    }
    worst = 0.0
    for seed in range(GRIDS):
        unary = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        every = (torch.tensor(flat).view(3, 3) for flat in itertools.product(range(2), repeat=9))
        lowest = min(potts_energy(labels, unary, 0.3) for labels in every)
        worst = max(worst, potts_energy(graph_cut(unary, 0.3), unary, 0.3) - lowest)
    return Measurement.exact(worst, GRIDS, **reached)


def _judge_old_methods(m: Measurement) -> Verdict:
    good = m.numbers[f"achievable_{SUPERPIXELS[-1]}"] > GOOD
    return _when(good and m.effect <= 1e-9, not good)


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
            "": Criterion(
                "a tight box allows the whole mask; boxes of IoU .7 to .8 take more than 5 % of it on average",
                _judge_boxes,
            )
        },
        measure_boxes,
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
            "": Criterion(
                "of answers made from the truth only the panoptic one reaches PQ 1: the semantic one loses on people, "
                "the instance one gets nothing for stuff; PQ = SQ × RQ to 1e-12",
                _judge_tasks,
            )
        },
        measure_tasks,
    ),
    Claim(
        "SD-7",
        "Dataset-mIoU hardly sees a line of one or two pixels; a large wrong region is what costs",
        Said(
            "source",
            "dataset-mIoU … 并不是那么care一两个像素点宽度的线,相反 … 大面积分类错误 … 才是提升性能的关键",
            "dataset-mIoU does not care so much about a line one or two pixels wide; on the contrary, large-area "
            "misclassification is the key to a better score",
        ),
        {
            "": Criterion(
                f"boundaries off by 1 or 2 pixels cost at most {THIN} of mIoU, and each time one region of the same "
                "area costs more; fails if neither",
                _judge_errors,
            )
        },
        measure_errors,
    ),
    Claim(
        "SD-8",
        "Dataset-mIoU is not image-mIoU",
        Said(
            "source",
            "另外好像还有image-mIoU,但不知道哪个数据集用了",
            "there seems to be an image-mIoU too, but I do not know which data set uses it",
            "in passing",
        ),
        {
            "": Criterion(
                "the lead of a predictor that misses small objects over one that shrinks all differs by more than "
                f"{FLIP}",
                _judge_means,
            )
        },
        measure_means,
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
            "": Criterion(
                "the ceiling of real masks falls with each stride from 4 to 32, by more than .1 in all, and at each "
                "stride is lower for the smaller half of the objects",
                _judge_strides,
            )
        },
        measure_strides,
    ),
    Claim(
        "SD-10",
        "The older methods without training still help: superpixels keep to boundaries, graph cuts find the best "
        "labels",
        Said(
            "source",
            "传统的图割算法,似乎都是无监督算法",
            "the traditional graph-cut algorithms all seem to be unsupervised",
            "from memory",
        ),
        {
            "": Criterion(
                f"{SUPERPIXELS[-1]} superpixels allow more than {GOOD} of the pixels right; a graph cut's energy is "
                "the lowest of all labellings to 1e-9",
                _judge_old_methods,
            )
        },
        measure_old_methods,
    ),
)
