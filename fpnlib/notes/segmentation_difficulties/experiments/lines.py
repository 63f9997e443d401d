"""SD-7: what a thin line along all contours costs, beside a wrong region of the same area."""

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from fpnlib.claims import Claim, Criterion, Measurement, Said, exceeds, stays_within
from fpnlib.data.voc import VOID
from fpnlib.metrics import boundary_iou, confusion_matrix, iou_per_class, mean_iou
from fpnlib.notes.segmentation_difficulties.experiments.bounds import (
    BAND,
    CRF_GAIN,
    LESS_THAN_A_CRF,
    spread,
    with_effect,
)
from fpnlib.notes.segmentation_difficulties.experiments.masks import (
    VOID_WIDTH,
    lines_off,
    swapped,
    void_border,
    with_border,
)
from fpnlib.notes.segmentation_difficulties.experiments.photos import Labelled, cafe, class_names, on_photos, photos

PIXELS = (1, 2)  # a thin line
_THICK = 6  # pixels: a line that no one calls thin
WIDTHS = range(VOID_WIDTH + 1)
CALLED = {
    f"one wrong region of that area, called {name}": kind
    for name, kind in (("chair", "chair"), ("bottle", "bottle"), ("person", "person"), ("table", "diningtable"))
}
KINDS = ("objects too large", "objects too small", *CALLED)
MOST = 6  # pixels of error

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
        numbers |= spread(f"line_{pixels}_void_{width}", [_line(one, pixels, width) for one in found])
        for kind in _SIDES:
            areas = torch.zeros(2, VOID, dtype=torch.int64)
            for one in found:
                there, *both = torch.tensor(one[f"areas_{kind}_{pixels}_void_{width}"]).view(-1, 3).T
                areas[:, there] += torch.stack(both)
            numbers[f"dataset_{kind}_{pixels}_void_{width}"] = 1 - (areas[0].double() / areas[1]).nanmean().item()
    return with_effect("line_1_void_0", len(found), numbers)


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


@functools.lru_cache(maxsize=len(KINDS) * (MOST + 1) * (VOID_WIDTH + 1))
def wrong_and_scores(kind: str, pixels: int, void: int) -> tuple[Bool[np.ndarray, "h w"], tuple[float, float, float]]:
    """The wrong pixels that count, and of those that count accuracy, mIoU and boundary IoU."""
    said, labels, border = _said(kind, pixels), cafe().class_map, torch.from_numpy(cafe_border(void))
    wrong = (said != labels) & ~border
    values = (
        1 - float(wrong.sum() / (~border).sum()),
        mean_iou([said], [labels.where(~border, VOID)], len(cafe().class_names), ignore_index=VOID),
        float(np.mean([boundary_iou(said == one, labels == one, distance=BAND, ignore=border) for one in _present()])),
    )
    return wrong.numpy(), values


@functools.lru_cache(maxsize=len(KINDS) * (MOST + 1))
def _said(kind: str, pixels: int) -> torch.Tensor:
    labels = cafe().class_map
    if kind not in CALLED:
        return lines_off(labels, pixels if kind == KINDS[0] else -pixels)
    # The area that the objects gain when they grow by as much.
    area = int((lines_off(labels, pixels) != labels).sum())
    return one_wrong_region(area, CALLED[kind]) if area else labels


@functools.lru_cache(maxsize=VOID_WIDTH + 1)
def cafe_border(void: int) -> Bool[np.ndarray, "h w"]:
    """Where a border of so many pixels lies on the café."""
    return void_border(photos()["cafe"].instances, void).numpy()


@functools.cache
def _present() -> tuple[int, ...]:
    return tuple(torch.unique(cafe().class_map).tolist())


def _hardly(pixels: int, width: int) -> Criterion:
    return stays_within(
        CRF_GAIN,
        f"mean cost in mIoU over the photos of contours off by {pixels} px, {width} px of border left out",
        of=f"line_{pixels}_void_{width}",
        because=LESS_THAN_A_CRF,
    )


SD_7 = Claim(
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
)
