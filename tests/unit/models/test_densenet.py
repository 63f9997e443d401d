"""DenseNet: torchvision's keys and counts, the paper's dense connections, and what adding makes of them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fpnlib.models import DenseNet

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def norm_keys(name):
    return [f"{name}.{part}" for part in NORM]


def torchvision_keys(block_config):
    """The keys of torchvision's densenet files, in order."""
    keys = ["features.conv0.weight", *norm_keys("features.norm0")]
    for block, layers in enumerate(block_config, 1):
        for layer in range(1, layers + 1):
            at = f"features.denseblock{block}.denselayer{layer}"
            keys += [*norm_keys(f"{at}.norm1"), f"{at}.conv1.weight", *norm_keys(f"{at}.norm2"), f"{at}.conv2.weight"]
        if block < len(block_config):
            at = f"features.transition{block}"
            keys += [*norm_keys(f"{at}.norm"), f"{at}.conv.weight"]
    return [*keys, *norm_keys("features.norm5"), "classifier.weight", "classifier.bias"]


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    # The counts that torchvision states for its weights of DenseNet-121, 169 and 201.
    [({}, 7_978_856), ({"block_config": (6, 12, 32, 32)}, 14_149_480), ({"block_config": (6, 12, 48, 32)}, 20_013_928)],
)
def test_parameters_and_keys_are_torchvisions(arguments, parameters):
    with torch.device("meta"):
        net = DenseNet(**arguments)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert list(net.state_dict()) == torchvision_keys(arguments.get("block_config", (6, 12, 24, 16)))


def norm(state, name, x):
    names = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(state[f"{name}.{part}"] for part in names))


def reference(state, x, block_config):
    """The paper's net written out: each layer sees the list of all maps before it."""
    x = F.conv2d(x, state["features.conv0.weight"], stride=2, padding=3)
    x = F.max_pool2d(norm(state, "features.norm0", x).relu(), 3, 2, 1)
    for block, layers in enumerate(block_config, 1):
        maps = [x]
        for layer in range(1, layers + 1):
            at = f"features.denseblock{block}.denselayer{layer}"
            y = F.conv2d(norm(state, f"{at}.norm1", torch.cat(maps, 1)).relu(), state[f"{at}.conv1.weight"])
            maps.append(F.conv2d(norm(state, f"{at}.norm2", y).relu(), state[f"{at}.conv2.weight"], padding=1))
        x = torch.cat(maps, 1)
        if block < len(block_config):
            at = f"features.transition{block}"
            x = F.avg_pool2d(F.conv2d(norm(state, f"{at}.norm", x).relu(), state[f"{at}.conv.weight"]), 2)
    x = norm(state, "features.norm5", x).relu().mean((2, 3))
    return x @ state["classifier.weight"].T + state["classifier.bias"]


def test_outputs_are_those_of_the_net_written_out():
    torch.manual_seed(0)
    net = DenseNet(4, (2, 3, 1), 6, 2, num_classes=5).double()
    x = torch.randn(8, 3, 37, 45, dtype=torch.float64)
    net(x)  # moves the running statistics off their start
    net.eval()
    torch.testing.assert_close(net(x), reference(net.state_dict(), x, (2, 3, 1)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("merge", ["concat", "add"])
def test_both_ways_reach_the_same_width_at_the_end_of_each_block(merge):
    net = DenseNet(3, (2, 4), 6, 2, num_classes=5, in_channels=1, stem="small", merge=merge)
    widths = [m.num_features for name, m in net.named_modules() if name.endswith(("transition1.norm", "norm5"))]
    assert widths == [6 + 2 * 3, 6 + 4 * 3]
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 5)
    assert net.features[:2](torch.zeros(2, 1, 8, 8)).shape == (2, 12, 8, 8)  # the small stem keeps the size


def test_an_adding_layer_keeps_its_input_and_adds():
    torch.manual_seed(0)
    net = DenseNet(3, (2,), 6, 2, num_classes=5, in_channels=1, stem="small", merge="add").double()
    layer = net.features.denseblock1.denselayer1
    x = torch.randn(2, 12, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x), x + layer.new(x))
    nn.init.zeros_(layer.conv2.weight)
    torch.testing.assert_close(layer(x), x)


def test_a_concatenating_layer_hands_its_input_on_untouched():
    torch.manual_seed(0)
    layer = DenseNet(3, (2,), 6, 2, num_classes=5).double().features.denseblock1.denselayer1
    x = torch.randn(2, 6, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x), torch.cat([x, layer.new(x)], 1))
    assert torch.equal(layer(x)[:, :6], x)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"growth_rate": 0}, "growth_rate: got 0, allowed: 1 or more"),
        ({"num_init_features": 0}, "num_init_features: got 0"),
        ({"bn_size": 0}, "bn_size: got 0"),
        ({"num_classes": 0}, "num_classes: got 0"),
        ({"in_channels": 0}, "in_channels: got 0"),
        ({"block_config": ()}, r"block_config: got \[\], allowed: one or more positive numbers"),
        ({"block_config": (2, 0)}, "block_config: got"),
        ({"stem": "large"}, "stem: got 'large', allowed: 'imagenet', 'small'"),
        ({"merge": "mean"}, "merge: got 'mean', allowed: 'concat', 'add'"),
    ],
)
def test_bad_input_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        DenseNet(**arguments)
