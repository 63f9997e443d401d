"""RoI pooling and RoI alignment: fixed-size features for boxes of any size."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor

from fpnlib.validation import require, require_finite

Boxes = Num[Tensor, "k 5"] | Sequence[Num[Tensor, "_ 4"]]

# Cells gathered at once; one costs about 50 bytes of indices and weights.
_CELLS_PER_CHUNK = 1 << 20


def roi_pool(
    input: Float[Tensor, "n c h w"],
    boxes: Boxes,
    output_size: int | tuple[int, int],
    spatial_scale: int | float = 1.0,
) -> Float[Tensor, "k c ph pw"]:
    """Largest feature in each bin of each box, the box rounded to whole cells.

    Shapes: `input` (N, C, H, W); `boxes` (K, 5) rows `batch_index x0 y0 x1 y1`, or one (L, 4) tensor per image;
    result (K, C, *output_size). Units: box coordinates times `spatial_scale` are feature-map cells.
    A corner is rounded half away from zero and the last cell counts, so no box is smaller than one cell; inverted
    boxes become one cell; bins outside the map give 0. Gradients reach `input` only, at the first largest cell.
    Errors: ValueError for wrong shapes, sizes that are not positive, NaN, a batch index out of range.
    Source: Girshick, "Fast R-CNN" (2015), section 2.1; results as torchvision's C++ operator.
    """
    height, width, rois = _prepare(input, boxes, output_size, spatial_scale)
    rows, columns = _pair(output_size)
    corners = _round_half_away(rois[:, 1:] * spatial_scale)

    def pool(chunk: slice) -> tuple[Tensor, Tensor]:
        x0, y0, x1, y1 = corners[chunk].unbind(1)
        return _cells_in_bins(y0, y1, rows, height), _cells_in_bins(x0, x1, columns, width)

    # A bin holds each cell at most once, and neighbouring bins share at most one.
    across, down = (corners[:, 2:] - corners[:, :2] + 1).clamp(min=1).unbind(1)
    cost = (down.clamp(max=height).long() + 2 * rows) * (across.clamp(max=width).long() + 2 * columns)
    return _reduce(input, rois, (rows, columns), cost, pool, mode="max")


def roi_align(
    input: Float[Tensor, "n c h w"],
    boxes: Boxes,
    output_size: int | tuple[int, int],
    spatial_scale: int | float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Float[Tensor, "k c ph pw"]:
    """Mean of bilinear samples in each bin of each box, with no rounding.

    Shapes: `input` (N, C, H, W); `boxes` (K, 5) rows `batch_index x0 y0 x1 y1`, or one (L, 4) tensor per image;
    result (K, C, *output_size). Units: box coordinates times `spatial_scale` are feature-map cells, whose centres
    lie at whole numbers; with `aligned` half a cell is taken off first, so that they lie at .5, 1.5, …
    `sampling_ratio` samples per bin and axis; if not positive, ceil(box / output) of them, for each box its own.
    A sample more than one cell outside the first or the last centre's cell (below −1, above H or W) counts 0;
    nearer ones are moved to the border. Without `aligned` no box is smaller than one cell; with it, an inverted
    box keeps its negative size, and has no samples (0) unless `sampling_ratio` fixes their number.
    Gradients reach `input` only.
    Errors: ValueError for wrong shapes, sizes that are not positive, NaN, a batch index out of range.
    Source: He et al., "Mask R-CNN" (2017), section 3; results as torchvision's C++ operator.
    """
    height, width, rois = _prepare(input, boxes, output_size, spatial_scale)
    rows, columns = _pair(output_size)
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    start, extent = corners[:, :2], corners[:, 2:] - corners[:, :2]
    if not aligned:
        extent = extent.clamp(min=1)
    # Bilinear weights are products of one weight per axis, so each axis can be summed over its samples first.
    axes = (
        _AxisSamples.of(start[:, 1], extent[:, 1], rows, height, sampling_ratio),
        _AxisSamples.of(start[:, 0], extent[:, 0], columns, width, sampling_ratio),
    )

    def align(chunk: slice) -> tuple[Tensor, Tensor]:
        vertical, horizontal = axes
        return vertical.weights(chunk), horizontal.weights(chunk)

    return _reduce(input, rois, (rows, columns), axes[0].cells() * axes[1].cells(), align, mode="sum")


class _AxisSamples(NamedTuple):
    """The samples of every box along one axis: sample t of box k lies at start + (t + ½) step."""

    start: Tensor  # (K,)
    bin_size: Tensor  # (K,)
    per_bin: Tensor  # (K,) int64
    bins: int
    length: int  # cells of the feature map

    @classmethod
    def of(cls, start: Tensor, extent: Tensor, bins: int, length: int, sampling_ratio: int) -> "_AxisSamples":
        bin_size = extent / bins
        if sampling_ratio > 0:
            per_bin = torch.full_like(start, sampling_ratio, dtype=torch.int64)
        else:
            per_bin = bin_size.ceil().clamp(min=0, max=2**40).long()
        return cls(start, bin_size, per_bin, bins, length)

    def cells(self) -> Tensor:
        """At most this many cells carry weight, all bins together."""
        return torch.minimum(2 * self.per_bin * self.bins, torch.tensor(self.length + 2 * self.bins))

    def weights(self, chunk: slice) -> Tensor:
        """(k, bins, length): each cell's share of each bin's mean."""
        start, bin_size, per_bin = self.start[chunk], self.bin_size[chunk], self.per_bin[chunk]
        total = per_bin * self.bins
        # Only the samples that may fall on the map, so that a huge box costs no more than the map.
        step = (bin_size / per_bin.clamp(min=1)).double()
        forward = step > 0
        first = ((-1 - start) / step).floor() - 1
        last = ((self.length - start) / step).ceil() + 1
        first = torch.where(forward, first, 0).clamp(min=0).minimum(total.double()).long()
        last = torch.where(forward, last, total).minimum(total.double()).long()
        counts = (last - first).clamp(min=0)
        box, sample = _ragged(counts)
        sample = sample + first[box]

        bin_, within = sample // per_bin[box], sample % per_bin[box]
        # Same order of operations as the reference: samples on the edge of the map must not change sides.
        at = start[box] + bin_ * bin_size[box] + (within.to(start.dtype) + 0.5) * bin_size[box] / per_bin[box]
        inside = (at >= -1) & (at <= self.length)
        at = at.clamp(min=0, max=self.length - 1)
        low = at.long()
        high = (low + 1).clamp(max=self.length - 1)
        fraction = at - low
        share = inside / per_bin[box].to(at.dtype)

        weights = at.new_zeros(len(start) * self.bins * self.length)
        row = (box * self.bins + bin_) * self.length
        weights.index_add_(0, row + low, share * (1 - fraction))
        weights.index_add_(0, row + high, share * fraction)
        return weights.view(len(start), self.bins, self.length)


def _cells_in_bins(first: Tensor, last: Tensor, bins: int, length: int) -> Tensor:
    """(k, bins, length): 1 where a cell of the map belongs to a bin of the box from cell `first` to cell `last`."""
    size = (last - first + 1).clamp(min=1) / bins
    edges = torch.arange(bins + 1, device=first.device) * size[:, None]
    # Doubles, as a huge box would overflow whole numbers.
    begin = (edges[:, :-1].floor().double() + first[:, None])[..., None]
    end = (edges[:, 1:].ceil().double() + first[:, None])[..., None]
    cell = torch.arange(length, device=first.device)
    return ((cell >= begin) & (cell < end)).to(first.dtype)


def _reduce(
    input: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    cost: Tensor,
    axis_weights: Callable[[slice], tuple[Tensor, Tensor]],
    mode: str,
) -> Tensor:
    """Sum (weighted) or maximum over the cells of each bin, a bounded number of cells at a time."""
    batch, channels, height, width = input.shape
    rows, columns = output_size
    features = input.permute(0, 2, 3, 1).reshape(batch * height * width, channels)
    first_cell = rois[:, 0].long() * (height * width)
    dense_rows = rows * height + columns * width
    parts = []
    for chunk in _chunks(cost + dense_rows):
        cells, weights, bag_starts = _bags(*axis_weights(chunk), first_cell[chunk], width)
        shares = weights.to(features.dtype) if mode == "sum" else None
        parts.append(F.embedding_bag(cells, features, bag_starts, mode=mode, per_sample_weights=shares))
    pooled = torch.cat(parts) if parts else features[:0]
    return pooled.view(len(rois), rows, columns, channels).permute(0, 3, 1, 2).contiguous()


def _bags(vertical: Tensor, horizontal: Tensor, first_cell: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cells, weights and first positions of the bags (box, row, column), from the weights of the two axes."""
    boxes, rows, _ = vertical.shape
    columns = horizontal.shape[1]
    row_counts, column_counts = (vertical != 0).sum(2), (horizontal != 0).sum(2)
    *_, y = y_at = vertical.nonzero(as_tuple=True)
    *_, x = x_at = horizontal.nonzero(as_tuple=True)
    y_weight, x_weight = vertical[y_at], horizontal[x_at]
    y_start = (row_counts.flatten().cumsum(0) - row_counts.flatten()).view(boxes, rows, 1)
    x_start = (column_counts.flatten().cumsum(0) - column_counts.flatten()).view(boxes, 1, columns)

    shape = (boxes, rows, columns)
    counts = (row_counts[:, :, None] * column_counts[:, None, :]).flatten()
    bag, position = _ragged(counts)
    across = column_counts[:, None, :].expand(shape).flatten()[bag]
    down = torch.div(position, across, rounding_mode="floor")
    y_index = y_start.expand(shape).flatten()[bag] + down
    x_index = x_start.expand(shape).flatten()[bag] + position - down * across
    cells = first_cell[:, None, None].expand(shape).flatten()[bag] + y[y_index] * width + x[x_index]
    return cells, y_weight[y_index] * x_weight[x_index], counts.cumsum(0) - counts


