"""A small detector without anchors on a feature pyramid, or on a single map of the backbone.

In the manner of FCOS (Tian et al., ICCV 2019): every cell of every level says which class lies there, where its box is
and how good that box is. Two things differ: the box is a centre and a size relative to the cell, so that a cell may
answer for an object smaller than itself, and quality is the box's IoU.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fpnlib.data.scenes import SCENE_CLASSES
from fpnlib.models.assignment import pyramid_level
from fpnlib.models.fpn import FPN
from fpnlib.models.resnet import BasicBlock, ResNet
from fpnlib.validation import require, require_choice

Feature = Literal["pyramid", "C4", "C5"]
FEATURES = ("pyramid", "C4", "C5")
Images = Float[Tensor, "b 3 h w"] | Sequence[Float[Tensor, "b _ _ _"]]
"""Images, or, for a detector without a backbone, four maps (B, C, H, W) at strides 4, 8, 16, 32."""

WEIGHTS = Path(__file__).parent / "weights"

CANONICAL_SIZE = 32.0
"""The least side of an object that goes to P4: below 16 pixels to P2, below 32 to P3, from 64 on to P5."""

AREA_RANGES = {"small": (0.0, 16.0**2), "medium": (16.0**2, 40.0**2), "large": (40.0**2, 1e5**2)}
"""Small, medium and large by the box's area, for scenes of 128 pixels; COCO's bounds would call most objects small."""

_FOCAL_WEIGHT, _FOCAL_POWER = 0.25, 2.0  # Lin et al., "Focal Loss", ICCV 2017, section 4.1
_BOX_WEIGHT = 2.0
_PRIOR = 0.01  # how likely a cell holds an object at the start
_CANDIDATES = 2  # so many times the detections asked for go into non-maximum suppression
_REACH = 1.0  # cells this many strides around an object's centre answer for it, if they lie inside


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the head says at each of the a cells of all levels, finest level first, row by row.

    logits:  (B, a, classes)
    boxes:   (B, a, 4), x0 y0 x1 y1 in pixels
    quality: (B, a) logits of the box's IoU
    """

    logits: Float[Tensor, "b a k"]
    boxes: Float[Tensor, "b a 4"]
    quality: Float[Tensor, "b a"]


@dataclass(frozen=True, eq=False)
class Cells:
    """The a cells of all levels of one picture: centre (a, 2) as x y, stride (a,), level (a,)."""

    centre: Float[Tensor, "a 2"]
    stride: Float[Tensor, " a"]
    level: Int64[Tensor, " a"]


