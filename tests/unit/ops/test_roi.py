import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from skimage.measure import block_reduce

from fpnlib.ops import roi, roi_align, roi_pool

OPERATORS = {"roi_align": roi_align, "roi_pool": roi_pool}
# Written by tests/support/record_roi_results.py from torchvision's C++ operators.
RECORDED = json.loads((Path(__file__).parent / "torchvision_roi.json").read_text())


def slow_roi_pool(input, boxes, size, scale):
    """By the definition, one cell after the other."""
    _, channels, height, width = input.shape
    out = np.zeros((len(boxes), channels, *size))
    for k, (image, *corners) in enumerate(boxes.tolist()):
        x0, y0, x1, y1 = (math.copysign(math.floor(abs(v * scale) + 0.5), v) for v in corners)
        bin_height, bin_width = max(y1 - y0 + 1, 1) / size[0], max(x1 - x0 + 1, 1) / size[1]
        for i, j in np.ndindex(*size):
            rows = [y for y in range(height) if math.floor(i * bin_height) <= y - y0 < math.ceil((i + 1) * bin_height)]
            columns = [x for x in range(width) if math.floor(j * bin_width) <= x - x0 < math.ceil((j + 1) * bin_width)]
            if rows and columns:
                out[k, :, i, j] = input[int(image)][:, rows][:, :, columns].amax((1, 2))
    return torch.from_numpy(out)


def sample(feature_map, y, x):
    """Bilinear, by scipy; 0 beyond one cell outside, the border's value nearer by."""
    channels, height, width = feature_map.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(channels)
    return np.array([map_coordinates(c, [[y], [x]], order=1, mode="nearest")[0] for c in feature_map.numpy()])


def slow_roi_align(input, boxes, size, scale, ratio, aligned):
    """By the definition, one sample after the other."""
    out = np.zeros((len(boxes), input.shape[1], *size))
    for k, (image, *corners) in enumerate(boxes.tolist()):
        x0, y0, x1, y1 = (v * scale - 0.5 * aligned for v in corners)
        least = -math.inf if aligned else 1
        bin_height, bin_width = max(y1 - y0, least) / size[0], max(x1 - x0, least) / size[1]
        down, across = (ratio, ratio) if ratio > 0 else (max(0, math.ceil(b)) for b in (bin_height, bin_width))
        for i, j, a, b in np.ndindex(*size, down, across):
            y = y0 + (i + (a + 0.5) / down) * bin_height
            x = x0 + (j + (b + 0.5) / across) * bin_width
            out[k, :, i, j] += sample(input[int(image)], y, x) / (down * across)
    return torch.from_numpy(out)


@st.composite
def maps_and_boxes(draw):
    batch, channels = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    input = torch.randn(batch, channels, height, width, dtype=torch.float64)
    scale = draw(st.sampled_from([1.0, 0.5, 0.3]))
    # Sevenths: no sample falls on a limit, where the last bit decides.
    coordinate = st.integers(-90, 150).map(lambda v: v / 7 + 0.0123)
    rows = st.tuples(st.integers(0, batch - 1), *[coordinate] * 4)
    boxes = torch.tensor(draw(st.lists(rows, min_size=0, max_size=4)), dtype=torch.float64).view(-1, 5)
    return input, boxes, draw(st.tuples(st.integers(1, 4), st.integers(1, 4))), scale


def numbered(case):
    return f"{case['op']}-" + "-".join(
        str(value) for key, value in case.items() if key not in ("op", "output", "gradient")
    )


@pytest.mark.parametrize("case", RECORDED["cases"], ids=numbered)
def test_equals_torchvisions_operator(case):
    input = torch.tensor(RECORDED["input"], dtype=torch.float64).view(RECORDED["shape"]).requires_grad_()
    boxes = torch.tensor(RECORDED["boxes"], dtype=torch.float64)
    arguments = {key: value for key, value in case.items() if key not in ("op", "output", "gradient")}
    output = OPERATORS[case["op"]](input, boxes, **arguments | {"output_size": tuple(case["output_size"])})
    torch.testing.assert_close(output.flatten(), torch.tensor(case["output"], dtype=torch.float64), rtol=0, atol=1e-9)
    output.backward(torch.arange(output.numel(), dtype=torch.float64).view_as(output).cos())
    expected = torch.tensor(case["gradient"], dtype=torch.float64)
    torch.testing.assert_close(input.grad.flatten(), expected, rtol=0, atol=1e-8)