def _ragged(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For groups of `counts` members: each member's group, and its number within the group."""
    group = torch.repeat_interleave(counts)
    starts = counts.cumsum(0) - counts
    return group, torch.arange(len(group), device=counts.device) - starts[group]


def _chunks(cost: Tensor) -> Iterator[slice]:
    """Runs of boxes whose summed cost stays within the limit; a single box may exceed it."""
    total = cost.cumsum(0)
    begin = 0
    while begin < len(cost):
        spent = total[begin - 1] if begin else 0
        end = max(int(torch.searchsorted(total, spent + _CELLS_PER_CHUNK, right=True)), begin + 1)
        yield slice(begin, end)
        begin = end


def _round_half_away(x: Tensor) -> Tensor:
    whole = x.trunc()
    return whole + ((x - whole).abs() >= 0.5) * x.sign()


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _prepare(input: Tensor, boxes: Boxes, output_size: object, spatial_scale: int | float) -> tuple[int, int, Tensor]:
    """Check the arguments; the map's height and width, and the boxes as (K, 5) in the type of the arithmetic."""
    require(input.ndim == 4, "input", f"shape {tuple(input.shape)}", "(N, C, H, W)")
    require(input.is_floating_point(), "input", input.dtype, "a floating-point tensor")
    batch, _, height, width = input.shape
    require(height > 0 and width > 0, "input", f"shape {tuple(input.shape)}", "H and W at least 1")
    sizes = output_size if isinstance(output_size, Sequence) else (output_size, output_size)
    require(
        len(sizes) == 2 and all(isinstance(s, int) and s > 0 for s in sizes),
        "output_size",
        output_size,
        "a positive whole number or a pair (height, width) of them",
    )
    require(0 < spatial_scale < float("inf"), "spatial_scale", spatial_scale, "a positive number")

    rois = boxes if isinstance(boxes, Tensor) else _with_batch_index(boxes, input)
    require(rois.ndim == 2 and rois.shape[1] == 5, "boxes", f"shape {tuple(rois.shape)}", "(K, 5), or a list of (L, 4)")
    require_finite("boxes", rois)
    index = rois[:, 0]
    wrong = (index < 0) | (index >= batch) | (index != index.trunc())
    require(
        not wrong.any(), "boxes", f"batch index {index[wrong][:1].tolist()}", f"whole numbers from 0 to {batch - 1}"
    )
    return height, width, rois.detach().to(input.device, _arithmetic(input))


def _arithmetic(input: Tensor) -> torch.dtype:
    """The type of the boxes: the map's, as whether a sample is on the map depends on it, but not too coarse."""
    return torch.promote_types(input.dtype, torch.float32)


def _with_batch_index(boxes: Sequence[Tensor], input: Tensor) -> Tensor:
    for number, of_image in enumerate(boxes):
        require(
            of_image.ndim == 2 and of_image.shape[1] == 4,
            f"boxes[{number}]",
            f"shape {tuple(of_image.shape)}",
            "(L, 4)",
        )
    require(len(boxes) <= len(input), "boxes", f"{len(boxes)} tensors", f"one for each of {len(input)} images")
    indexed = [F.pad(of_image.to(_arithmetic(input)), (1, 0), value=number) for number, of_image in enumerate(boxes)]
    return torch.cat(indexed) if indexed else input.new_zeros(0, 5)
