"""An RoI on a strip of pixels, and what each of the layers above keeps of it."""

import dataclasses

import numpy as np
import torch

from fpnlib.ops import AxisField, ReceptiveField, degenerate_width, project_box

PIXELS = 40


@dataclasses.dataclass(frozen=True)
class Strip:
    """An RoI on the strip and on each layer; the first entry of every list is the image."""

    begin: int
    end: int
    centers: list[np.ndarray]  # of the units, in pixels from the left border of the image
    clipped: np.ndarray  # (layers + 1, 2), what the layer keeps of the RoI, in pixels
    size: int
    stride: int
    start: float
    padding: int  # of the whole net, in pixels
    whole: float  # width of the RoI in units of the last layer
    kept: float  # what the last layer has of it
    limit: float  # width up to which an RoI at the left border is a point
    right_limit: float  # and at the right border
    read: int  # units that RoIPool reads if the box is divided by the stride
    asked: int  # and those that it asks for, whether the map has them or not
    places: np.ndarray  # of these, in pixels

    @property
    def top(self) -> int:
        """The last layer."""
        return len(self.centers) - 1


def strip_of(position: int, width: int, layers: int, kernel: int, stride: int, padding: int) -> Strip:
    """Project an RoI onto every layer, all alike. It stops at the right border of the strip."""
    begin, end = position, min(position + width, PIXELS)
    one = AxisField(kernel, stride, padding, padding)
    axis, centers, clipped = AxisField(), [np.arange(PIXELS) + 0.5], [(begin, end)]
    for _ in range(layers):
        axis = axis.then(one)
        units = axis.units(PIXELS)
        centers.append(axis.center(0) + 0.5 + axis.stride * np.arange(units))
        clipped.append(tuple(np.clip((begin, end), centers[-1][0], centers[-1][-1])))
    field = ReceptiveField(axis, axis)
    box = torch.tensor([begin, begin, end, end], dtype=torch.float64)
    x0, _, x1, _ = project_box(box, field).tolist()
    kept0, _, kept1, _ = project_box(box, field, clip_to=(units, units)).tolist()
    limit = degenerate_width(field)
    first, last = (int(edge / axis.stride + 0.5) for edge in (begin, end))  # RoIPool rounds to whole units
    return Strip(
        begin=begin,
        end=end,
        centers=centers,
        clipped=np.array(clipped),
        size=axis.size,
        stride=axis.stride,
        start=axis.start,
        padding=axis.padding,
        whole=x1 - x0,
        kept=kept1 - kept0,
        limit=float(limit),  # type: ignore[arg-type]
        right_limit=float(degenerate_width(field, image_size=(PIXELS, PIXELS))),  # type: ignore[arg-type]
        read=max(0, min(last + 1, units) - first),
        asked=last + 1 - first,
        places=axis.center(0) + 0.5 + axis.stride * np.arange(first, last + 1),
    )
