"""Stacks of one block: what goes past it, and how they begin."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import jacrev

from fpnlib.models import Stack
from fpnlib.models.stacks import SKIPS


def maps(width=3, seed=0):
    return torch.randn(2, width, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.sampled_from(SKIPS), st.integers(1, 5), st.booleans(), st.floats(-2, 2))
@settings(max_examples=40)
def test_each_block_is_its_branch_and_its_skip(skip, depth, norm, scale):
    stack = Stack(depth, 3, skip, norm=norm, scale=scale).double()
    x = maps()
    states = stack.states(x)
    assert len(states) == depth
    torch.testing.assert_close(stack(x), states[-1])
    for before, after, block in zip([x, *states], states, stack.blocks, strict=False):
        branch = block(before)
        expected = {
            "plain": lambda x, f: f,
            "residual": lambda x, f: x + f,
            "scaled": lambda x, f: scale * x + f,
            "concat": lambda x, f: torch.cat([x, f], 1),
        }[skip](before, branch)
        torch.testing.assert_close(after, expected)


def test_a_scale_of_one_is_residual_and_of_zero_is_plain():
    torch.manual_seed(0)
    scaled = Stack(4, 3, "scaled").double()
    x = maps()
    for scale, skip in ((1.0, "residual"), (0.0, "plain")):
        other = Stack(4, 3, skip).double()
        other.load_state_dict(scaled.state_dict())
        scaled.scale = scale
        torch.testing.assert_close(scaled(x), other(x))


@pytest.mark.parametrize("skip", ["residual", "concat"])
def test_without_branches_the_identity_is_left(skip):
    stack = Stack(5, 2, skip).double()
    for parameter in stack.parameters():
        torch.nn.init.zeros_(parameter)
    x = maps(2)
    jacobian = jacrev(lambda flat: stack(flat.view_as(x))[:, :2].flatten())(x.flatten())
    torch.testing.assert_close(jacobian, torch.eye(x.numel(), dtype=torch.float64))


def test_hes_start_keeps_the_size_of_what_a_plain_stack_carries():
    torch.manual_seed(0)
    x = torch.randn(4, 64, 12, 12)
    middle = (slice(None), slice(None), slice(5, 7), slice(5, 7))  # zeros beyond the border take some away
    with torch.no_grad():
        sizes = [Stack(1, 64, "plain", init=init)(x)[middle].square().mean() for init in ("he", "torch")]
    kept = [(size / x.square().mean()).item() for size in sizes]
    assert kept[0] == pytest.approx(1, rel=0.15)
    assert kept[1] == pytest.approx(1 / 6, rel=0.15)  # torch's variance is 1/(3 · fan-in), He's 2/fan-in


def test_norm_uses_the_batch_alone_and_keeps_nothing():
    stack = Stack(3, 3, norm=True).double()
    x = maps()
    torch.testing.assert_close(stack(x), stack.eval()(x))
    assert list(stack.buffers()) == []


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Stack(0, 3), "depth: got 0, allowed: 1 or more"),
        (lambda: Stack(3, 0), "width: got 0"),
        (lambda: Stack(3, 3, "dense"), "skip: got 'dense', allowed: 'plain', 'residual', 'scaled', 'concat'"),
        (lambda: Stack(3, 3, init="xavier"), "init: got 'xavier', allowed: 'torch', 'he'"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()
