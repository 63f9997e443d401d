import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.random_nets import branches, nets, seen
from torch import nn

from fpnlib.models.efficientnet import SameConv2d
from fpnlib.ops import Add, AxisField, Concat, ReceptiveField, receptive_field


def chain(*layers):
    return nn.Sequential(*(nn.Conv2d(1, 1, k, s, p) for k, s, p in layers))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@settings(max_examples=150)
@given(nets(), st.integers(0, 3), st.integers(0, 3))
def test_gradients_reach_what_the_field_says(net, more_height, more_width):
    field = receptive_field(net)
    axes = (field.vertical, field.horizontal)
    assume(max(axis.size + 2 * axis.stride for axis in axes) <= 40)
    # Long enough for one unit that sees no padding.
    height, width = (axis.size + axis.stride + more for axis, more in zip(axes, (more_height, more_width), strict=True))
    assert net(torch.zeros(1, 2, height, width, dtype=torch.float64)).shape[2:] == field.units(height, width)
    for number, (axis, length) in enumerate(zip(axes, (height, width), strict=True)):
        whole = 0
        for unit, pixels in enumerate(seen(net, height, width, number)):
            first, last = axis.first(unit), axis.first(unit) + axis.size - 1
            reached = pixels.nonzero().flatten().tolist()
            assert all(first <= pixel <= last for pixel in reached)
            if first >= 0 and last < length:
                whole += 1
                assert (reached[0], reached[-1]) == (first, last)
                assert axis.center(unit) == (reached[0] + reached[-1]) / 2 == axis.start + unit * axis.stride
        assert whole > 0


@settings(max_examples=20)
@given(nets(branches()))
def test_branches_have_the_size_of_the_largest(net):
    largest = receptive_field(net)
    for index in range(len(net)):
        block = net[index] if isinstance(net[index], Add) else net[index][0]
        for branch in block.branches:
            shorter = nn.Sequential(*net[:index], branch, *net[index + 1 :])
            assert receptive_field(shorter).vertical.size <= largest.vertical.size
            assert receptive_field(shorter).start == largest.start


VGG16 = [
    layer
    for convolutions in (2, 2, 3, 3, 3)
    for layer in [*[nn.Conv2d(1, 1, 3, padding=1), nn.ReLU()] * convolutions, nn.MaxPool2d(2)]
]
ALEXNET_V2 = [
    *(nn.Conv2d(1, 1, 11, 4), nn.MaxPool2d(3, 2), nn.Conv2d(1, 1, 5, padding=2), nn.MaxPool2d(3, 2)),
    *([nn.Conv2d(1, 1, 3, padding=1)] * 3),
    nn.MaxPool2d(3, 2),
]


def bottleneck(stride):
    path = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 3, stride, 1), nn.ReLU(), nn.Conv2d(1, 1, 1))
    return Add(path, nn.MaxPool2d(1, stride))


# TF-Slim takes the strides in a stage's last block, not in its first.
RESNET50_V1 = [
    *(nn.Conv2d(1, 1, 7, 2, 3), nn.MaxPool2d(3, 2)),
    *(
        bottleneck(stride)
        for blocks, last in ((3, 2), (4, 2), (6, 2), (3, 1))
        for stride in [*[1] * (blocks - 1), last]
    ),
]


# Araujo et al. (Distill, 2019): the table beside the paper's library, google-research/receptive_field.
@pytest.mark.parametrize(
    ("layers", "size", "stride", "padding"),
    [(VGG16, 212, 32, 90), (ALEXNET_V2, 195, 32, 64), (RESNET50_V1, 483, 32, 239)],
    ids=["VGG-16", "AlexNet v2", "ResNet-50 v1"],
)
def test_published_nets(layers, size, stride, padding):
    field = receptive_field(layers)
    assert (field.size, field.stride, field.padding) == (size, stride, padding)
    assert isinstance(field.size, int)
    assert isinstance(field.stride, int)
    assert field == receptive_field(nn.Sequential(*layers))


def test_nothing_sees_one_pixel():
    assert receptive_field([]) == receptive_field(nn.Identity()) == ReceptiveField()
    assert repr(ReceptiveField()) == "ReceptiveField(size=1, stride=1, padding=0, start=0.0)"


def test_axes_that_differ_are_pairs():
    field = receptive_field(nn.Conv2d(1, 1, (3, 5), stride=(1, 2), padding=(1, 0)))
    assert (field.size, field.stride, field.padding, field.start) == ((3, 5), (1, 2), (1, 0), (0.0, 2.0))
    assert field.units(7, 7) == (7, 2)


def test_start_is_the_centre_of_unit_0_as_a_pixel_index():
    assert receptive_field(chain((3, 1, 1))).start == 0
    assert receptive_field(chain((2, 2, 0))).start == 0.5
    assert receptive_field(chain((3, 1, 0), (3, 1, 0))).start == 2


