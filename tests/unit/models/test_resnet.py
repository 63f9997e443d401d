"""ResNets: torchvision's names and numbers, the four maps, official files."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from support.record_fpn_results import image, sampled
from torch import nn

from fpnlib.models import BasicBlock, Bottleneck, ResNet, resnet18, resnet34, resnet50
from fpnlib.notes.fpn.experiments.recorded import fill

# Written by tests/support/record_fpn_results.py from torchvision's own networks.
RECORDED = json.loads((Path(__file__).parent / "torchvision_resnet.json").read_text())
BUILDERS = {"resnet18": resnet18, "resnet34": resnet34, "resnet50": resnet50}
PARAMETERS = {"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032}


def tiny(block=BasicBlock, layers=(1, 2, 1, 1), width=2, num_classes=3):
    return ResNet(block, layers, width=width, num_classes=num_classes)


@pytest.mark.parametrize("name", BUILDERS)
def test_torchvisions_numbers(name):
    recorded = RECORDED[name]
    net = BUILDERS[name]().double().eval()
    assert {key: list(tensor.shape) for key, tensor in net.state_dict().items()} == recorded["keys"]
    assert sum(p.numel() for p in net.parameters()) == recorded["parameters"] == PARAMETERS[name]
    fill(net)
    with torch.no_grad():
        stages, logits = net.stages(image()), net(image())
    for stage, expected in zip(stages, recorded["stages"], strict=True):
        assert list(stage.shape) == expected["shape"]
        torch.testing.assert_close(sampled(stage), torch.tensor(expected["values"], dtype=torch.float64))
    torch.testing.assert_close(sampled(logits), torch.tensor(recorded["logits"], dtype=torch.float64))


def plain_block(state, prefix, x, stride, bottleneck):
    """A residual block by the paper's figure 5, layer after layer."""

    def conv_norm(x, conv, norm, stride=1):
        weight = state[f"{prefix}{conv}.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2)
        mean, var = (state[f"{prefix}{norm}.running_{what}"].view(1, -1, 1, 1) for what in ("mean", "var"))
        scale, shift = (state[f"{prefix}{norm}.{what}"].view(1, -1, 1, 1) for what in ("weight", "bias"))
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    out = conv_norm(x, "conv1", "bn1", 1 if bottleneck else stride).clamp(min=0)
    out = conv_norm(out, "conv2", "bn2", stride if bottleneck else 1)
    if bottleneck:
        out = conv_norm(out.clamp(min=0), "conv3", "bn3")
    changed = f"{prefix}downsample.0.weight" in state
    shortcut = conv_norm(x, "downsample.0", "downsample.1", stride) if changed else x
    return (out + shortcut).clamp(min=0)


@given(st.sampled_from([BasicBlock, Bottleneck]), st.integers(1, 70), st.integers(1, 70), st.integers(1, 2))
@settings(max_examples=15)
def test_stages_are_residual_blocks_after_add_and_relu(block, height, width, last):
    layers = (1, 2, 1, last)
    net = tiny(block, layers).double().eval()
    fill(net, seed=height)
    x = torch.randn(1, 3, height, width, dtype=torch.float64)
    with torch.no_grad():
        stages = net.stages(x)
        x = net.maxpool(net.bn1(net.conv1(x)).clamp(min=0))
        for number, (blocks, stage) in enumerate(zip(layers, stages, strict=True)):
            for b in range(blocks):
                stride = 2 if number and not b else 1
                x = plain_block(net.state_dict(), f"layer{number + 1}.{b}.", x, stride, block is Bottleneck)
            torch.testing.assert_close(stage, x)
            expected = (1, net.channels[number], -(-height // net.strides[number]), -(-width // net.strides[number]))
            assert stage.shape == expected
            assert stage.min() >= 0


def test_without_a_classifier_the_mean_of_c5():
    net = tiny(num_classes=None).eval()
    x = torch.randn(2, 3, 40, 40)
    torch.testing.assert_close(net(x), net.stages(x)[-1].mean((2, 3)))
    assert not any(key.startswith("fc") for key in net.state_dict())


def test_another_normalisation():
    net = ResNet(BasicBlock, (1, 1, 1, 1), width=4, num_classes=2, norm=lambda channels: nn.GroupNorm(2, channels))
    assert not net.state_dict().keys() & {"bn1.running_mean"}
    assert net(torch.randn(2, 3, 32, 32)).shape == (2, 2)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layers": (1, 1, 1)}, r"layers: got \[1, 1, 1\], allowed: four"),
        ({"layers": (1, 0, 1, 1)}, "layers: got"),
        ({"width": 0}, "width: got 0"),
        ({"num_classes": 0}, "num_classes: got 0"),
    ],
)
def test_wrong_sizes_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        tiny(**options)


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(1, 1, 32, 32), (3, 32, 32), (1, 4, 32, 32)])
def test_only_rgb(shape):
    with pytest.raises(ValueError, match=r"x: got shape .* allowed: \(N, 3, H, W\)"):
        tiny().stages(torch.zeros(shape))


