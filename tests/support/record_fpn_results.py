"""Write what torchvision's ResNets and its feature pyramid answer to a file, for a machine where they load.

python tests/support/record_fpn_results.py tests/unit/models/torchvision_fpn.json
"""

import json
import sys
from collections import OrderedDict

import torch
from torch import Tensor, nn

CHANNELS, OUT = (3, 4, 5, 6), 4
SIZES = [[8, 12], [9, 11], [17, 5]]  # of the finest map
IMAGE = (2, 3, 65, 97)
SAMPLES = 40


def fill(model: nn.Module, seed: int = 0) -> None:
    """Give every tensor of a model values that do not depend on how the model is initialised."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            drawn = (
                torch.randn(tensor.shape, generator=generator, dtype=torch.float64) / max(1, tensor[0].numel()) ** 0.5
            )
            tensor.copy_(drawn.abs() + 0.5 if name.endswith("running_var") else drawn)


def pyramid_input(size: list[int]) -> "OrderedDict[str, Tensor]":
    """Maps of the sizes that a ResNet would give, each half of the last rounded up."""
    generator = torch.Generator().manual_seed(1)
    maps = OrderedDict()
    for level, channels in enumerate(CHANNELS):
        maps[f"C{level + 2}"] = torch.randn(2, channels, *size, generator=generator, dtype=torch.float64)
        size = [-(-side // 2) for side in size]
    return maps


def image() -> Tensor:
    return torch.randn(IMAGE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def sampled(map: Tensor) -> list[float]:
    """Values at places spread over the whole map."""
    flat = map.flatten()
    return rounded(flat[torch.linspace(0, len(flat) - 1, SAMPLES).long()])


def rounded(values: Tensor) -> list[float]:
    return [float(f"{value:.10g}") for value in values.flatten().tolist()]


def record() -> dict:
    # torchvision's binary wants CUDA; its Python part needs no more than these two names.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in ("nms(Tensor a, Tensor b, float c) -> Tensor", "qnms(Tensor a, Tensor b, float c) -> Tensor"):
        if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
            library.define(schema)
    import torchvision

    pyramid = torchvision.ops.FeaturePyramidNetwork(list(CHANNELS), OUT).double()
    fill(pyramid)
    answers = {"torchvision": torchvision.__version__, "fpn_keys": list(pyramid.state_dict()), "fpn": [], "resnet": {}}
    with torch.no_grad():
        for size in SIZES:
            levels = pyramid(pyramid_input(size)).values()
            answers["fpn"].append([{"shape": list(level.shape), "values": rounded(level)} for level in levels])
        for name in ("resnet18", "resnet34", "resnet50"):
            net = getattr(torchvision.models, name)().double().eval()
            fill(net)
            x = net.maxpool(net.relu(net.bn1(net.conv1(image()))))
            stages = []
            for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
                x = stage(x)
                stages.append({"shape": list(x.shape), "values": sampled(x)})
            answers["resnet"][name] = {
                "keys": {key: list(tensor.shape) for key, tensor in net.state_dict().items()},
                "parameters": sum(parameter.numel() for parameter in net.parameters()),
                "stages": stages,
                "logits": sampled(net(image())),
            }
    return answers


if __name__ == "__main__":
    with open(sys.argv[1], "w") as file:
        json.dump(record(), file, separators=(",", ":"))
        file.write("\n")
