"""Add and its kin on three maps of one pyramid: what each map is multiplied by, what that depends on, what it costs."""

import dataclasses
from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.data.photos import image_batch, photo
from fpnlib.models.detector import Detector
from fpnlib.models.fusion import Add, Concat
from fpnlib.models.weighing import AttentionAdd, AttentionOverPlaces, GatedAdd, SoftmaxAdd, WeighingAdd, normalized_sum
from fpnlib.validation import require_choice

ADD, CONCAT, WEIGHTED, STREAM = "add", "concat, then a 1×1", "weighted add", "residual stream"
PER_CHANNEL, PER_PLACE = "gate per channel", "gate per place"
OVER_MAPS, OVER_PLACES = "attention over maps", "attention over places"
KIN = (ADD, WEIGHTED, CONCAT, STREAM, PER_CHANNEL, PER_PLACE, OVER_MAPS, OVER_PLACES)
TRAITS = ("learned", "per map", "per channel", "per place", "from the data", "looks elsewhere")
MAPS = ("P3", "P4", "P5")
WIDTH = 8  # of queries and keys
_SIZE = (160, 240)  # of the photo in pixels
_EPS = 1e-5

Map = Float[Tensor, "1 c h w"]


@lru_cache(maxsize=2)
@torch.no_grad()
def book_maps(name: str = "coffee") -> tuple[Map, ...]:
    """P3, P4 and P5 of a photo by the small trained detector, each at the size of P3."""
    detector = Detector.pretrained("full").eval()
    batch = F.interpolate(image_batch(photo(name)), _SIZE, mode="area") / 255
    levels = detector.fpn(detector.maps(batch))[1:]
    return tuple(F.interpolate(level, levels[0].shape[2:]) for level in levels)


class ConcatMix(nn.Module):
    """Concatenation and a 1×1; its kernel at first repeats the identity, which is an add."""

    def __init__(self, count: int, channels: int) -> None:
        super().__init__()
        self.concat, self.mix = Concat(), nn.Conv2d(count * channels, channels, 1, bias=False)
        self.mix.weight.data = torch.eye(channels).repeat(1, count)[:, :, None, None]

    def forward(self, *maps: Map) -> Map:
        """Maps (1, C, H, W) to one."""
        return self.mix(self.concat(*maps))


class Stream(nn.Module):
    """`normalized_sum` as a module."""

    def forward(self, *maps: Map) -> Map:
        """Maps (1, C, H, W) to one."""
        return normalized_sum(*maps, eps=_EPS)


def fusion(kind: str, channels: int, count: int = len(MAPS)) -> nn.Module:
    """A module of a kind for so many maps of so many channels."""
    require_choice("kind", kind, KIN)
    made: dict[str, Callable[[], nn.Module]] = {
        ADD: Add,
        STREAM: Stream,
        WEIGHTED: lambda: SoftmaxAdd(count),
        CONCAT: lambda: ConcatMix(count, channels),
        PER_CHANNEL: lambda: GatedAdd(channels, per="channel"),
        PER_PLACE: lambda: GatedAdd(channels),
        OVER_MAPS: lambda: AttentionAdd(channels, WIDTH),
        OVER_PLACES: lambda: AttentionOverPlaces(channels, WIDTH),
    }
    return made[kind]()


@torch.no_grad()
def coefficients(module: nn.Module, *maps: Map) -> Float[Tensor, "m c h w"]:
    """What each map is multiplied by on the way to the same channel and place of the result."""
    shape = len(maps), *maps[0].shape[1:]
    if isinstance(module, WeighingAdd):
        return module.weights(*maps)[:, 0].expand(shape)
    if isinstance(module, ConcatMix):
        channels = torch.arange(shape[1])
        kernel = module.mix.weight[:, :, 0, 0].unflatten(1, shape[:2])
        return kernel[channels, :, channels].T[:, :, None, None].expand(shape)
    one = torch.ones(shape)
    if isinstance(module, Stream):
        return one / (torch.stack(maps).sum(0).var(1, correction=0) + _EPS).sqrt()
    return one


@lru_cache(maxsize=len(KIN))
@torch.no_grad()
def traits(kind: str) -> tuple[bool, ...]:
    """What the coefficients depend on, see TRAITS, found by trying: random weights, two photos, one place changed."""
    maps, others = book_maps(), book_maps("chelsea")
    torch.manual_seed(0)
    module = fusion(kind, maps[0].shape[1])
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    found = coefficients(module, *maps)

    def differ(axis: int) -> bool:
        return bool((found - found.narrow(axis, 0, 1)).abs().max() > 1e-4)

    changed = [one.clone() for one in maps]
    changed[0][..., -1, -1] += 10
    moved = _at_first(module, changed) - _at_first(module, maps)
    apart = bool((coefficients(module, *others) - found).abs().max() > 1e-4)
    elsewhere = bool(moved.abs().max() > 1e-4)
    return any(True for _ in module.parameters()), differ(0), differ(1), differ(2) or differ(3), apart, elsewhere


