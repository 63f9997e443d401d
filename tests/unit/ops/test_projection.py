import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.random_nets import CHANNELS, nets, seen
from torch import nn

from fpnlib.ops import degenerate_width, least_padding, project_box, receptive_field, roi_align

P_NET = [nn.Conv2d(3, 10, 3), nn.MaxPool2d(2, 2), nn.Conv2d(10, 16, 3), nn.Conv2d(16, 32, 3), nn.Conv2d(32, 2, 1)]


@st.composite
def unpadded(draw):
    """A layer without padding, the same along both axes."""
    kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    if draw(st.booleans()):
        return nn.Conv2d(CHANNELS, CHANNELS, kernel, stride, dilation=draw(st.integers(1, 2)), bias=False)
    return nn.MaxPool2d(kernel, stride)


def box(x0, y0, x1, y1):
    return torch.tensor([x0, y0, x1, y1], dtype=torch.float64)


def centers(net, length):
    """Pixel index at the middle of what each unit really sees, by its gradients."""
    field = receptive_field(net)
    reached = seen(net, field.size, length, axis=1)
    return np.array([np.nonzero(row.numpy())[0][[0, -1]].mean() for row in reached])


def extent(centers, x0, x1):
    """Units between two pixel edges, where a feature map has values only from its first to its last unit."""
    first, last = np.interp([x0 - 0.5, x1 - 0.5], centers, np.arange(len(centers)))
    return last - first


def clipped_extent(field, x0, x1, length, height=1000):
    # The vertical axis plays no part.
    projected = project_box(box(x0, 0, x1, height), field, clip_to=field.units(height, length))
    return float(projected[2] - projected[0])


boxes = st.tuples(*[st.floats(-50, 50)] * 2, *[st.floats(0, 80)] * 2).map(
    lambda b: box(b[0], b[1], b[0] + b[2], b[1] + b[3])
)
conventions = st.sampled_from(["corner", "center"])


@given(nets(), boxes, conventions)
def test_there_and_back(net, image_box, convention):
    field = receptive_field(net)
    there = project_box(image_box, field, convention=convention)
    torch.testing.assert_close(project_box(there, field, convention=convention, inverse=True), image_box)


@given(nets(), boxes)
def test_the_conventions_name_the_same_place(net, image_box):
    field = receptive_field(net)
    centered = project_box(image_box - 0.5, field, convention="center")
    torch.testing.assert_close(project_box(image_box, field), centered + 0.5)


def test_the_centre_of_a_unit_lands_on_its_number():
    field = receptive_field(nn.Conv2d(1, 1, (3, 7), stride=(2, 3), padding=(1, 0)))
    points = torch.tensor([[field.horizontal.center(u), field.vertical.center(u)] * 2 for u in range(5)])
    expected = torch.arange(5.0)[:, None].expand(5, 4)
    torch.testing.assert_close(project_box(points, field, convention="center"), expected)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "convention", "same"),
    [(4, 2, 1, "corner", True), (3, 2, 1, "corner", False), (3, 2, 1, "center", True), (4, 2, 1, "center", False)],
)
def test_when_dividing_by_the_stride_is_enough(kernel, stride, padding, convention, same):
    field = receptive_field(nn.Conv2d(1, 1, kernel, stride, padding))
    image_box = box(3, 5, 17, 12)
    assert torch.equal(project_box(image_box, field, convention=convention), image_box / stride) == same


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=3), st.data())
def test_pooling_a_projected_box_reads_the_image_there(pools, data):
    # Means of a ramp are the ramp at their centre, so features tell where they are, and a box's mean is its middle.
    net = nn.Sequential(*(nn.AvgPool2d(k, s) for k, s in pools))
    field, width = receptive_field(net), 60
    features = net(torch.arange(width, dtype=torch.float64).expand(1, 1, 1, width).expand(1, 1, width, width))
    low, high = field.start + 0.5, field.horizontal.center(features.shape[3] - 1) + 0.5
    x0 = data.draw(st.floats(low, high - 1))
    x1 = data.draw(st.floats(x0 + 0.5, high))
    for convention, aligned in (("corner", True), ("center", False)):
        image_box = box(x0, low, x1, high) - (0 if aligned else 0.5)
        projected = project_box(image_box, field, convention=convention)
        # Without `aligned`, RoIAlign takes no box of less than a unit.
        assume(aligned or projected[2] - projected[0] >= 1)
        roi = torch.cat([torch.zeros(1, dtype=torch.float64), projected])[None]
        pooled = roi_align(features, roi, 1, sampling_ratio=2, aligned=aligned)
        assert pooled.item() == pytest.approx((x0 + x1) / 2 - 0.5)


