import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from fpnlib.models import BatchNorm2d

options = st.fixed_dictionaries(
    {
        "eps": st.sampled_from([1e-5, 1e-3, 0.1]),
        "momentum": st.sampled_from([None, 0.0, 0.1, 0.7, 1.0]),
        "affine": st.booleans(),
        "track_running_stats": st.booleans(),
        "bias": st.booleans(),
    }
)
shapes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(2, 4))


def pair(channels, dtype=torch.float64, **options):
    """Ours and torch's with the same random parameters."""
    theirs, ours = nn.BatchNorm2d(channels, dtype=dtype, **options), BatchNorm2d(channels, dtype=dtype, **options)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def compare(ours, theirs, x, **tolerance):
    """One forward and backward pass through each; outputs, gradients and buffers."""
    outcomes = []
    for layer in (ours, theirs):
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        layer.zero_grad()
        if layer.training or y.requires_grad:
            y.backward(torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y) ** 2)
        outcomes.append([y.detach(), leaf.grad, *(parameter.grad for parameter in layer.parameters())])
    torch.testing.assert_close(*outcomes, **tolerance)
    torch.testing.assert_close(dict(ours.named_buffers()), dict(theirs.named_buffers()), **tolerance)


@given(options, shapes, st.sampled_from([0.0, 5000.0]), st.integers(0, 2**31))
def test_a_life_of_training_and_eval_equals_torchs(options, shape, mean, seed):
    torch.manual_seed(seed)
    ours, theirs = pair(shape[1], **options)
    for training in (True, True, False, True, False):
        x = mean + torch.randn(shape, dtype=torch.float64)
        compare(ours.train(training), theirs.train(training), x, rtol=1e-8, atol=1e-8)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_single_precision_equals_torchs():
    torch.manual_seed(0)
    ours, theirs = pair(4, torch.float32)
    for training in (True, False):
        x = torch.randn(16, 4, 5, 5)
        compare(ours.train(training), theirs.train(training), x, rtol=1e-4, atol=1e-4)


def test_single_precision_at_a_large_mean_is_more_exact_than_torchs():
    torch.manual_seed(0)
    ours, theirs = pair(4, torch.float32)
    exact = copy.deepcopy(theirs).double()
    x, grad = 5000 + torch.randn(16, 4, 5, 5), torch.randn(16, 4, 5, 5)
    outcomes = []
    for layer in (exact, ours, theirs):
        leaf = x.to(layer.weight.dtype).requires_grad_()
        y = layer(leaf)
        outcomes.append([y, *torch.autograd.grad(y, [leaf, layer.weight], grad.to(y.dtype))])
    for truth, our, their in zip(*outcomes, strict=True):
        error = (our - truth).abs().max()
        assert error <= 1e-4
        assert error <= 0.1 * (their - truth).abs().max()
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_two_values_per_channel():
    ours, theirs = pair(3)
    compare(ours, theirs, torch.randn(2, 3, 1, 1, dtype=torch.float64), rtol=1e-10, atol=1e-10)
    compare(ours, theirs, torch.randn(1, 3, 1, 2, dtype=torch.float64), rtol=1e-10, atol=1e-10)


def test_one_value_per_channel_in_eval_mode():
    ours, theirs = pair(3)
    compare(ours.eval(), theirs.eval(), torch.randn(1, 3, 1, 1, dtype=torch.float64))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3, 2, 2, 3), (2, 2, 1, 1)])
def test_first_and_second_derivatives(training, shape):
    torch.manual_seed(1)
    layer, _ = pair(2)
    layer.train(training)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)

    def call(x, weight, bias):
        return functional_call(layer, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(call, (x, layer.weight, layer.bias))
    assert torch.autograd.gradgradcheck(call, (x, layer.weight, layer.bias))


def test_many_at_once_equal_one_by_one():
    torch.manual_seed(0)
    layers = [pair(3, momentum=momentum)[0] for momentum in (None, None, None)]
    parameters, buffers = stack_module_state(layers)
    x = torch.randn(3, 4, 3, 2, 2, dtype=torch.float64)

    def call(parameters, buffers, x):
        return functional_call(layers[0], (parameters, buffers), (x,))

    for _ in range(2):
        y = vmap(call)(parameters, buffers, x)
        (gradients,) = torch.autograd.grad(y.pow(3).sum(), [parameters["weight"]])
        for i, layer in enumerate(layers):
            alone = layer(x[i])
            (gradient,) = torch.autograd.grad(alone.pow(3).sum(), [layer.weight])
            torch.testing.assert_close(y[i], alone)
            torch.testing.assert_close(gradients[i], gradient)
            for name, values in layer.named_buffers():
                torch.testing.assert_close(buffers[name][i], values)


def test_state_dicts_go_both_ways():
    theirs = nn.BatchNorm2d(3, momentum=None)
    theirs(torch.randn(4, 3, 2, 2))
    ours = BatchNorm2d(3, momentum=None)
    ours.load_state_dict(theirs.state_dict())
    ours(torch.randn(4, 3, 2, 2))
    theirs.load_state_dict(ours.state_dict())
    assert theirs.num_batches_tracked == 2


def test_state_dicts_of_old_torch_have_no_count():
    old = {key: value for key, value in nn.BatchNorm2d(3).state_dict().items() if key != "num_batches_tracked"}
    layer = nn.Sequential(BatchNorm2d(3))
    layer.load_state_dict({f"0.{key}": value for key, value in old.items()})
    assert layer[0].num_batches_tracked == 0


def test_a_fresh_start():
    layer = BatchNorm2d(2)
    fresh = {name: value.clone() for name, value in layer.state_dict().items()}
    layer(torch.randn(3, 2, 2, 2))
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    layer.reset_parameters()
    torch.testing.assert_close(dict(layer.state_dict()), fresh)


def test_double_precision_and_no_gradient():
    layer = BatchNorm2d(2, dtype=torch.float64)
    with torch.no_grad():
        y = layer(torch.randn(3, 2, 2, 2, dtype=torch.float64))
    assert y.dtype == torch.float64
    assert not y.requires_grad


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BatchNorm2d(0), "num_features: got 0, allowed: 1 or more"),
        (lambda: BatchNorm2d(3, eps=-1e-5), "eps: got -1e-05, allowed: a finite number, 0 or more"),
        (lambda: BatchNorm2d(3, momentum=1.5), "momentum: got 1.5, allowed: 0 to 1, or None"),
        (lambda: BatchNorm2d(3)(torch.zeros(2, 4, 2, 2)), "x: got 4 channels, allowed: 3 channels"),
        (lambda: BatchNorm2d(3).eval()(torch.zeros(2, 4, 2, 2)), "x: got 4 channels, allowed: 3 channels"),
        (lambda: BatchNorm2d(3)(torch.zeros(2, 3)), r"x: got shape \(2, 3\), allowed: \(N, C, H, W\)"),
        (lambda: BatchNorm2d(3)(torch.zeros(1, 3, 1, 1)), "x: got .* 1 per channel, allowed: at least 2 values"),
        (
            lambda: BatchNorm2d(3, track_running_stats=False).eval()(torch.zeros(1, 3, 1, 1)),
            "x: got .* 1 per channel, allowed: at least 2 values",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