def _at_first(module: nn.Module, maps: "tuple[Map, ...] | list[Map]") -> Tensor:
    return module(*maps)[..., 0, 0]


def cost_of(kind: str, count: int, channels: int, places: int) -> tuple[int, int, int]:
    """Parameters, products, and numbers that stand beside the maps and the result until the backward pass.

    For `count` maps of so many channels and places. The numbers that are kept are the weights, and for a concatenation
    the maps once more. Divisions by a standard deviation count as products.
    """
    require_choice("kind", kind, KIN)
    module = fusion(kind, channels, count)
    parameters = sum(one.numel() for one in module.parameters())
    whole = channels * places
    projected = channels * WIDTH * places * (1 + count)
    products, kept = {
        ADD: (0, 0),
        STREAM: (2 * whole, places),  # squares for the variance, and the division
        WEIGHTED: (count * whole, count),
        CONCAT: (count * channels * whole, count * whole),
        PER_CHANNEL: (count * (channels**2 + whole), count * channels),
        PER_PLACE: (2 * count * whole, count * places),
        OVER_MAPS: (projected + count * places * (WIDTH + channels), count * places),
        OVER_PLACES: (projected + count * places**2 * (WIDTH + channels), count * places**2),
    }[kind]
    return parameters, products, kept


@lru_cache(maxsize=1)
def _directions() -> tuple[Float[Tensor, "d c"], Float[Tensor, " c"]]:
    """The first principal directions of all three maps, scaled so that each component has spread 1, and the mean."""
    seen = torch.cat([one[0].flatten(1) for one in book_maps()], 1)
    mean = seen.mean(1)
    directions, spreads, _ = torch.linalg.svd(seen - mean[:, None], full_matrices=False)
    scaled = directions.T[:WIDTH] / spreads[:WIDTH, None] * seen.shape[1] ** 0.5
    return scaled * scaled.sum(1, keepdim=True).sign(), mean


@torch.no_grad()
def example(kind: str, strength: float) -> nn.Module:
    """A module that nobody trained, for `book_maps`: its logits are spread by about `strength`; at 0 they are equal.

    The weighted add prefers P3 to P4 to P5. The gates open for what is large: along the first principal direction at a
    place, in its own channel otherwise. Attention compares principal components.
    """
    maps = book_maps()
    module = fusion(kind, maps[0].shape[1])
    directions, mean = _directions()
    if isinstance(module, SoftmaxAdd):
        module.logits.copy_(strength * torch.tensor([1.0, 0.0, -1.0]))
    if isinstance(module, GatedAdd) and kind == PER_PLACE:
        module.score.weight.copy_(strength * directions[:1, :, None, None])
    if isinstance(module, GatedAdd) and kind == PER_CHANNEL:
        means = torch.stack([one.mean((0, 2, 3)) for one in maps])
        module.score.weight.copy_(strength * torch.diag(1 / means.std(0))[:, :, None, None])
    if isinstance(module, AttentionAdd):
        module.key.weight.copy_(directions[:, :, None, None])
        module.query.weight.copy_(strength * directions[:, :, None, None])
        assert module.query.bias is not None
        module.query.bias.copy_(-strength * directions @ mean)
    return module.eval()


@dataclasses.dataclass(frozen=True, eq=False)
class Fused:
    """What an example makes of `book_maps`.

    result:       (C, H, W)
    coefficients: (maps, H, W), mean over the channels
    attention:    (H · W, H · W) of result places over input places, where it looks elsewhere; else None
    """

    result: Tensor
    coefficients: Tensor
    attention: Tensor | None


@lru_cache(maxsize=16)
@torch.no_grad()
def fused(kind: str, strength: float) -> Fused:
    """Fuse the book's maps by an example."""
    maps, module = book_maps(), example(kind, strength)
    attention = None
    if isinstance(module, AttentionOverPlaces):
        attention = module.attention(*maps)[0].unflatten(1, (len(maps), -1)).sum(1)
    return Fused(module(*maps)[0], coefficients(module, *maps).mean(1), attention)


@lru_cache(maxsize=1)
def mean_of_maps() -> Tensor:
    """(C, H, W)."""
    return torch.stack(book_maps()).mean(0)[0]