@given(maps_and_boxes())
def test_roi_pool_by_definition(drawn):
    torch.testing.assert_close(roi_pool(*drawn), slow_roi_pool(*drawn))


@given(maps_and_boxes(), st.sampled_from([-1, 0, 1, 2, 3]), st.booleans())
def test_roi_align_by_definition(drawn, ratio, aligned):
    torch.testing.assert_close(roi_align(*drawn, ratio, aligned), slow_roi_align(*drawn, ratio, aligned))


def test_whole_bins_are_block_reductions():
    input = torch.rand(1, 1, 6, 9, dtype=torch.float64)
    blocks = input[0, 0].numpy()
    largest = roi_pool(input, torch.tensor([[0.0, 0, 0, 8, 5]], dtype=torch.float64), (3, 3))
    np.testing.assert_allclose(largest[0, 0], block_reduce(blocks, (2, 3), np.max))
    # One sample on each cell's centre: half a cell is taken off, and bins of 2×3 cells get 2×3 samples.
    means = roi_align(input, torch.tensor([[0.0, 0, 0, 9, 6]], dtype=torch.float64), (3, 3), aligned=True)
    np.testing.assert_allclose(means[0, 0], block_reduce(blocks, (2, 3), np.mean))


def test_the_limits_of_the_map():
    ones = torch.ones(1, 1, 4, 4)

    def at(x):
        # Aligned boxes without extent put their one sample half a cell before their corner.
        return roi_align(ones, torch.tensor([[0, x + 0.5, 2, x + 0.5, 2]]), 1, 1.0, 1, True).item()

    assert [at(x) for x in (-1.01, -1.0, -0.5, 3.5, 4.0, 4.01)] == [0, 1, 1, 1, 1, 0]


def test_a_list_of_boxes_is_one_tensor_per_image():
    input = torch.rand(3, 2, 6, 6)
    per_image = [torch.tensor([[0.0, 0, 3, 3], [1, 1, 5, 4]]), torch.zeros(0, 4), torch.tensor([[2.0, 2, 4, 5]])]
    rows = torch.tensor([[0.0, 0, 0, 3, 3], [0, 1, 1, 5, 4], [2, 2, 2, 4, 5]])
    for operator in OPERATORS.values():
        assert torch.equal(operator(input, per_image, 2), operator(input, rows, (2, 2)))


@pytest.mark.parametrize("operator", OPERATORS.values())
@pytest.mark.parametrize("boxes", [torch.zeros(0, 5), [], [torch.zeros(0, 4)]])
def test_no_boxes(operator, boxes):
    input = torch.rand(1, 3, 4, 4, requires_grad=True)
    output = operator(input, boxes, (2, 5))
    assert output.shape == (0, 3, 2, 5)
    output.sum().backward()
    assert not input.grad.any()


