"""Adds whose weights sum to one: learned once, gated by the maps, or by attention; and a sum that is normalised.

Each is the one after it with something held constant: attention with a constant query is a gate, a gate that does not
look is a weighted add, and that with equal logits is the mean.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.models.fusion import check_maps
from fpnlib.validation import require, require_choice

Weights = Float[Tensor, "m _ _ _ _"]
"""Of m maps, for each image, channel, row and column; 1 where they are shared."""


class WeighingAdd(nn.Module):
    """Σ weightᵢ · mapᵢ, with weights that sum to one over the maps."""

    def forward(self, *maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Maps of one shape (N, C, H, W), added. ValueError for other channels or sizes."""
        stacked = self._stacked(maps)
        return (self.weights(*maps) * stacked).sum(0)

    def weights(self, *maps: Float[Tensor, "n c h w"]) -> Weights:
        """What each map counts, (maps, N or 1, C or 1, H or 1, W or 1). ValueError as for a call."""
        return self._logits(self._stacked(maps)).softmax(0)

    def _logits(self, maps: Float[Tensor, "m n c h w"]) -> Weights:
        raise NotImplementedError

    def _stacked(self, maps: tuple[Tensor, ...]) -> Float[Tensor, "m n c h w"]:
        check_maps(maps, same_channels=True)
        return torch.stack(maps)


class SoftmaxAdd(WeighingAdd):
    """One learned logit for each of `count` maps, at first 0: the mean.

    Source: Tan, Pang and Le, "EfficientDet", CVPR 2020, section 3.3, softmax-based fusion.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        require(count >= 1, "count", count, "at least 1")
        self.logits = nn.Parameter(torch.zeros(count))

    def _logits(self, maps: Float[Tensor, "m n c h w"]) -> Weights:
        count = len(self.logits)
        require(len(maps) == count, "maps", f"{len(maps)} maps", f"{count}, one for each logit")
        return self.logits.view(-1, 1, 1, 1, 1)


class GatedAdd(WeighingAdd):
    """Each map's logit is a linear function of that map: at every place, or of its mean for every channel.

    Sources: for a place as in Liu, Huang and Wang, "Learning Spatial Fusion for Single-Shot Object Detection", 2019,
    with one 1×1 that the maps share in place of one each; for a channel as in Li et al., "Selective Kernel Networks",
    CVPR 2019, with one layer in place of two.

    Args:
        channels: of each map.
        per: "place" or "channel", what has a weight of its own.
    """

    def __init__(self, channels: int, *, per: Literal["place", "channel"] = "place") -> None:
        super().__init__()
        require(channels >= 1, "channels", channels, "at least 1")
        require_choice("per", per, ("place", "channel"))
        self.per = per
        # A bias would be the same for all maps, and the softmax would not see it; nor that of a key.
        self.score = nn.Conv2d(channels, 1 if per == "place" else channels, 1, bias=False)

    def _logits(self, maps: Float[Tensor, "m n c h w"]) -> Weights:
        seen = maps if self.per == "place" else maps.mean((3, 4), keepdim=True)
        return self.score(seen.flatten(0, 1)).unflatten(0, maps.shape[:2])


class AttentionAdd(WeighingAdd):
    """At each place the first map asks, every map answers: logit = query · key / √width; the values are the maps.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.2.1, with the maps of one place as the
    sequence; the query's and the key's projections are 1×1 convolutions, as linear layers of each place.

    Args:
        channels: of each map.
        width: of queries and keys.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        require(channels >= 1, "channels", channels, "at least 1")
        require(width >= 1, "width", width, "at least 1")
        self.query, self.key = nn.Conv2d(channels, width, 1), nn.Conv2d(channels, width, 1, bias=False)

    def _logits(self, maps: Float[Tensor, "m n c h w"]) -> Weights:
        query, keys = self._asked(maps)
        return (query * keys).sum(2, keepdim=True) / math.sqrt(query.shape[1])

    def _asked(self, maps: Float[Tensor, "m n c h w"]) -> tuple[Float[Tensor, "n d h w"], Float[Tensor, "m n d h w"]]:
        return self.query(maps[0]), self.key(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])


class AttentionOverPlaces(AttentionAdd):
    """As `AttentionAdd`, but each place of the first map asks all places of all maps, as in a transformer."""

    def forward(self, *maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Maps of one shape (N, C, H, W), to one. ValueError for other channels or sizes."""
        stacked = self._stacked(maps)
        values = stacked.permute(1, 0, 3, 4, 2).flatten(1, 3)
        return (self.attention(*maps) @ values).transpose(1, 2).view(stacked.shape[1:])

    def attention(self, *maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n q k"]:
        """Weights of each place (row by row) over all places of all maps, map after map: (N, H · W, maps · H · W)."""
        query, keys = self._asked(self._stacked(maps))
        rows = query.flatten(2).transpose(1, 2)
        columns = keys.permute(1, 2, 0, 3, 4).flatten(2)
        return (rows @ columns / math.sqrt(query.shape[1])).softmax(2)

    def weights(self, *maps: Float[Tensor, "n c h w"]) -> Weights:
        """What each map counts at a place, wherever in it: (maps, N, 1, H, W)."""
        shares = self.attention(*maps).unflatten(2, (len(maps), -1)).sum(3)
        return shares.permute(2, 0, 1).unsqueeze(2).unflatten(3, maps[0].shape[2:])


def normalized_sum(*maps: Float[Tensor, "n c h w"], eps: float = 1e-5) -> Float[Tensor, "n c h w"]:
    """What a block of a transformer reads of the residual stream: the sum, normalised over the channels of each place.

    The stream adds what all blocks write, each with weight 1; layer norm divides by the spread of the sum, so each
    counts the less the more the others have written. Source: Xiong et al., "On Layer Normalization in the Transformer
    Architecture", ICML 2020, the pre-norm form; without γ and β. ValueError for other channels or sizes.
    """
    check_maps(maps, same_channels=True)
    total = torch.stack(maps).sum(0)
    return F.layer_norm(total.movedim(1, 3), total.shape[1:2], eps=eps).movedim(3, 1)