def saved(path, state):
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def body(state):
    """As a detector's file has it: frozen normalisation, no classifier, other parts beside."""
    kept = {f"backbone.body.{key}": value for key, value in state.items() if not key.startswith("fc.")}
    kept = {key: value for key, value in kept.items() if not key.endswith("num_batches_tracked")}
    return kept | {"rpn.head.cls_logits.weight": torch.zeros(1), "backbone.fpn.inner_blocks.0.0.weight": torch.zeros(1)}


@pytest.mark.parametrize("file", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("kind", ["whole", "under model", "counters missing", "detector"])
def test_files_load(tmp_path, file, kind):
    source, target = tiny().eval(), tiny(num_classes=None if kind == "detector" else 3).eval()
    fill(source)
    state = {key: value.clone() for key, value in source.state_dict().items()}
    if kind == "under model" and file.endswith("pth"):
        state = {"model": state, "epoch": 3}
    elif kind == "counters missing":
        state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    elif kind == "detector":
        state = body(state)
    target.load_checkpoint(saved(tmp_path / file, state))
    x = torch.randn(1, 3, 33, 40)
    for mine, theirs in zip(target.stages(x), source.stages(x), strict=True):
        assert torch.equal(mine, theirs)


def spoiled(state, kind):
    state = dict(state)
    if kind == "missing":
        del state["layer3.0.conv2.weight"]
    elif kind == "foreign":
        state["layer9.weight"] = torch.zeros(1)
    elif kind == "shape":
        state["fc.weight"] = torch.zeros(5, 16)
    return state


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", r"1 missing: layer3\.0\.conv2\.weight"),
        ("foreign", r"1 foreign: layer9\.weight"),
        ("shape", r"1 of another shape: fc\.weight \(5, 16\) for \(3, 16\)"),
    ],
)
def test_a_file_that_does_not_fit_is_named_and_changes_nothing(tmp_path, kind, says):
    net = tiny()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    path = saved(tmp_path / "net.pth", spoiled(tiny().state_dict(), kind))
    with pytest.raises(ValueError, match=says):
        net.load_checkpoint(path)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_another_architecture_is_refused_in_one_line(tmp_path):
    path = saved(tmp_path / "net.pth", tiny(Bottleneck).state_dict())
    with pytest.raises(ValueError, match=r"foreign: .*, …") as caught:
        tiny().load_checkpoint(path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("content", [b"no weights", None, [1, 2]])
def test_what_is_no_file_of_weights(tmp_path, content):
    path = tmp_path / "net.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(ValueError, match="path: "):
        tiny().load_checkpoint(path)


def test_a_file_with_code_is_not_run(tmp_path):
    torch.save(tiny(), tmp_path / "net.pth")
    with pytest.raises(ValueError, match="cannot read"):
        tiny().load_checkpoint(tmp_path / "net.pth")