@pytest.mark.parametrize("ratio", [-1, 2])
@pytest.mark.parametrize("aligned", [False, True])
def test_gradients_of_roi_align(ratio, aligned):
    input = torch.rand(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor(RECORDED["boxes"], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: roi_align(x, boxes, (2, 3), 0.7, ratio, aligned), input)


def test_gradients_of_roi_pool():
    # Far apart, so that a small step does not change which is largest.
    input = torch.randperm(80).double().view(2, 2, 4, 5).requires_grad_()
    boxes = torch.tensor(RECORDED["boxes"], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: roi_pool(x, boxes, (2, 3), 0.7), input)


def test_a_tie_gives_the_gradient_to_the_first():
    input = torch.ones(1, 1, 3, 3, requires_grad=True)
    roi_pool(input, torch.tensor([[0.0, 1, 0, 2, 2]]), 1).sum().backward()
    assert input.grad.flatten().tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("operator", OPERATORS.values())
def test_answers_in_the_type_of_the_map(operator, dtype):
    input = torch.rand(1, 2, 8, 8).to(dtype)
    boxes = torch.tensor([[0, 0, 0, 4, 4], [0, 2, 1, 6, 7]])
    output = operator(input, boxes, 2)
    assert output.dtype == dtype
    torch.testing.assert_close(output.double(), operator(input.double(), boxes, 2), rtol=2e-2, atol=2e-2)


@pytest.fixture
def gathered(monkeypatch):
    """How many cells each call gathers at once."""
    amounts = []
    embedding_bag = F.embedding_bag

    def counted(cells, *args, **kwargs):
        amounts.append(len(cells))
        return embedding_bag(cells, *args, **kwargs)

    monkeypatch.setattr(F, "embedding_bag", counted)
    return amounts


@pytest.mark.parametrize("operator", OPERATORS.values())
def test_memory_is_bounded_by_chunks(operator, gathered, monkeypatch):
    input = torch.rand(2, 3, 20, 20, dtype=torch.float64)
    boxes = torch.cat([torch.randint(0, 2, (200, 1)), 25 * torch.rand(200, 4) - 2], 1).double()
    at_once = operator(input, boxes, (3, 2))
    assert len(gathered) == 1
    gathered.clear()
    monkeypatch.setattr(roi, "_CELLS_PER_CHUNK", 2000)
    torch.testing.assert_close(operator(input, boxes, (3, 2)), at_once, rtol=0, atol=0)
    assert 4 < len(gathered) < 200
    assert max(gathered) <= 2000


@pytest.mark.parametrize("operator", OPERATORS.values())
def test_a_huge_box_costs_no_more_than_the_map(operator, gathered):
    input = torch.rand(1, 1, 10, 10, dtype=torch.float64)
    boxes = torch.tensor([[0, -1e9, -1e9, 1e9, 1e9], [0, -1e9, 2, 1e9, 5], [0, 1e9, 1e9, -1e9, -1e9]])
    assert operator(input, boxes, 7).isfinite().all()
    assert gathered[0] < 3 * (10 + 2 * 7) ** 2


MAP = torch.rand(2, 3, 5, 5)
BOX = torch.tensor([[0.0, 0, 0, 2, 2]])


@pytest.mark.parametrize("operator", OPERATORS.values())
@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (torch.tensor([[0, 0, math.nan, 1, 1]]), "boxes: got 1 NaN or infinite"),
        (torch.tensor([[0, 0, 0, math.inf, 1]]), "boxes: got 1 NaN or infinite"),
        (torch.tensor([[2.0, 0, 0, 1, 1]]), r"boxes: got batch index \[2.0\], allowed: whole numbers from 0 to 1"),
        (torch.tensor([[-1.0, 0, 0, 1, 1]]), "batch index"),
        (torch.tensor([[0.5, 0, 0, 1, 1]]), "batch index"),
        ([torch.zeros(0, 4)] * 3, "boxes: got 3 tensors, allowed: one for each of 2 images"),
    ],
)
def test_bad_boxes(operator, boxes, message):
    with pytest.raises(ValueError, match=message):
        operator(MAP, boxes, 2)


@pytest.mark.parametrize("operator", OPERATORS.values())
@pytest.mark.parametrize("size", [0, (2, -1)])
def test_bad_sizes(operator, size):
    with pytest.raises(ValueError, match="output_size"):
        operator(MAP, BOX, size)
    with pytest.raises(ValueError, match=r"input: got shape \(1, 1, 0, 3\)"):
        operator(torch.zeros(1, 1, 0, 3), BOX, 2)
    with pytest.raises(ValueError, match=r"spatial_scale: got 0\.0"):
        operator(MAP, BOX, 2, 0.0)


@pytest.mark.bad_input
@pytest.mark.parametrize("operator", OPERATORS.values())
@pytest.mark.parametrize(
    ("input", "boxes", "size", "message"),
    [
        (MAP[0], BOX, 2, r"input: got shape \(3, 5, 5\)"),
        (MAP.long(), BOX, 2, "input: got torch.int64"),
        (MAP, BOX[:, :4], 2, r"boxes: got shape \(1, 4\)"),
        (MAP, [BOX], 2, r"boxes\[0\]: got shape \(1, 5\)"),
        (MAP, BOX, 1.5, "output_size"),
        (MAP, BOX, (1, 2, 3), "output_size"),
    ],
)
def test_bad_shapes_and_types(operator, input, boxes, size, message):
    with pytest.raises(ValueError, match=message):
        operator(input, boxes, size)