@settings(max_examples=60)
@given(nets(unpadded()), st.integers(0, 6), st.data())
def test_clipping_is_what_gradients_show(net, more, data):
    field = receptive_field(net)
    assume(field.size <= 30)
    length = field.size + 2 * field.stride + more
    measured = centers(net, length)
    x0 = data.draw(st.integers(0, length - 1))
    x1 = data.draw(st.integers(x0, length))
    assert clipped_extent(field, x0, x1, length) == pytest.approx(extent(measured, x0, x1))


@settings(max_examples=60)
@given(nets(unpadded()), st.integers(0, 6))
def test_a_roi_at_the_border_becomes_a_point_at_the_closed_form_width(net, more):
    field = receptive_field(net)
    assume(field.size <= 30)
    length = field.size + 2 * field.stride + more
    measured = centers(net, length)
    left = degenerate_width(field)
    assert left == field.size / 2
    right = degenerate_width(field, image_size=(length, length))
    for width in range(1, length + 1):
        assert (extent(measured, 0, width) == 0) == (width <= left)
        assert (extent(measured, length - width, length) == 0) == (width <= right)
        assert clipped_extent(field, 0, width, length) == pytest.approx(extent(measured, 0, width))
        # No unit's centre lies in it, or just the first, on its edge.
        inside = (measured <= width - 0.5).sum()
        assert inside == (0 if width < left else math.floor((width - left) / field.stride) + 1) or width > right


@settings(max_examples=60)
@given(nets(unpadded()), st.integers(0, 6))
def test_a_roi_inside_keeps_its_extent(net, more):
    field = receptive_field(net)
    assume(field.size <= 30)
    length = field.size + 3 * field.stride + more
    measured = centers(net, length)
    begin = math.ceil(degenerate_width(field))
    for end in range(begin, length - math.ceil(degenerate_width(field, image_size=(length, length))) + 1):
        assert extent(measured, begin, end) == pytest.approx((end - begin) / field.stride)


@settings(max_examples=60)
@given(nets(unpadded()), st.integers(0, 6), st.data())
def test_the_least_padding_by_trying_them_all(net, more, data):
    field = receptive_field(net)
    assume(field.size <= 20)
    length = field.size + more
    x0 = data.draw(st.integers(0, length - 1))
    x1 = data.draw(st.integers(x0 + 1, length))
    most = field.size + field.stride
    whole = (x1 - x0) / field.stride
    measured = centers(net, length + 2 * most)  # of the image with the most padding; with less, the first few of them

    def restores(left, right):
        units = net(torch.zeros(1, CHANNELS, field.size, left + length + right, dtype=torch.float64)).shape[3]
        return extent(measured[:units], left + x0, left + x1) == pytest.approx(whole)

    tried = [(left, right) for left in range(most + 1) for right in range(most + 1) if restores(left, right)]
    left, right, top, bottom = least_padding(field, (x0, 0, x1, field.size), (field.size, length))
    assert (left, right) in tried
    assert left == min(left for left, _ in tried)
    assert right == min(right for other, right in tried if other == left)
    assert left + right == min(map(sum, tried))
    assert (top, bottom) == least_padding(field, (0, 0, field.size, field.size), (field.size, field.size))[:2]


@given(nets(), st.integers(1, 30), st.integers(1, 30), st.data())
def test_padding_the_image_undoes_the_clipping(net, height, width, data):
    field = receptive_field(net)
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    roi = (x0, y0, data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height)))
    padding = least_padding(field, roi, (height, width))

    def clipped(padding):
        padded = receptive_field([nn.ZeroPad2d(padding), net])
        units = padded.units(height, width)
        image_box = torch.tensor(roi, dtype=torch.float64)
        return units, *(project_box(image_box, padded, clip_to=c) for c in (units, None) if min(units) > 0)

    _, after, whole = clipped(padding)
    torch.testing.assert_close(after, whole, rtol=0, atol=1e-9)
    for side, amount in enumerate(padding):
        if amount > 0:
            less = [p - (s == side) for s, p in enumerate(padding)]
            units, *projected = clipped(tuple(less))
            assert min(units) == 0 or not torch.allclose(*projected, rtol=0, atol=1e-9)