def test_nested_layers_are_a_chain():
    a, b, c = chain((3, 2, 1)), chain((5, 1, 2)), chain((2, 2, 0))
    assert receptive_field([a, [b, (c,)]]) == receptive_field(nn.Sequential(a, nn.Sequential(b, c)))


def test_ceil_mode_changes_no_unit():
    assert receptive_field(nn.MaxPool2d(3, 2, ceil_mode=True)) == receptive_field(nn.MaxPool2d(3, 2))


def test_too_small_an_image_has_no_units():
    assert receptive_field(chain((5, 1, 0))).units(3, 9) == (0, 5)


class Residual(nn.Module):
    def __init__(self, stride=2, padding=1):
        super().__init__()
        self.conv1, self.bn = nn.Conv2d(2, 2, 3, stride, padding), nn.BatchNorm2d(2)
        self.conv2, self.down = nn.Conv2d(2, 2, 3, 1, 1), nn.Conv2d(2, 2, 1, stride)

    def forward(self, x):
        y = self.conv2(torch.relu(self.bn(self.conv1(x))))
        y += self.down(x)
        return nn.functional.relu(y)


class Dense(nn.Module):
    def __init__(self, dim=1):
        super().__init__()
        self.conv, self.dim = nn.Conv2d(2, 2, 3, padding=1), dim
        self.both = Add(nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 3, padding=1))

    def forward(self, x):
        return self.both(torch.cat([x, self.conv(x)], self.dim)).sigmoid() * 2 + 1


@pytest.mark.parametrize("module", [Residual(), Dense(), nn.Sequential(Residual(1), Dense())])
def test_modules_with_a_forward_of_their_own(module):
    net = module.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.1)
    field = receptive_field(net)
    middle = seen(net, 19, 19, 0)[9 // field.stride].nonzero().flatten()
    assert middle[0] == field.vertical.first(9 // field.stride)
    assert len(middle) == field.size


def test_add_and_concat_run():
    x = torch.rand(2, 3, 5, 6)
    a, b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1)
    torch.testing.assert_close(Add(a, b)(x), a(x) + b(x))
    torch.testing.assert_close(Concat(a, b, b)(x), torch.cat([a(x), b(x), b(x)], 1))


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


class Pooled(nn.Module):
    def forward(self, x):
        return x - x.mean((2, 3), keepdim=True)


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Circular(nn.Conv2d):
    def forward(self, x):
        return super().forward(x.roll(1, 3))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (Circular(1, 1, 3), "layers.roll: got call_method roll"),
        (SameConv2d(1, 1, 3, 2), "SameConv2d, whose forward cannot be followed"),
        ([nn.Conv2d(1, 1, 3), nn.Linear(3, 3)], r"layers\[1\]: got Linear in_features=3"),
        (nn.Sequential(nn.ReLU(), nn.Sequential(nn.Upsample(scale_factor=2))), r"layers\[1\]\[0\]: got Upsample"),
        (nn.ConvTranspose2d(1, 1, 2), "layers: got ConvTranspose2d"),
        (nn.AdaptiveAvgPool2d(1), "AdaptiveAvgPool2d.* does not depend on the image"),
        (nn.GroupNorm(1, 1), "GroupNorm.* does not depend on the image"),
        (nn.Softmax(dim=2), "Softmax"),
        (nn.MaxPool2d(0), "MaxPool2d kernel_size=0.*positive kernel size"),
        (nn.AvgPool2d(2, -1), "AvgPool2d .*positive kernel size, stride"),
        (nn.AvgPool2d(2, 2, -1), "padding of at least 0"),
        (Add(nn.Conv2d(1, 1, 3), nn.Identity()), r"vertical \[1.0, 0.0\].*equal centres"),
        (Add(nn.Conv2d(1, 1, (1, 3)), nn.Identity()), r"horizontal \[1.0, 0.0\].*equal centres"),
        (Concat(nn.Identity(), nn.MaxPool2d(2)), r"vertical strides \[1, 2\].*equal stride"),
        ([nn.ReLU(), Add(nn.Identity(), nn.Flatten())], r"layers\[1\].branches\[1\]: got Flatten"),
        (Residual(padding=0), r"layers.add: .*equal centres"),
        (Dense(dim=2), r"layers.cat: got cat along dim=2"),
        (TwoInputs(), "several inputs"),
        (Pooled(), "layers.mean: got call_method mean"),
        (Branching(), "Branching, whose forward cannot be followed"),
    ],
)
def test_errors_name_the_layer(layers, message):
    with pytest.raises(ValueError, match=message):
        receptive_field(layers)


@pytest.mark.bad_input
@pytest.mark.parametrize("layers", [3, "net", [torch.relu], None])
def test_what_is_no_layer_is_refused(layers):
    with pytest.raises(ValueError, match="layers"):
        receptive_field(layers)


@pytest.mark.parametrize("container", [Add, Concat])
def test_no_branches_are_refused(container):
    with pytest.raises(ValueError, match="branches"):
        container()


def test_no_pixels_are_refused():
    with pytest.raises(ValueError, match="length"):
        AxisField().units(0)