class Detector(nn.Module):
    """ResNet, feature pyramid, one shared head: 3×3 with ReLU, then 1×1 for class, box and quality.

    Args:
        num_classes: classes without the background.
        width: of the ResNet, one basic block a stage: C2…C5 have 1, 2, 4, 8 times as many channels.
        channels: of the pyramid and the head.
        features: "pyramid" for P2…P5, or the one backbone map that the head sees, after a 1×1 and a 3×3.
        pyramid: options of `FPN`: top_down, lateral, smooth, upsampling, merge.
        in_channels: of the maps of another backbone at strides 4, 8, 16, 32. Then the detector has none of its own, and
            takes these four maps wherever else it takes images.
    """

    def __init__(
        self,
        num_classes: int = len(SCENE_CLASSES) - 1,
        *,
        width: int = 8,
        channels: int = 32,
        features: Feature = "pyramid",
        pyramid: Mapping[str, Any] | None = None,
        in_channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        require(num_classes >= 1, "num_classes", num_classes, "at least 1")
        require_choice("features", features, FEATURES)
        single = features != "pyramid"
        require(not (single and pyramid), "pyramid", pyramid, "options only with features='pyramid'")
        self.options: dict[str, Any] = {
            "num_classes": num_classes,
            "width": width,
            "channels": channels,
            "features": features,
        }
        self.options |= {"pyramid": dict(pyramid)} if pyramid else {}
        self.levels = {"pyramid": (2, 3, 4, 5), "C4": (4,), "C5": (5,)}[features]
        self.backbone: ResNet | None = None
        if in_channels is None:
            self.backbone = ResNet(BasicBlock, (1, 1, 1, 1), width=width, num_classes=None)
            if features == "C4":
                self.backbone.layer4 = nn.Sequential()  # nothing reads C5
            in_channels = self.backbone.channels
        else:
            require(len(in_channels) == 4, "in_channels", in_channels, "four numbers")
            self.options["in_channels"] = list(in_channels)
        self.fpn = FPN([in_channels[level - 2] for level in self.levels], channels, **(pyramid or {}))
        self.tower = nn.Conv2d(channels, channels, 3, padding=1)
        self.heads = nn.Conv2d(channels, num_classes + 5, 1)
        self.num_classes = num_classes
        nn.init.kaiming_normal_(self.tower.weight, nonlinearity="relu")
        nn.init.normal_(self.heads.weight, std=0.01)
        for layer in (self.tower, self.heads):
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.heads.bias[:num_classes] = torch.tensor(_PRIOR).logit()  # type: ignore[index]

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride of each level that the head sees."""
        return tuple(2**level for level in self.levels)

    def maps(self, images: Images) -> list[Tensor]:
        """The backbone's maps that the pyramid takes, finest first; `images` are RGB, 0…1."""
        if self.backbone is None:
            require(not isinstance(images, Tensor), "images", "a tensor", "the four maps of another backbone")
            stages = images
        else:
            require(isinstance(images, Tensor), "images", type(images).__name__, "a tensor (B, 3, H, W)")
            stages = self.backbone.stages((images - 0.45) / 0.25)  # type: ignore[operator, arg-type]
        return [stages[level - 2] for level in self.levels]

    def forward(self, images: Images) -> Predictions:
        """What every cell says. `images` (B, 3, H, W) are RGB, 0…1; ValueError for another number of channels."""
        answers = []
        levels = self.fpn(self.maps(images))
        for level in levels:
            answers.append(self.heads(F.relu(self.tower(level))).flatten(2).transpose(1, 2))
        answer = torch.cat(answers, 1)
        cells = cells_of(tuple((level.shape[2], level.shape[3]) for level in levels), self.levels)
        logits, place, size, quality = answer.split((self.num_classes, 2, 2, 1), 2)
        stride = cells.stride[:, None].to(place.device)
        centre = cells.centre.to(place.device) + place * stride
        half = stride * size.clamp(-4, 4).exp()
        return Predictions(logits, torch.cat((centre - half, centre + half), 2), quality[..., 0])

    @torch.no_grad()
    def detect(
        self,
        images: Images,
        *,
        score_threshold: float = 0.02,
        iou_threshold: float = 0.6,
        most: int = 100,
    ) -> list[dict[str, Tensor]]:
        """Detections of each image, best first: `boxes` (n, 4) cut at the picture's edge, `scores`, `labels` from 1 on.

        A score is the root of class probability times quality. Of the 2 · `most` best that pass `score_threshold`
        those stay that no better one of their class overlaps by more than `iou_threshold`, at most `most`.
        """
        said = self(images)
        scores = (said.logits.sigmoid() * said.quality.sigmoid()[..., None]).sqrt()
        score, best = scores.flatten(1).topk(min(_CANDIDATES * most, scores[0].numel()), dim=1)
        label = best % self.num_classes
        shape, stride = (images.shape, 1) if isinstance(images, Tensor) else (images[0].shape, 4)
        height, width = shape[2] * stride, shape[3] * stride
        edge = torch.tensor([width, height, width, height])
        boxes = said.boxes.gather(1, (best // self.num_classes)[..., None].expand(-1, -1, 4)).clamp(
            torch.zeros(4), edge
        )
        # Classes are moved apart, so that one pass serves all of them and none meets another.
        apart = boxes + 2.0 * max(height, width) * label[..., None]
        kept = (score > score_threshold) & best_of_overlapping(apart, iou_threshold)
        return [
            {"boxes": box[keep][:most], "scores": number[keep][:most], "labels": name[keep][:most] + 1}
            for box, number, name, keep in zip(boxes, score, label, kept, strict=True)
        ]

    def save(self, path: str | PathLike[str]) -> None:
        """Write weights and options as one safetensors file in half precision."""
        state = {
            name: value.half() if value.is_floating_point() else value for name, value in self.state_dict().items()
        }
        save_file(
            {name: value.contiguous() for name, value in state.items()}, path, {"options": json.dumps(self.options)}
        )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Detector":
        """A detector as `save` wrote it, in eval mode; ValueError for a file that is none."""
        try:
            with safe_open(path, "pt") as file:
                options = json.loads((file.metadata() or {})["options"])
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            made = cls(**options)
            made.load_state_dict(state)
        except (OSError, SafetensorError, KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"path: cannot read {path} as a detector ({error}), allowed: a file that save wrote"
            ) from error
        return made.eval().requires_grad_(False)

    @classmethod
    def pretrained(cls, name: str = "scenes") -> "Detector":
        """A detector trained on scenes, in eval mode: one of `trained_detectors()`. ValueError for another name.

        `fpnlib/models/weights/README.md` says how each was made.
        """
        require_choice("name", name, trained_detectors())
        return cls.load(WEIGHTS / f"detector-{name}.safetensors")


def trained_detectors() -> tuple[str, ...]:
    """The names of the trained detectors in this package."""
    return tuple(sorted(path.stem.removeprefix("detector-") for path in WEIGHTS.glob("detector-*.safetensors")))


def detection_targets(boxes: Sequence[Tensor], classes: Sequence[Tensor]) -> list[dict[str, Tensor]]:
    """Scenes' boxes and classes as `fpnlib.metrics.detection_average_precision` takes them."""
    return [{"boxes": box, "labels": label} for box, label in zip(boxes, classes, strict=True)]


@lru_cache(maxsize=64)
def cells_of(sizes: tuple[tuple[int, int], ...], levels: tuple[int, ...]) -> Cells:
    """The cells of levels of `sizes` (rows, columns), in the order of `Predictions`."""
    centres, strides, numbers = [], [], []
    for (rows, columns), level in zip(sizes, levels, strict=True):
        y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
        centres.append(torch.stack((x, y), -1).reshape(-1, 2) * 2**level)
        strides.append(torch.full((rows * columns,), float(2**level)))
        numbers.append(torch.full((rows * columns,), level))
    return Cells(torch.cat(centres), torch.cat(strides), torch.cat(numbers))


def assign(cells: Cells, boxes: Sequence[Tensor], canonical_size: float = CANONICAL_SIZE) -> Int64[Tensor, "b a"]:
    """Which object each cell answers for: its place among all boxes of the batch in order, or -1.

    `boxes` are one (n, 4) tensor an image. An object's level is `pyramid_level(…, canonical_size=canonical_size)`,
    cut off at the levels there are. On it the cell that holds the box's centre answers for it, and those inside the
    box less than a stride away. Where two objects want a cell the smaller gets it.
    """
    image = torch.repeat_interleave(torch.arange(len(boxes)), torch.tensor([len(box) for box in boxes]))
    every = torch.cat([*boxes])
    first, last = int(cells.level.min()), int(cells.level.max())
    level = pyramid_level(every, canonical_size=canonical_size, levels=(first, last))
    area = (every[:, 2:] - every[:, :2]).prod(1)
    rank = area.argsort(descending=True, stable=True)  # later wins, so the smallest
    centre, half = (every[rank, 2:] + every[rank, :2]) / 2, (every[rank, 2:] - every[rank, :2]) / 2
    offset = (cells.centre - centre[:, None]).abs()
    stride = cells.stride[:, None]
    holds = (torch.div(centre[:, None], stride, rounding_mode="floor") * stride + stride / 2 == cells.centre).all(2)
    near = ((offset < _REACH * stride) & (offset < half[:, None])).all(2)
    wants = (holds | near) & (cells.level == level[rank, None])
    place, cell = wants.nonzero(as_tuple=True)
    owner = torch.full((len(boxes) * len(cells.level),), -1)
    owner.scatter_reduce_(0, image[rank[place]] * len(cells.level) + cell, place, "amax")
    nobody = torch.tensor([-1])  # read by index -1
    return torch.cat((rank, nobody))[owner].reshape(len(boxes), -1)


def detection_loss(
    said: Predictions, owner: Int64[Tensor, "b a"], boxes: Sequence[Tensor], classes: Sequence[Tensor]
) -> Float[Tensor, ""]:
    """Focal loss of the classes, GIoU loss of the boxes and cross-entropy of quality, over the number of positives.

    `owner` is `assign`'s answer; `classes` are (n,) for each image, from 1 on.
    """
    wanted, label = torch.cat([*boxes]), torch.cat([*classes]) - 1
    positive = owner >= 0
    count = positive.sum().clamp(min=1)
    target = torch.zeros_like(said.logits)
    target[positive] = F.one_hot(label[owner[positive]], target.shape[2]).to(target.dtype)
    overlap = giou(said.boxes[positive], wanted[owner[positive]])
    iou = iou_of_pairs(said.boxes[positive], wanted[owner[positive]]).detach()
    quality = F.binary_cross_entropy_with_logits(said.quality[positive], iou, reduction="sum")
    return (focal_loss(said.logits, target) + _BOX_WEIGHT * (1 - overlap).sum() + quality) / count


def focal_loss(logits: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Sum of cross-entropy, that of easy examples turned down; target is 0 or 1.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5, with α = 0.25 and γ = 2.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    wrong = probability + target - 2 * probability * target
    weight = _FOCAL_WEIGHT * target + (1 - _FOCAL_WEIGHT) * (1 - target)
    return (weight * wrong**_FOCAL_POWER * entropy).sum()


def best_of_overlapping(boxes: Float[Tensor, "b n 4"], iou_threshold: float) -> Bool[Tensor, "b n"]:
    """Which boxes of each image non-maximum suppression keeps; they must come best first. Equal to `fpnlib.ops.nms`.

    All images at once: a box stays if no kept better one overlaps it; asked again until no answer changes.
    """
    better = torch.ones(boxes.shape[1], boxes.shape[1], dtype=torch.bool).triu(1)
    drops = (iou_of_pairs(boxes[:, :, None], boxes[:, None]) > iou_threshold) & better
    keep = torch.ones(boxes.shape[:2], dtype=torch.bool)
    while True:
        again = ~(drops & keep[:, :, None]).any(1)
        if torch.equal(again, keep):
            return keep
        keep = again


def iou_of_pairs(boxes1: Float[Tensor, "*#n 4"], boxes2: Float[Tensor, "*#n 4"]) -> Float[Tensor, "..."]:
    """Intersection over union of each box with its partner; shapes broadcast."""
    return _overlap(boxes1, boxes2)[0]


def giou(boxes1: Float[Tensor, "n 4"], boxes2: Float[Tensor, "n 4"]) -> Float[Tensor, " n"]:
    """Generalised IoU of each box with its partner: IoU less the share of their common frame that neither covers.

    Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019, algorithm 1.
    """
    iou, union = _overlap(boxes1, boxes2)
    frame = _area(torch.minimum(boxes1[:, :2], boxes2[:, :2]), torch.maximum(boxes1[:, 2:], boxes2[:, 2:]))
    return iou - (frame - union) / frame.clamp(min=1e-6)


def _overlap(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    (low1, high1), (low2, high2) = (boxes.split(2, -1) for boxes in (boxes1, boxes2))
    shared = _area(torch.maximum(low1, low2), torch.minimum(high1, high2))
    union = _area(low1, high1) + _area(low2, high2) - shared
    return shared / union.clamp(min=1e-6), union


def _area(low: Tensor, high: Tensor) -> Tensor:
    side = (high - low).clamp(min=0)
    return side[..., 0] * side[..., 1]
