"""SD-1: what ties a pixel's prediction to its neighbours', unit by unit of a ResNet-18."""

import torch
from torch import Tensor

from fpnlib.claims import Claim, Measurement, Said, within
from fpnlib.models import resnet18
from fpnlib.ops import AxisField


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


SD_1 = Claim(
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
)
