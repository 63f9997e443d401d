"""What the padding inside a network does to its maps: one crop alone, and the same crop within its photo."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fpnlib.models.taps import last_maps
from fpnlib.validation import require, require_choice

PADDINGS = ("zeros", "reflect", "replicate", "circular")
"""torch's ways to pad, by the names of `torch.nn.Conv2d`'s `padding_mode`."""


@dataclasses.dataclass(frozen=True)
class BorderEffect:
    """How one map of a crop that stands alone differs from the same cells within the photo.

    Attributes:
        stride: pixels from cell to cell.
        difference: root mean square over the channels, in root mean squares of the whole map within the photo; only
            cells that begin on the crop, not on zeros put beside it.
    """

    stride: int
    difference: Float[Tensor, "h w"]

    def reach(self, threshold: float) -> int:
        """Return how many cells deep, from the nearest side, the deepest cell lies that differs by more; 0: none.

        Cells at a side are one deep.
        """
        height, width = self.difference.shape
        down, across = (torch.minimum(torch.arange(n), n - 1 - torch.arange(n)) for n in (height, width))
        depth = torch.minimum(down[:, None], across) + 1
        return int(depth.where(self.difference > threshold, 0).max())


class padded_by(TorchFunctionMode):
    """Within this context zeros that a convolution or `torch.nn.functional.pad` would put around a map are replaced.

        with padded_by("reflect"):
            net(batch)

    What a layer pads in a way of its own stays, and so does the −∞ around maximum pooling. ValueError for an unknown
    way, and for a map that is too small for it: a mirror image needs a map larger than the padding.
    """

    def __init__(self, padding: str) -> None:
        require_choice("padding", padding, PADDINGS)
        super().__init__()
        self.padding = padding

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if self.padding != "zeros" and func is F.conv2d:
            given |= dict(
                zip(("input", "weight", "bias", "stride", "padding", "dilation", "groups"), args, strict=False)
            )
            sides = _of_convolution(given)
            if any(sides):
                return func(**given | {"input": self._pad(given["input"], sides), "padding": 0})
        if self.padding != "zeros" and func is F.pad:
            given |= dict(zip(("input", "pad", "mode", "value"), args, strict=False))
            zeros = given.get("mode", "constant") == "constant" and not given.get("value")
            if zeros and len(given["pad"]) == 4 and min(given["pad"]) >= 0 and given["input"].ndim == 4:
                return self._pad(given["input"], given["pad"]) if any(given["pad"]) else given["input"]
        return func(*args, **(kwargs or {}))

    def _pad(self, map: Tensor, sides: Sequence[int]) -> Tensor:
        height, width = map.shape[2:]
        most = min(height, width) - (self.padding == "reflect")
        fits = max(sides) <= most or self.padding == "replicate"
        require(fits, "padding", f"{max(sides)} cells, {self.padding}, on a map of {height}×{width}", f"{most} at most")
        return F.pad(map, list(sides), mode=self.padding)


def _of_convolution(given: Mapping[str, Any]) -> list[int]:
    """Cells that a convolution pads: left, right, above, below."""
    padding, dilation = given.get("padding", 0), given.get("dilation", 1)
    down, across = given["weight"].shape[2:]
    if padding == "valid":
        return [0] * 4
    if padding == "same":
        spans = [(kernel - 1) * step for kernel, step in zip((across, down), _two(dilation)[::-1], strict=True)]
        return [part for span in spans for part in (span // 2, span - span // 2)]
    y, x = _two(padding)
    return [x, x, y, y]


def _two(value: Any) -> tuple[int, int]:
    both = (value, value) if isinstance(value, int) else tuple(value) * (3 - len(value))
    return int(both[0]), int(both[1])


class Borders:
    """A net's maps of a photo, to compare its maps of a crop with that stands alone.

    Within the photo a cell sees what truly lies beside the crop; alone it sees what the net pads with. So they differ
    as far as the padding reaches, and by how much it matters. The photo has a border too: leave enough of it around.

    Args:
        net: from a batch to a map (1, C, h, w), to several in a list or dict, or a module with maps inside, as
            `last_maps` finds them. It is run in the mode in which it is.
        batch: the photo, as the net wants it, (1, C, H, W).
        crop: x0 y0 x1 y1 in whole pixels; the corner a multiple of the stride of every map.

    Errors: ValueError for a crop outside the photo or without photo around it, or a net without maps; what the net
    itself raises.
    """

    def __init__(
        self, net: Callable[[Tensor], Any], batch: Float[Tensor, "1 c h w"], crop: tuple[int, int, int, int]
    ) -> None:
        require(batch.ndim == 4 and len(batch) == 1, "batch", f"shape {tuple(batch.shape)}", "(1, C, H, W)")
        height, width = batch.shape[2:]
        x0, y0, x1, y1 = crop
        inside = 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height and x1 - x0 < width and y1 - y0 < height
        require(inside, "crop", crop, f"x0 y0 x1 y1 within {width}×{height}, narrower and lower")
        self._net, self._batch, self._crop = net, batch, crop
        with torch.no_grad():
            self._whole = _maps(net, batch)

    @torch.no_grad()
    def effects(self, padding: str = "zeros", missing: int = 0) -> dict[str, BorderEffect]:
        """Return how the crop alone differs, by the names of the maps, finest first.

        Maps whose size does not follow the photo's, such as pooled ones, are left out.

        Args:
            padding: what the net pads with when it sees the crop alone; see `padded_by`.
            missing: columns at the right and rows below that are replaced with zeros, as detectors fill up a batch.

        Errors: ValueError for an unknown padding, more missing than half of the crop, a corner that is no multiple of a
        stride, or no map to compare.
        """
        require_choice("padding", padding, PADDINGS)
        x0, y0, x1, y1 = self._crop
        side = min(x1 - x0, y1 - y0)
        require(0 <= missing <= side // 2, "missing", missing, f"0 to {side // 2}, half of the crop")
        alone = self._batch[:, :, y0:y1, x0:x1].clone()
        alone[..., alone.shape[2] - missing :, :] = 0
        alone[..., alone.shape[3] - missing :] = 0
        with padded_by(padding):
            lonely = _maps(self._net, alone)
        found = {}
        for name, map in self._whole.items():
            stride = _stride(self._batch, map, alone, lonely[name]) if name in lonely else None
            if stride is None:
                continue
            aligned = x0 % stride == 0 and y0 % stride == 0
            require(aligned, "crop", f"corner ({x0}, {y0})", f"multiples of {stride}, the stride of map {name!r}")
            sides = zip(lonely[name].shape[2:], alone.shape[2:], strict=True)
            rows, columns = (min(cells, -(-(pixels - missing) // stride)) for cells, pixels in sides)
            y, x = y0 // stride, x0 // stride
            apart = lonely[name][0, :, :rows, :columns] - map[0, :, y : y + rows, x : x + columns]
            size = map.square().mean().sqrt().clamp(min=1e-30)
            found[name] = BorderEffect(stride, apart.square().mean(0).sqrt() / size)
        shapes = ", ".join(f"{name} {tuple(one.shape)}" for name, one in self._whole.items())
        require(bool(found), "net", f"maps {shapes or 'none'}", "a map (1, C, h, w) that grows with the photo")
        return dict(sorted(found.items(), key=lambda one: one[1].stride))


def border_effects(
    net: Callable[[Tensor], Any],
    batch: Float[Tensor, "1 c h w"],
    crop: tuple[int, int, int, int],
    *,
    padding: str = "zeros",
    missing: int = 0,
) -> dict[str, BorderEffect]:
    """Compare a net's maps of a crop that stands alone with the same cells within the photo; see `Borders`."""
    return Borders(net, batch, crop).effects(padding, missing)


def _maps(net: Callable[[Tensor], Any], batch: Tensor) -> dict[str, Tensor]:
    answer = net(batch)
    if isinstance(answer, Tensor) and answer.ndim == 4 and min(answer.shape[2:]) > 1:
        return {"output": answer}
    listed = dict(enumerate(answer)) if isinstance(answer, list | tuple) else answer
    if isinstance(listed, Mapping):
        maps = {str(name): one for name, one in listed.items() if isinstance(one, Tensor) and one.ndim == 4}
        if maps:
            return maps
    known = isinstance(net, nn.Module)
    require(known, "net", f"a function that returns {type(answer).__name__}", "one that returns maps, or a module")
    assert isinstance(net, nn.Module)
    return last_maps(net, batch, finest=2)


def _stride(batch: Tensor, map: Tensor, alone: Tensor, own: Tensor) -> int | None:
    """Pixels from cell to cell, None where a map does not grow by whole cells, the same both ways."""
    strides = set()
    for axis in (2, 3):
        pixels, cells = batch.shape[axis] - alone.shape[axis], map.shape[axis] - own.shape[axis]
        if cells <= 0 or pixels % cells:
            return None
        strides.add(pixels // cells)
    return strides.pop() if len(strides) == 1 else None
