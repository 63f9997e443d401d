"""Write what torchvision's ResNets and its feature pyramid answer to three files, for a machine where they load.

python tests/support/record_fpn_results.py
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from fpnlib.notes.fpn.experiments.recorded import (
    CHANNELS,
    FILE,
    OTHER_SIZES,
    OUT,
    SIZES,
    fill,
    pyramid_input,
    pyramid_maps,
)

RESNETS = Path(__file__).parents[1] / "unit" / "models" / "torchvision_resnet.json"
EXTRA = RESNETS.with_name("torchvision_extra_levels.json")
DILATED = {"resnet50_stride16": (False, False, True), "resnet50_stride8": (False, True, True)}
IMAGE = (2, 3, 65, 97)
SAMPLES = 40


def image() -> Tensor:
    return torch.randn(IMAGE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def sampled(map: Tensor) -> Tensor:
    """Values at places spread over the whole map."""
    flat = map.flatten()
    return flat[torch.linspace(0, len(flat) - 1, SAMPLES).long()]


def rounded(values: Tensor) -> list[float]:
    return [float(f"{value:.10g}") for value in values.flatten().tolist()]


def define_missing_operators() -> torch.library.Library:
    """torchvision's binary wants CUDA; its Python part needs no more than these two names."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in ("nms(Tensor a, Tensor b, float c) -> Tensor", "qnms(Tensor a, Tensor b, float c) -> Tensor"):
        if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
            library.define(schema)
    return library


@torch.no_grad()
def record_pyramid(torchvision) -> dict:
    pyramid = torchvision.ops.FeaturePyramidNetwork(list(CHANNELS), OUT).double()
    fill(pyramid)
    answers, other_answers = (
        [
            [{"shape": list(level.shape), "values": rounded(level)} for level in pyramid(maps).values()]
            for maps in inputs
        ]
        for inputs in (map(pyramid_input, SIZES), map(pyramid_maps, OTHER_SIZES))
    )
    return {
        "torchvision": torchvision.__version__,
        "keys": list(pyramid.state_dict()),
        "answers": answers,
        "other_answers": other_answers,
    }


@torch.no_grad()
def record_extra_blocks(torchvision) -> dict:
    """What the pyramid gives with further levels: of P6 and P7 made from C5, and made from P5."""
    blocks = torchvision.ops.feature_pyramid_network
    recorded = {}
    for name, extra in {
        "pool": blocks.LastLevelMaxPool(),
        "p6p7_of_c5": blocks.LastLevelP6P7(CHANNELS[-1], OUT),
        "p6p7_of_p5": blocks.LastLevelP6P7(OUT, OUT),
    }.items():
        pyramid = torchvision.ops.FeaturePyramidNetwork(list(CHANNELS), OUT, extra_blocks=extra).double()
        fill(pyramid)
        answered = [pyramid(maps) for maps in map(pyramid_input, SIZES)]
        further = [
            [{"shape": list(one.shape), "values": rounded(one)} for one in list(levels.values())[len(CHANNELS) :]]
            for levels in answered
        ]
        recorded[name] = {"keys": list(pyramid.state_dict()), "names": list(answered[0]), "answers": further}
    return recorded


@torch.no_grad()
def record_resnet(torchvision, name: str, **options) -> dict:
    net = getattr(torchvision.models, name)(**options).double().eval()
    fill(net)
    x = net.maxpool(net.relu(net.bn1(net.conv1(image()))))
    stages = []
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        x = stage(x)
        stages.append({"shape": list(x.shape), "values": rounded(sampled(x))})
    return {
        "keys": {key: list(tensor.shape) for key, tensor in net.state_dict().items()},
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "stages": stages,
        "logits": rounded(sampled(net(image()))),
    }


def write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    operators = define_missing_operators()
    import torchvision

    write(FILE, record_pyramid(torchvision))
    write(EXTRA, record_extra_blocks(torchvision))
    nets = {name: record_resnet(torchvision, name) for name in ("resnet18", "resnet34", "resnet50")}
    for name, dilated in DILATED.items():
        nets[name] = record_resnet(torchvision, "resnet50", replace_stride_with_dilation=dilated)
    write(RESNETS, nets)
