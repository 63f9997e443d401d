"""EfficientNet-Lite0: its padding, its maps, its real weights."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fpnlib import assets
from fpnlib.data import photo
from fpnlib.models import EfficientNetLite0
from fpnlib.models.efficientnet import SameConv2d


@pytest.fixture(scope="module")
def network():
    return EfficientNetLite0.pretrained()


def same_convolution(signal, kernel, stride, dilation):
    """TensorFlow's definition of SAME in one dimension, place by place."""
    places = -(-len(signal) // stride)
    before = max((places - 1) * stride + dilation * (len(kernel) - 1) + 1 - len(signal), 0) // 2
    out = np.zeros(places)
    for place in range(places):
        for offset, weight in enumerate(kernel):
            position = place * stride - before + dilation * offset
            if 0 <= position < len(signal):
                out[place] += weight * signal[position]
    return out


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_same_padding_is_tensorflows(height, width, kernel, stride, dilation, seed):
    rng = np.random.default_rng(seed)
    image, rows, columns = rng.normal(size=(height, width)), rng.normal(size=kernel), rng.normal(size=kernel)
    conv = SameConv2d(1, 1, kernel, stride, dilation=dilation, bias=False).double()
    conv.weight.data = torch.tensor(np.outer(rows, columns))[None, None]
    # A separable kernel: one dimension after the other.
    expected = np.apply_along_axis(same_convolution, 0, image, rows, stride, dilation)
    expected = np.apply_along_axis(same_convolution, 1, expected, columns, stride, dilation)
    answer = conv(torch.tensor(image)[None, None])[0, 0].detach().numpy()
    np.testing.assert_allclose(answer, expected, atol=1e-12)


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 2))
@settings(deadline=None, max_examples=10)
def test_maps_have_the_documented_shapes(height, width, n):
    network = EfficientNetLite0(num_classes=7).eval()
    x = torch.zeros(n, 3, height, width)
    with torch.no_grad():
        maps = network.features(x)
        assert network(x).shape == (n, 7)
    assert (network.channels, network.strides) == ((16, 24, 40, 112, 320), (2, 4, 8, 16, 32))
    for feature, channels, stride in zip(maps, network.channels, network.strides, strict=True):
        assert feature.shape == (n, channels, -(-height // stride), -(-width // stride))


def test_the_network_is_lite0():
    network = EfficientNetLite0()
    assert sum(p.numel() for p in network.parameters()) == 4_652_008
    assert len(network.state_dict()) == 296


# Class numbers of ImageNet that a person would accept, and how sure the network is at least.
SEEN = {
    "coffee": ({967}, 0.9),
    "chelsea": ({281, 282, 285}, 0.8),
    "rocket": ({657, 744}, 0.4),
    "china": ({698}, 0.3),
    "flower": ({985}, 0.3),
}


@pytest.mark.parametrize("name", SEEN)
def test_real_photos_are_recognised(network, name):
    with torch.no_grad():
        probabilities = network(network.preprocess(photo(name))).softmax(1)[0]
    classes, least = SEEN[name]
    assert int(probabilities.argmax()) in classes
    assert float(probabilities[sorted(classes)].sum()) > least


def test_pretrained_is_in_eval_mode(network):
    assert not any(module.training for module in network.modules())


def test_preprocess_takes_the_middle_square():
    image = photo("coffee")
    side = round(0.875 * 400)
    top, left = (400 - side) // 2, (600 - side) // 2
    square = Image.fromarray(image[top : top + side, left : left + side])
    expected = np.asarray(square.resize((224, 224), Image.Resampling.BICUBIC)).astype(float)
    x = EfficientNetLite0.preprocess(image)
    answer = x[0].permute(1, 2, 0).numpy() * 128 + 127
    # Pillow rounds to whole numbers and cuts off overshoot after each of its two passes.
    assert np.quantile(np.abs(answer - expected), 0.999) <= 1
    assert x.min() >= -127 / 128
    assert x.max() <= 1


def test_preprocess_without_a_size_only_scales():
    image = photo("chelsea")
    x = EfficientNetLite0.preprocess(image, size=None)
    np.testing.assert_array_equal(x[0].permute(1, 2, 0).numpy() * 128 + 127, image)


@pytest.mark.bad_input
@pytest.mark.parametrize(("options", "says"), [({"size": 0}, "size: got 0"), ({"crop": 1.5}, "crop: got 1.5")])
def test_preprocess_refuses(options, says):
    with pytest.raises(ValueError, match=says):
        EfficientNetLite0.preprocess(photo("coffee"), **options)


def test_own_weights_round_trip(network):
    copy = EfficientNetLite0().eval()
    copy.load_state_dict(network.state_dict())
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(copy(x), network(x))


def checkpoint():
    return torch.load(assets.fetch("efficientnet_lite0"), weights_only=True)


def without_the_last(state):
    state.popitem()


def another_width(state):
    state["_conv_stem.weight"] = torch.zeros(24, 3, 3, 3)


def swapped_roles(state):
    # A weight and a bias of equal shape, the other way round.
    items = [item for item in state.items() if not item[0].startswith("_bn0.")]
    norm = [state[f"_bn0.{role}"] for role in ("bias", "weight", "running_mean", "running_var", "num_batches_tracked")]
    roles = ("bias", "weight", "running_mean", "running_var", "num_batches_tracked")
    items[1:1] = [(f"_bn0.{role}", tensor) for role, tensor in zip(roles, norm, strict=True)]
    state.clear()
    state.update(items)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without_the_last, "state_dict: got 295 tensors, allowed: 296 tensors"),
        (another_width, r"_conv_stem.weight \(24, 3, 3, 3\), allowed: a weight \(32, 3, 3, 3\) for stem.0.weight"),
        (swapped_roles, r"_bn0.bias \(32,\), allowed: a weight \(32,\) for stem.1.weight"),
    ],
)
def test_a_foreign_checkpoint_is_refused_and_changes_nothing(spoil, says):
    state = OrderedDict(checkpoint())
    spoil(state)
    network = EfficientNetLite0()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ValueError, match=says):
        network.load_in_order(state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_every_tensor_of_the_file_is_used(network):
    for mine, theirs in zip(network.state_dict().values(), checkpoint().values(), strict=True):
        assert torch.equal(mine, theirs)
