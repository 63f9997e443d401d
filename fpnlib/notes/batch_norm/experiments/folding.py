"""Claim BN-5: batch norm folds into the convolution before it, and not into a padded one after it."""

import torch
from torch import nn

from fpnlib.claims import Claim, Measurement, Said, all_of, exceeds, within
from fpnlib.models import BatchNorm2d
from fpnlib.notes.batch_norm.experiments.exactness import EXACT, INSTANCES, SEEN, WRONG, off
from fpnlib.ops import fold_batch_norm

KERNELS = {
    "edges": ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0)),
    "blur": ((0.0625, 0.125, 0.0625), (0.125, 0.25, 0.125), (0.0625, 0.125, 0.0625)),
    "sharpen": ((0.0, -1.0, 0.0), (-1.0, 5.0, -1.0), (0.0, -1.0, 0.0)),
}


def folding() -> Measurement:
    """One convolution in place of convolution and batch norm, random nets in double and in single precision."""
    generator = torch.Generator().manual_seed(3)
    worst = {torch.float64: 0.0, torch.float32: 0.0}
    still_training = before_padded = float("inf")
    inside = 0.0
    for i in range(INSTANCES):
        groups, stride, padding = 1 + i % 2, 1 + i // 2 % 2, i // 4 % 3
        layer = (nn.BatchNorm2d, BatchNorm2d)[i // 8 % 2]
        conv = nn.Conv2d(4, 6, 3, stride, padding, groups=groups, bias=i % 3 > 0).double()
        bn = layer(6, affine=i % 5 > 0).double()
        with torch.no_grad():
            for values in [*conv.parameters(), *bn.parameters(), bn.get_buffer("running_mean")]:
                values.normal_(generator=generator)
            bn.get_buffer("running_var").uniform_(0.1, 4, generator=generator)
        x = torch.randn((3, 4, 9, 9), generator=generator, dtype=torch.float64)
        for dtype in worst:
            conv, bn = conv.to(dtype), bn.to(dtype).eval()
            with torch.no_grad():
                two, one = bn(conv(x.to(dtype))), fold_batch_norm(conv, bn)(x.to(dtype))
                worst[dtype] = max(worst[dtype], off(one, two))
        with torch.no_grad():
            still_training = min(still_training, off(one, bn.train()(conv(x.to(dtype)))))
        border, interior = _folded_forward(generator)
        before_padded, inside = min(before_padded, border), max(inside, interior)
    return Measurement.exact(
        worst[torch.float64],
        n=INSTANCES,
        off_single=worst[torch.float32],
        training_mode_least_off=still_training,
        before_padded_least_off=before_padded,
        before_padded_inside=inside,
    )


@torch.no_grad()
def _folded_forward(generator: torch.Generator) -> tuple[float, float]:
    """Batch norm folded into the padded 3×3 after it: how far that is off anywhere, and away from the border.

    The zeros around the map are put there after batch norm, so they are no zeros for the folded convolution.
    """
    bn, conv = nn.BatchNorm2d(3).double().eval(), nn.Conv2d(3, 4, 3, padding=1).double()
    for values in (*bn.parameters(), *conv.parameters(), bn.get_buffer("running_mean")):
        values.normal_(generator=generator)
    bn.get_buffer("running_var").uniform_(0.1, 4, generator=generator)
    x = torch.randn((3, 3, 9, 9), generator=generator, dtype=torch.float64)
    scale = bn.weight / (bn.get_buffer("running_var") + bn.eps).sqrt()
    shift = bn.bias - scale * bn.get_buffer("running_mean")
    weight = conv.weight * scale[None, :, None, None]
    bias = conv.get_parameter("bias") + (conv.weight * shift[None, :, None, None]).sum((1, 2, 3))
    one, two = nn.functional.conv2d(x, weight, bias, padding=1), conv(bn(x))
    return off(one, two), off(one[..., 1:-1, 1:-1], two[..., 1:-1, 1:-1])


CLAIMS = (
    Claim(
        "BN-5",
        "Batch norm folds into the convolution before it.",
        Said("field", "Jacob et al., Quantization and Training of Neural Networks, CVPR 2018, section 3.2"),
        {"": within(EXACT, "one convolution's output and both layers', over 40 random pairs in eval mode,")},
        folding,
        control=all_of(
            exceeds(WRONG, f"{SEEN}: batch norm in training mode", of="training_mode_least_off"),
            exceeds(WRONG, f"{SEEN}: batch norm before a zero-padded convolution", of="before_padded_least_off"),
        ),
        told={
            "holds": "In eval mode batch norm costs nothing: it disappears into the convolution before it, but not "
            "into a padded one after it."
        },
    ),
)
