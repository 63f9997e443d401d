"""No net asks oneDNN for a narrow 1×1 convolution with a stride, whose gradients it gets wrong (its issue 6035)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from fpnlib import models
from fpnlib.models.detector import Detector
from fpnlib.models.resnet import Subsampling1x1

ROOT = Path(__file__).parents[3]
PROCESSORS = {
    "this one": {},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "torch's plainest": {"ATEN_CPU_CAPABILITY": "default"},
}


@pytest.mark.parametrize("processor", PROCESSORS)
def test_gradients_are_those_of_torch_without_onednn(processor):
    # Apart, since what this looks for kills the process or never ends.
    run = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "tests" / "support" / "strided_gradients.py"],
        env=os.environ | PROCESSORS[processor] | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    apart = json.loads(run.stdout)
    assert len(apart) == 2 * 16 * 2
    # Sums of up to 16,384 products in float32, in another order: 6e-6 was the most seen.
    assert not {case: value for case, value in apart.items() if not value < 1e-4}


class Strided1x1(TorchDispatchMode):
    """Collects the narrow strided 1×1 that reach torch's own kernels, by weight, and counts all convolutions."""

    def __init__(self):
        super().__init__()
        self.found, self.count = [], 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.convolution.default:
            _, weight, _, stride, *_ = args
            self.count += 1
            # Fewer input channels than AVX-512 takes at once.
            if tuple(weight.shape[2:]) == (1, 1) and max(stride) > 1 and weight.shape[1] < 16:
                self.found.append(tuple(weight.shape))
        return function(*args, **(kwargs or {}))


# Each with the shapes it takes, all on the meta device.
NETS = {
    "resnet18": (lambda: models.resnet18(width=2), [(2, 3, 64, 64)]),
    "resnet34": (lambda: models.resnet34(norm=models.BatchNorm2d), [(2, 3, 64, 64)]),
    "resnet50": (lambda: models.resnet50(width=3), [(2, 3, 64, 64)]),
    "detector": (lambda: Detector(width=2, channels=4), [(2, 3, 64, 64)]),
    "CPN": (lambda: models.CPN(models.resnet50(width=2, num_classes=None), 3, 4), [(2, 3, 64, 64)]),
    "FPN": (lambda: models.FPN((3, 4), 4).train(), [[(2, 3, 8, 8), (2, 4, 4, 4)]]),
    "FPN, pool": (
        lambda: models.FPN((3, 4), 4, extra_blocks=models.LastLevelMaxPool()).train(),
        [[(2, 3, 8, 8), (2, 4, 4, 4)]],
    ),
    "FPN, P6 and P7": (
        lambda: models.FPN((3, 5), 4, extra_blocks=models.LastLevelP6P7(5, 4)).train(),
        [[(2, 3, 8, 8), (2, 5, 4, 4)]],
    ),
    "PathAggregation": (lambda: models.PathAggregation(4, 2), [[(2, 4, 8, 8), (2, 4, 4, 4)]]),
    "BiFPN": (lambda: models.BiFPN((3, 4), 4, extra_levels=2), [[(2, 3, 8, 8), (2, 4, 4, 4)]]),
    "dilated": (
        lambda: models.resnet50(width=3, replace_stride_with_dilation=(False, True, True)),
        [(2, 3, 64, 64)],
    ),
    "DenseNet": (lambda: models.DenseNet(4, (2, 2), 4), [(2, 3, 64, 64)]),
    "EfficientNetLite0": (models.EfficientNetLite0, [(2, 3, 64, 64)]),
    "HED": (models.HED, [(2, 3, 64, 64)]),
    "PNet": (models.PNet, [(2, 3, 64, 64)]),
    "UNet": (lambda: models.UNet(3, 2, (4, 8)), [(2, 3, 64, 64)]),
    "Stack": (lambda: models.Stack(2, 4), [(2, 4, 8, 8)]),
    "LSTMCell": (lambda: models.LSTMCell(4, 3), [(2, 4)]),
}


def test_no_net_asks_for_one():
    seen = set()
    for name, (make, shapes) in NETS.items():
        with torch.device("meta"):
            net = make()
            inputs = [[torch.zeros(one) for one in s] if isinstance(s, list) else torch.zeros(s) for s in shapes]
        # Outside, or what a net keeps from call to call would stay on that device.
        with Strided1x1() as asked:
            net(*inputs)
        seen |= {type(module) for module in net.modules()}
        assert not asked.found, name
        assert asked.count or name == "LSTMCell", name
    public = {getattr(models, name) for name in models.__all__}
    every = {one for one in public if isinstance(one, type) and issubclass(one, nn.Module)}
    assert every <= seen, "a net that this test does not know"


def test_a_plain_one_is_noticed():
    with torch.device("meta"), Strided1x1() as asked:
        nn.Conv2d(4, 8, 1, stride=(1, 2))(torch.zeros(1, 4, 8, 8))
    assert asked.found == [(8, 4, 1, 1)]


@pytest.mark.parametrize("stride", [2, 3, (1, 2), (3, 2)])
@pytest.mark.parametrize("size", [(1, 1), (7, 12), (9, 8)])
def test_the_numbers_are_a_plain_ones(stride, size):
    mine, plain = Subsampling1x1(5, 7, 1, stride).double(), nn.Conv2d(5, 7, 1, stride).double()
    plain.load_state_dict(mine.state_dict())
    x = torch.randn(2, 5, *size, dtype=torch.float64, requires_grad=True)
    outputs = mine(x), plain(x)
    torch.testing.assert_close(*outputs)
    weight = torch.randn_like(outputs[0])
    grads = [
        torch.autograd.grad(out, (x, *net.parameters()), weight)
        for out, net in zip(outputs, (mine, plain), strict=True)
    ]
    torch.testing.assert_close(*grads)


def test_ordinary_widths_have_torchs_own_kernel():
    nets = models.resnet18(), models.resnet50(), models.resnet18(width=16), models.resnet50(width=4)
    shortcuts = [stage[0].downsample[0] for net in nets for stage in (net.layer2, net.layer3, net.layer4)]
    assert {type(conv) for conv in shortcuts} == {nn.Conv2d}
    assert all(conv.stride == (2, 2) for conv in shortcuts)


def test_many_at_once():
    convs = [Subsampling1x1(3, 6, 1, 2) for _ in range(4)]
    parameters, buffers = stack_module_state(convs)
    x = torch.randn(4, 2, 3, 9, 8).permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)  # channels last
    run = vmap(lambda p, b, one: functional_call(convs[0], (p, b), (one,)))
    torch.testing.assert_close(
        run(parameters, buffers, x), torch.stack([c(one) for c, one in zip(convs, x, strict=True)])
    )
    with Strided1x1() as asked:
        run(parameters, buffers, x).sum().backward()
    assert asked.count
    assert not asked.found
