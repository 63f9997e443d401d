"""The maps inside a network that returns something else: a classifier's stages, found by watching it run."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.validation import require


@torch.no_grad()
def last_maps(
    net: nn.Module, batch: Float[Tensor, "n c h w"], *, finest: int = 4
) -> dict[str, Float[Tensor, "n _ _ _"]]:
    """Run a network, and return the last map of each stride by the name of the layer that gave it, finest first.

    A map is a tensor (N, channels, rows, columns) with the rows and columns of the batch, divided by one power of two
    and rounded. A layer that halves once or not at all is taken whole: the maps inside it are its own affair, such as
    the wide ones with which a mobile block begins. Pooling to a fixed size makes no map.

    Args:
        net: any module, run in the mode in which it is.
        batch: what it takes.
        finest: strides below this one are left out.

    Errors: ValueError for a network with fewer than two such maps, such as a plain vision transformer, whose tokens are
    no maps; what the network itself raises.
    """
    calls: dict[str, tuple[int, int, Tensor]] = {}  # of each layer: the stride before and after, and its answer

    def watch(name: str) -> Any:
        def hook(layer: nn.Module, given: tuple[Any, ...], answer: Any) -> None:
            after = _stride(batch, answer)
            if after and not isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
                calls.pop(name, None)  # of a layer that is used twice the later call counts
                calls[name] = _stride(batch, given[0]) if given else 0, after, answer

        return hook

    layers = dict(net.named_modules())
    hooks = [layer.register_forward_hook(watch(name)) for name, layer in layers.items() if name]
    try:
        net(batch)
    finally:
        for one in hooks:
            one.remove()
    whole = {name for name, (before, after, _) in calls.items() if before and after <= 2 * before}
    found = {}
    for name, (_, stride, answer) in calls.items():
        counts = name in whole or not any(layers[name].children())
        if stride >= finest and counts and not _outer(name) & whole:
            found[stride] = name, answer
    maps = [found[stride] for stride in sorted(found)]
    shapes = ", ".join(f"{name} {tuple(one.shape)}" for name, one in maps)
    require(len(maps) >= 2, "net", f"layers with maps: {shapes or 'none'}", "maps of two strides or more, (N, C, H, W)")
    return dict(maps)


def _outer(name: str) -> set[str]:
    """The names of the layers around a layer."""
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


def _stride(batch: Tensor, answer: Any) -> int:
    """The power of two by which a map is smaller than the batch along both sides; 0 for what is no map of it."""
    if not isinstance(answer, Tensor) or answer.ndim != 4 or len(answer) != len(batch) or min(answer.shape[2:]) < 2:
        return 0
    for power in range(max(batch.shape[2:]).bit_length()):
        sides = zip(batch.shape[2:], answer.shape[2:], strict=True)
        if all(abs(cells - side / 2**power) <= 1 and cells <= side for side, cells in sides):
            return int(2**power)
    return 0
