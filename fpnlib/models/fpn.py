"""The feature pyramid: 1×1 laterals, a top-down path that doubles and adds, a 3×3 on every level.

Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, section 3; layer names and results as
torchvision's.
"""

import itertools
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, overload

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor

from fpnlib.models.checkpoint import load_checked, read_checkpoint
from fpnlib.models.extra_levels import ExtraLevels, Map
from fpnlib.validation import require, require_choice, require_finite

# Before its version 2 torchvision's file had inner_blocks.0.weight.
_OLD_NAME = re.compile(r"((?:inner|layer)_blocks\.\d+)\.(weight|bias)$")


class FPN(nn.Module):
    """Feature pyramid over backbone maps, finest first: equal channels on every level, sizes as they came.

    Args:
        in_channels_list: channels of each backbone map, finest first.
        out_channels: channels of every pyramid level.
        top_down: add the level above; without it the levels do not know of each other.
        lateral: 1×1 of each backbone map; without it the coarsest alone is enlarged, level by level.
        smooth: the 3×3 on each level; without it P is M.
        upsampling: "nearest" as in the paper, or "bilinear", to the finer map's size.
        merge: "add" as in the paper, or "mean".
        extra_blocks: makes further levels above the coarsest: `LastLevelMaxPool` or `LastLevelP6P7` of
            `fpnlib.models.extra_levels`.
    """

    def __init__(
        self,
        in_channels_list: Sequence[int],
        out_channels: int,
        *,
        top_down: bool = True,
        lateral: bool = True,
        smooth: bool = True,
        upsampling: Literal["nearest", "bilinear"] = "nearest",
        merge: Literal["add", "mean"] = "add",
        extra_blocks: ExtraLevels | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = tuple(in_channels_list)
        positive = bool(self.in_channels) and all(c >= 1 for c in self.in_channels)
        require(positive, "in_channels_list", list(in_channels_list), "one positive number for each map")
        require(out_channels >= 1, "out_channels", out_channels, "at least 1")
        require(top_down or lateral, "top_down and lateral", "neither", "at least one, else fine levels have no input")
        require_choice("upsampling", upsampling, ("nearest", "bilinear"))
        require_choice("merge", merge, ("add", "mean"))
        self.out_channels, self.upsampling, self.merge = out_channels, upsampling, merge
        self.top_down, self.lateral, self.smooth = top_down, lateral, smooth
        last = len(self.in_channels) - 1
        # An empty Sequential has no parameters and keeps the numbers of the others in the state dict.
        self.inner_blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(cin, out_channels, 1)) if lateral or level == last else nn.Sequential()
            for level, cin in enumerate(self.in_channels)
        )
        self.layer_blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(out_channels, out_channels, 3, padding=1)) if smooth else nn.Sequential()
            for _ in self.in_channels
        )
        self.extra_blocks = extra_blocks
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_uniform_(parameter, a=1)
            else:
                nn.init.zeros_(parameter)
        self.register_load_state_dict_pre_hook(_rename_old)

    @overload
    def forward(self, features: Mapping[str, Map]) -> "OrderedDict[str, Tensor]": ...
    @overload
    def forward(self, features: Sequence[Map]) -> list[Tensor]: ...
    def forward(self, features: Sequence[Map] | Mapping[str, Map]) -> "list[Map] | OrderedDict[str, Map]":
        """P: each level (N, out_channels, H, W) of the backbone's sizes; a list for a list, a dict for a dict.

        After them come those of `extra_blocks`, if there are any; a dict has them by their names there.

        `features` are finest first. Mostly each is half as large as the one before, but any sizes will do as long as no
        side grows: a dilated backbone's C4 and C5 are equally large. ValueError for another number of maps, channels
        that do not fit, a map larger than the one before, and in eval mode for NaN.
        """
        maps = _maps(features)
        levels = [block(level) for block, level in zip(self.layer_blocks, self.merged(maps), strict=True)]
        further = [] if self.extra_blocks is None else self.extra_blocks(levels, maps)
        answer = _in_kind(features, levels)
        if isinstance(answer, OrderedDict):
            answer.update(zip(self.extra_blocks.names if self.extra_blocks else (), further, strict=True))
            return answer
        return answer + further

    @overload
    def merged(self, features: Mapping[str, Map]) -> "OrderedDict[str, Tensor]": ...
    @overload
    def merged(self, features: Sequence[Map]) -> list[Tensor]: ...
    def merged(self, features: Sequence[Map] | Mapping[str, Map]) -> "list[Map] | OrderedDict[str, Map]":
        """M: the levels after the adding and before the 3×3; takes and raises what `forward` does."""
        maps = _maps(features)
        self._check(maps)
        levels = [self.inner_blocks[-1](maps[-1])]
        for block, finer in zip(self.inner_blocks[-2::-1], maps[-2::-1], strict=True):
            if not self.lateral:
                levels.append(self.enlarge(levels[-1], finer.shape[2:]))
            elif not self.top_down:
                levels.append(block(finer))
            else:
                total = block(finer) + self.enlarge(levels[-1], finer.shape[2:])
                levels.append(total / 2 if self.merge == "mean" else total)
        return _in_kind(features, levels[::-1])

    def enlarge(self, level: Float[Tensor, "n c h w"], size: Sequence[int]) -> Float[Tensor, "n c h2 w2"]:
        """One level at the finer one's size (H, W), which need not be the double: half of an odd size was rounded."""
        # Bilinear puts a coarse value amid four fine places; where strides are padded its true place is the first.
        return F.interpolate(level, tuple(size), mode=self.upsampling)

    def load_checkpoint(self, path: str | PathLike[str], *, prefix: str | None = None) -> None:
        """Load torchvision's pyramid, or this pyramid's part of a detector's file (such as "backbone.fpn.").

        Both generations of torchvision's names are known. ValueError, with nothing changed, that names missing and
        foreign keys.
        """
        state = {_OLD_NAME.sub(r"\1.0.\2", key): value for key, value in read_checkpoint(path).items()}
        load_checked(self, state, prefix)

    def _check(self, maps: Sequence[Tensor]) -> None:
        levels = len(self.in_channels)
        require(len(maps) == levels, "features", f"{len(maps)} maps", f"{levels}, one for each of {self.in_channels}")
        for level, (one, channels) in enumerate(zip(maps, self.in_channels, strict=True)):
            got = f"map {level} of shape {tuple(one.shape)}"
            require(one.ndim == 4 and one.shape[1] == channels, "features", got, f"(N, {channels}, H, W)")
            # Training must see a loss that has become NaN, and inside vmap values cannot be looked at.
            if not (self.training or one.is_meta or is_functorch_wrapped_tensor(one)):
                require_finite(f"features, map {level}", one)
        images = [len(one) for one in maps]
        require(len(set(images)) == 1, "features", f"batches of {images}", "one batch size for all maps")
        for level, (fine, coarse) in enumerate(itertools.pairwise(maps), 1):
            fits = all(small <= big for big, small in zip(fine.shape[2:], coarse.shape[2:], strict=True))
            got = f"map {level} of size {tuple(coarse.shape[2:])} after {tuple(fine.shape[2:])}"
            require(fits, "features", got, "no side larger than before, finest map first")


def _maps(features: Sequence[Tensor] | Mapping[str, Tensor]) -> list[Tensor]:
    return list(features.values() if isinstance(features, Mapping) else features)


def _in_kind(
    features: Sequence[Tensor] | Mapping[str, Tensor], levels: list[Tensor]
) -> "list[Tensor] | OrderedDict[str, Tensor]":
    return OrderedDict(zip(features, levels, strict=True)) if isinstance(features, Mapping) else levels


def _rename_old(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
    for key in [key for key in state_dict if key.startswith(prefix) and _OLD_NAME.search(key)]:
        state_dict[_OLD_NAME.sub(r"\1.0.\2", key)] = state_dict.pop(key)
