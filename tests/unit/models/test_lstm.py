"""The LSTM cell against torch's: outputs, gradients, keys; and the forced gate."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fpnlib.models import LSTMCell


def twins(inputs, hidden, bias, seed):
    torch.manual_seed(seed)
    theirs = nn.LSTMCell(inputs, hidden, bias=bias).double()
    ours = LSTMCell(inputs, hidden, bias).double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@given(st.integers(1, 6), st.integers(1, 7), st.booleans(), st.sampled_from([(), (1,), (5,)]), st.integers(0, 99))
@settings(max_examples=40)
def test_outputs_and_gradients_are_torchs(inputs, hidden, bias, batch, seed):
    ours, theirs = twins(inputs, hidden, bias, seed)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(4, *batch, inputs, dtype=torch.float64)
    weights = torch.randn(2, *batch, hidden, dtype=torch.float64)
    gradients = []
    for cell in (ours, theirs):
        steps = x.clone().requires_grad_()
        state = None
        for step in steps:
            state = cell(step, state)
        loss = sum((part * weight).sum() for part, weight in zip(state, weights, strict=True))
        gradients.append([*state, *torch.autograd.grad(loss, [steps, *cell.parameters()])])
    for mine, reference in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-10, atol=1e-12)


def test_initial_weights_are_drawn_as_torchs():
    torch.manual_seed(3)
    theirs = nn.LSTMCell(5, 9)
    torch.manual_seed(3)
    ours = LSTMCell(5, 9)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


@given(st.floats(0, 1), st.integers(0, 20))
@settings(max_examples=20)
def test_a_forced_gate_scales_what_the_cell_held_and_nothing_else(forget, seed):
    torch.manual_seed(seed)
    cell = LSTMCell(3, 4, forget=forget).double()
    x, h, c = (torch.randn(2, size, dtype=torch.float64) for size in (3, 4, 4))
    _, after = cell(x, (h, c))
    _, from_nothing = cell(x, (h, torch.zeros_like(c)))
    torch.testing.assert_close(after - from_nothing, forget * c)


def test_an_open_gate_hands_the_gradient_on_whole_and_a_shut_one_not_at_all():
    torch.manual_seed(0)
    x = torch.randn(30, 2, 3, dtype=torch.float64)
    for forget in (0.0, 1.0):
        cell = LSTMCell(3, 4, forget=forget).double()
        nn.init.zeros_(cell.weight_hh)  # nothing but the cell state leads from step to step
        first = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
        state = (torch.zeros_like(first), first)
        for step in x:
            state = cell(step, state)
        (gradient,) = torch.autograd.grad(state[1].sum(), first)
        torch.testing.assert_close(gradient, torch.full_like(first, forget))


def test_a_tensor_of_gates_is_many_cells_at_once():
    torch.manual_seed(2)
    x, h, c = (torch.randn(3, size, dtype=torch.float64) for size in (3, 4, 4))
    forced = torch.tensor([[0.0], [0.3], [1.0]])
    cell = LSTMCell(3, 4, forget=forced).double()
    together = cell(x, (h, c))[1]
    for row, forget in enumerate(forced.flatten().tolist()):
        cell.forget = forget
        torch.testing.assert_close(together[row], cell(x[row], (h[row], c[row]))[1])


def test_gates_lie_in_their_ranges_and_make_the_step():
    torch.manual_seed(1)
    cell = LSTMCell(3, 4).double()
    x, h, c = (torch.randn(5, size, dtype=torch.float64) for size in (3, 4, 4))
    gates = cell.gates(x, h)
    for gate in (gates.input, gates.forget, gates.output):
        assert ((gate > 0) & (gate < 1)).all()
    assert (gates.content.abs() < 1).all()
    after = gates.forget * c + gates.input * gates.content
    torch.testing.assert_close(cell(x, (h, c)), (gates.output * after.tanh(), after))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LSTMCell(0, 4), "input_size: got 0, allowed: 1 or more"),
        (lambda: LSTMCell(3, 0), "hidden_size: got 0"),
        (lambda: LSTMCell(3, 4, forget=1.5), "forget: got 1.5, allowed: None, or 0"),
        (lambda: LSTMCell(3, 4)(torch.zeros(2, 5)), "x: got 5 features, allowed: 3"),
        (lambda: LSTMCell(3, 4)(torch.zeros(2, 3), (torch.zeros(2, 4), torch.zeros(2, 5))), "state, c: got"),
        (lambda: LSTMCell(3, 4)(torch.zeros(2, 3), (torch.zeros(1, 4), torch.zeros(2, 4))), "state, h: got"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()