@settings(max_examples=30)
@given(nets(unpadded()), st.integers(0, 5))
def test_a_kept_grid_leaves_the_old_units_alone(net, more):
    field = receptive_field(net)
    assume(field.size <= 30)
    length = field.size + more
    image = torch.rand(1, CHANNELS, length, length, dtype=torch.float64)
    padding = least_padding(field, (0, 0, length, length), (length, length), keep_grid=True)
    before, after = net(image), net(nn.functional.pad(image, padding))
    left, _, top, _ = (p // field.stride for p in padding)
    assert padding[0] % field.stride == padding[2] % field.stride == 0
    torch.testing.assert_close(after[..., top : top + before.shape[2], left : left + before.shape[3]], before)
    assert after.shape[3] > before.shape[3] or field.size == 1


def test_p_net():
    field = receptive_field(P_NET)
    assert (field.size, field.stride, field.padding, field.start) == (12, 2, 0, 5.5)
    assert degenerate_width(field) == 6
    assert least_padding(field, (0, 0, 100, 100), (100, 100)) == (6, 6, 6, 6)
    clipped = project_box(torch.tensor([[0.0, 40, 6, 60], [0, 0, 6, 6], [40, 40, 60, 60]]), field, clip_to=(45, 45))
    extents = clipped[:, 2:] - clipped[:, :2]
    assert extents.tolist() == [[0, 10], [0, 0], [10, 10]]  # a line, a point, and its full extent


def test_back_onto_the_image_keeps_its_edges():
    field = receptive_field(nn.MaxPool2d(4))
    whole = box(-1, -1, 9, 9)
    assert project_box(whole, field, inverse=True, clip_to=(20, 30)).tolist() == [0, 0, 30, 20]
    back = project_box(whole, field, inverse=True, convention="center", clip_to=(20, 30))
    assert back.tolist() == [-0.5, -0.5, 29.5, 19.5]


def test_padding_enough_never_degenerates():
    assert degenerate_width(receptive_field(nn.Conv2d(1, 1, 2, padding=1))) == 0
    assert degenerate_width(receptive_field(nn.Conv2d(1, 1, (3, 5)))) == (1.5, 2.5)
    assert degenerate_width(receptive_field(nn.Conv2d(1, 1, 3, 2)), image_size=(7, 8)) == (1.5, 2.5)


FIELD = receptive_field(P_NET)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: project_box(box(0, 0, math.nan, 1), FIELD), "boxes: got 1 NaN"),
        (lambda: project_box(box(2, 0, 1, 1), FIELD), "boxes: got 1 boxes that end before they begin"),
        (lambda: project_box(box(0, 0, 1, 1), FIELD, clip_to=(0, 3)), "clip_to"),
        (lambda: least_padding(FIELD, (0, 0, math.inf, 1), (9, 9)), "box"),
        (lambda: least_padding(FIELD, (0, 4, 1, 1), (9, 9)), "box"),
        (lambda: least_padding(FIELD, (0, 0, 1, 1), (0, 9)), "image_size"),
        (lambda: degenerate_width(FIELD, image_size=(5, 50)), "image_size.*12 pixels"),
        (lambda: degenerate_width(FIELD, image_size=(50, 0)), "length"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: project_box(torch.zeros(3, 5), FIELD), r"boxes: got shape \(3, 5\)"),
        (lambda: project_box(torch.zeros(3, 4, dtype=torch.int64), FIELD), "boxes: got torch.int64"),
        (lambda: project_box(box(0, 0, 1, 1), FIELD, convention="edge"), "convention: got 'edge'"),
        (lambda: least_padding(FIELD, (0, 0, 1, 1), (9, 9), convention="edge"), "convention"),
    ],
)
def test_errors_of_type(call, message):
    with pytest.raises(ValueError, match=message):
        call()
