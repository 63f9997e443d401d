"""Warm-up beside torch's own schedulers and the numbers that detectron2's and timm's tests publish."""

import io
import math
import re
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import SGD, AdamW, RAdam
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    StepLR,
)

from fpnlib.schedules import (
    MODES,
    WarmupLR,
    cosine_factor,
    one_cycle_factor,
    rectification,
    step_factor,
    warmup_factor,
)

DECAYS = {
    "nothing": lambda optimizer: None,
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, T_max=30, eta_min=1e-4),
    "step": lambda optimizer: StepLR(optimizer, step_size=7, gamma=0.3),
    "multistep": lambda optimizer: MultiStepLR(optimizer, [10, 15, 20], gamma=0.1),
    "polynomial": lambda optimizer: PolynomialLR(optimizer, total_iters=30, power=2.0),
    "exponential": lambda optimizer: ExponentialLR(optimizer, gamma=0.9),
    "lambda": lambda optimizer: LambdaLR(optimizer, lambda step: 1 / (1 + step)),
    "one cycle": lambda optimizer: OneCycleLR(optimizer, max_lr=0.5, total_steps=60, cycle_momentum=False),
}


def sgd(*rates, lr=1.0):
    return SGD([{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates or (lr,)])


def walk(scheduler, steps):
    """The learning rates of all groups at each step, as a training loop meets them."""
    rates = []
    for _ in range(steps):
        rates.append([float(group["lr"]) for group in scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def first(rates):
    return [groups[0] for groups in rates]


@pytest.mark.parametrize(("mode", "theirs"), [("linear", LinearLR), ("constant", ConstantLR)])
@settings(max_examples=50, deadline=None)
@given(warmup=st.integers(1, 40), start=st.floats(1e-3, 1))
def test_the_factor_is_torchs_step_by_step(mode, theirs, warmup, start):
    optimizer = sgd()
    name = {LinearLR: "start_factor", ConstantLR: "factor"}[theirs]
    expected = first(walk(theirs(optimizer, **{name: start}, total_iters=warmup), warmup + 5))
    ours = [warmup_factor(step, warmup, mode=mode, start_factor=start) for step in range(warmup + 5)]
    assert ours == pytest.approx(expected, rel=1e-12)
    assert first(walk(WarmupLR(sgd(), warmup, mode, start), warmup + 5)) == ours


@settings(max_examples=50, deadline=None)
@given(warmup=st.integers(1, 40), start=st.floats(1e-6, 0.99), mode=st.sampled_from(MODES))
def test_ends_monotone_and_exactly_one_from_the_hand_over_on(warmup, start, mode):
    factors = [warmup_factor(step, warmup, mode=mode, start_factor=start) for step in range(warmup + 3)]
    assert factors[0] == pytest.approx(1 if mode == "none" else start)
    assert factors == sorted(factors)
    assert factors[warmup:] == [1.0] * 3
    if mode != "none":
        assert max(factors[:warmup]) < 1


def test_equal_differences_and_equal_ratios():
    linear = torch.tensor([warmup_factor(s, 8, start_factor=0.2) for s in range(9)], dtype=torch.float64)
    torch.testing.assert_close(linear.diff(), torch.full((8,), 0.1, dtype=torch.float64))
    geometric = [warmup_factor(s, 8, mode="exponential", start_factor=1e-4) for s in range(9)]
    assert [b / a for a, b in pairwise(geometric)] == pytest.approx([10**0.5] * 8)


def test_no_warmup_steps_is_no_warmup():
    assert {warmup_factor(step, 0, mode=mode, start_factor=0.1) for mode in MODES for step in range(3)} == {1.0}


# What follows is published in detectron2's tests/test_scheduler.py: rate 5, factor 0.001, 5 steps of warm-up of 30.
def test_detectron2_warmup_multistep():
    optimizer = sgd(lr=5)
    scheduler = WarmupLR(optimizer, 5, "linear", 0.001, after=MultiStepLR(optimizer, [10, 15, 20], gamma=0.1))
    rates = first(walk(scheduler, 31))
    assert rates[:5] == pytest.approx([0.005, 1.004, 2.003, 3.002, 4.001])
    assert rates[5:] == pytest.approx([5.0] * 5 + [0.5] * 5 + [0.05] * 5 + [0.005] * 11)


def test_detectron2_warmup_cosine():
    optimizer = sgd(lr=5)
    scheduler = WarmupLR(optimizer, 5, "linear", 0.001, after=CosineAnnealingLR(optimizer, T_max=30))
    rates = first(walk(scheduler, 31))
    cosine = [2.5 * (1 + math.cos(math.pi * step / 30)) for step in range(31)]
    assert rates[0] == 0.005
    assert rates[5:] == pytest.approx(cosine[5:], abs=1e-7)
    assert all(abs(ours - theirs) > 1e-7 for ours, theirs in zip(rates[:5], cosine[:5], strict=True))


@pytest.mark.parametrize("end", [0.0, 0.5])
def test_detectron2_warmup_cosine_end_value(end):
    optimizer = sgd(lr=5)
    after = CosineAnnealingLR(optimizer, T_max=100, eta_min=end)
    rates = first(walk(WarmupLR(optimizer, 10, "linear", 0.1, after=after), 101))
    assert rates[0] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(end, abs=1e-7)


# timm's tests/test_scheduler.py: rate 0.1, warm-up from 0.001 in 5 steps, then each of its decays.
@pytest.mark.parametrize("decay", ["cosine", "step", "multistep", "polynomial"])
def test_timm_warmup_begins_low_rises_and_with_a_prefix_reaches_the_rate(decay):
    optimizer = sgd(lr=0.1)
    scheduler = WarmupLR(optimizer, 5, "linear", 0.001 / 0.1, after=DECAYS[decay](optimizer), delay=True)
    rates = first(walk(scheduler, 6))
    assert rates[0] == pytest.approx(0.001, rel=1e-5)
    assert all(b > a for a, b in pairwise(rates))
    assert rates[5] == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize("decay", DECAYS)
@settings(max_examples=30, deadline=None)
@given(warmup=st.integers(0, 20), start=st.floats(1e-3, 1), mode=st.sampled_from(MODES))
def test_the_decay_is_neither_restarted_nor_skipped_nor_stepped_twice(decay, warmup, start, mode):
    rates = (0.4, 0.01)
    alone = sgd(*rates)
    undisturbed = walk(DECAYS[decay](alone) or LambdaLR(alone, lambda step: 1.0), 45)
    for delay in (False, True):
        optimizer = sgd(*rates)
        scheduler = WarmupLR(optimizer, warmup, mode, start, after=DECAYS[decay](optimizer), delay=delay)
        met = walk(scheduler, 45)
        for step, groups in enumerate(met):
            clock = max(0, step - warmup) if delay else step
            factor = warmup_factor(step, warmup, mode=mode, start_factor=start)
            # The same decay to the bit; 0.4 and 0.01 stay what they are to each other.
            assert groups == [factor * rate for rate in undisturbed[clock]], (step, delay)
        if delay:
            assert met[warmup] == undisturbed[0]


@pytest.mark.parametrize("decay", DECAYS)
@settings(max_examples=30, deadline=None)
@given(warmup=st.integers(0, 12), stop=st.integers(0, 25), delay=st.booleans(), order=st.booleans(), data=st.data())
def test_a_stopped_run_goes_on_with_the_same_bits(decay, warmup, stop, delay, order, data):
    mode = data.draw(st.sampled_from(MODES))

    def fresh():
        optimizer = AdamW([{"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in (0.3, 0.001)])
        return WarmupLR(optimizer, warmup, mode, 0.02, after=DECAYS[decay](optimizer), delay=delay)

    whole = walk(fresh(), 30)
    begun = fresh()
    assert walk(begun, stop) == whole[:stop]
    file = io.BytesIO()
    torch.save({"scheduler": begun.state_dict(), "optimizer": begun.optimizer.state_dict()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    resumed = fresh()
    parts = [(resumed, state["scheduler"]), (resumed.optimizer, state["optimizer"])]
    for part, its_state in parts if order else reversed(parts):
        part.load_state_dict(its_state)
    assert resumed.get_last_lr() == begun.get_last_lr()
    assert walk(resumed, 30 - stop) == whole[stop:]


def test_a_state_is_a_copy():
    optimizer = sgd(lr=0.1)
    scheduler = WarmupLR(optimizer, 5, "linear", 0.1, after=CosineAnnealingLR(optimizer, T_max=20))
    walk(scheduler, 3)
    state = scheduler.state_dict()
    again = scheduler.state_dict()
    walk(scheduler, 4)
    assert state == again
    scheduler.load_state_dict(state)
    walk(scheduler, 2)
    assert state == again


def test_a_rate_that_is_a_tensor_stays_the_same_tensor():
    rate = torch.tensor(0.8)
    optimizer = SGD([torch.nn.Parameter(torch.ones(1))], lr=rate)
    scheduler = WarmupLR(optimizer, 4, "linear", 0.5, after=StepLR(optimizer, 6, gamma=0.5))
    assert first(walk(scheduler, 8)) == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.8, 0.8, 0.4, 0.4])
    assert optimizer.param_groups[0]["lr"] is rate
    state = scheduler.state_dict()
    walk(scheduler, 10)
    scheduler.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.4)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((-1, 5), "step: got -1, allowed: a whole number, 0 or more"),
        ((1.5, 5), "step: got 1.5"),
        ((True, 5), "step: got True"),
        ((1, -5), "warmup_steps: got -5, allowed: a whole number, 0 or more"),
        ((1, 5, "cosine"), "mode: got 'cosine', allowed: 'none', 'constant', 'linear', 'exponential'"),
        ((1, 5, "linear", 0.0), "start_factor: got 0.0, allowed: a number above 0, at most 1"),
        ((1, 5, "linear", 1.5), "start_factor: got 1.5"),
        ((1, 5, "none", math.nan), "start_factor: got nan"),
        ((1, 5, "linear", "low"), "start_factor: got 'low'"),
    ],
)
def test_bad_warmups_are_refused_in_words(arguments, said):
    step, warmup, mode, start = arguments + ("linear", 0.1)[len(arguments) - 2 :]
    with pytest.raises(ValueError, match=re.escape(said)):
        warmup_factor(step, warmup, mode=mode, start_factor=start)
    if not said.startswith("step"):
        with pytest.raises(ValueError, match=said.split(":")[0]):
            WarmupLR(sgd(), warmup, mode, start)


@pytest.mark.bad_input
def test_bad_decays_and_states_are_refused_in_words():
    optimizer = sgd(lr=0.1)
    with pytest.raises(ValueError, match="after: got a scheduler of another optimizer"):
        WarmupLR(optimizer, 5, after=StepLR(sgd(), 3))
    with pytest.raises(ValueError, match="after: got ReduceLROnPlateau, allowed: an LRScheduler whose step"):
        WarmupLR(optimizer, 5, after=ReduceLROnPlateau(optimizer))
    with pytest.raises(TypeError, match="not an Optimizer"):
        WarmupLR("adam", 5)
    scheduler = WarmupLR(optimizer, 5, "linear", 0.1)
    with pytest.raises(ValueError, match="epoch: got 3"):
        scheduler.step(3)
    state = scheduler.state_dict()
    with pytest.raises(ValueError, match="state_dict: got without"):
        scheduler.load_state_dict({"last_epoch": 3})
    with pytest.raises(ValueError, match="state_dict: got 2 groups, allowed: 1 group"):
        scheduler.load_state_dict(state | {"base_lrs": [1.0, 2.0]})
    with pytest.raises(ValueError, match="state_dict: got one with a decay, allowed: one without"):
        scheduler.load_state_dict(state | {"after": {}})
    assert scheduler.state_dict() == state
    decaying = WarmupLR(optimizer, 5, after=StepLR(optimizer, 3))
    state = decaying.state_dict()
    with pytest.raises(ValueError, match=r"state_dict: got a decay's state with .*, allowed: .*'step_size'"):
        decaying.load_state_dict(WarmupLR(optimizer, 5, after=ExponentialLR(optimizer, 0.9)).state_dict())
    assert decaying.state_dict() == state


@settings(max_examples=50, deadline=None)
@given(total=st.integers(1, 80), floor=st.floats(0, 1))
def test_the_cosine_is_torchs_and_stays_down(total, floor):
    ours = [cosine_factor(step, total, floor=floor) for step in range(total + 3)]
    theirs = first(walk(CosineAnnealingLR(sgd(), total, eta_min=floor), total + 1))
    assert ours[: total + 1] == pytest.approx(theirs, abs=1e-12)
    assert ours[total:] == pytest.approx([floor] * 3)


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 20), gamma=st.floats(1e-3, 1))
def test_the_stair_is_torchs(size, gamma):
    theirs = first(walk(StepLR(sgd(), size, gamma), 50))
    assert [step_factor(step, size, gamma=gamma) for step in range(50)] == pytest.approx(theirs, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(total=st.integers(2, 80), share=st.floats(0.01, 0.99), start=st.floats(1e-3, 1), end=st.floats(1e-7, 1))
def test_one_cycle_is_torchs(total, share, start, end):
    if not 1.001 < share * total < total - 1e-3:
        share = 0.9 if total == 2 else 0.6
    optimizer = sgd()
    final = start / end  # torch counts the end from the start
    theirs = OneCycleLR(
        optimizer, 1.0, total, pct_start=share, div_factor=1 / start, final_div_factor=final, cycle_momentum=False
    )
    rates = [theirs.get_last_lr()[0]]
    for _ in range(total - 1):
        optimizer.step()
        theirs.step()
        rates.append(theirs.get_last_lr()[0])
    ours = [one_cycle_factor(s, total, peak_at=share, start_factor=start, end_factor=end) for s in range(total)]
    assert ours == pytest.approx(rates, rel=1e-9, abs=1e-12)


def test_one_cycle_has_torchs_defaults():
    theirs = first(walk(OneCycleLR(sgd(), 1.0, 200, cycle_momentum=False), 200))
    assert [one_cycle_factor(step, 200) for step in range(200)] == pytest.approx(theirs, rel=1e-9)
    assert max(theirs) == theirs[59] == 1


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.8, 0.95), (0, 0.8)])
def test_with_the_rectification_adam_is_torchs_radam(betas):
    torch.manual_seed(0)
    gradients = torch.randn(120, 7, dtype=torch.float64)
    weight = torch.nn.Parameter(torch.zeros(7, dtype=torch.float64))
    theirs = RAdam([weight], lr=0.1, betas=betas, eps=1e-8)
    mean, square, ours, plain = torch.zeros(7), torch.zeros(7), torch.zeros(7, dtype=torch.float64), 0
    for step, gradient in enumerate(gradients, 1):
        weight.grad = gradient.clone()
        theirs.step()
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        factor = rectification(step, beta=betas[1])
        # torch adds eps before it corrects the bias
        scale = (1 - betas[1] ** step) ** 0.5 / (square.sqrt() + 1e-8)
        ours -= 0.1 * mean / (1 - betas[0] ** step) * (factor * scale if factor else 1)
        plain += not factor
        torch.testing.assert_close(ours, weight.detach(), rtol=1e-12, atol=1e-14)
    assert 4 <= plain < 20  # both kinds of step were taken
    assert 0.2 < factor <= 1


@pytest.mark.bad_input
def test_bad_numbers_of_the_kin_are_named():
    for function, arguments, name in (
        (cosine_factor, (-1, 5), "step: got -1"),
        (cosine_factor, (1, 0), "total: got 0"),
        (cosine_factor, (1, 5.0), "total: got 5.0"),
        (step_factor, (1, 0), "size: got 0"),
        (one_cycle_factor, (5, 5), "step: got 5, allowed: 0 to 4"),
        (rectification, (0,), "step: got 0"),
    ):
        with pytest.raises(ValueError, match=re.escape(name)):
            function(*arguments)
    with pytest.raises(ValueError, match=r"floor: got -0.1, allowed: a number from 0 to 1"):
        cosine_factor(1, 5, floor=-0.1)
    with pytest.raises(ValueError, match="gamma: got 0"):
        step_factor(1, 5, gamma=0)
    with pytest.raises(ValueError, match=r"peak_at: got 0\.2"):
        one_cycle_factor(1, 5, peak_at=0.2)
    with pytest.raises(ValueError, match="peak_at: got 1"):
        one_cycle_factor(1, 5, peak_at=1)
    with pytest.raises(ValueError, match="end_factor: got 2"):
        one_cycle_factor(1, 5, peak_at=0.5, end_factor=2)
    for beta in (0.7, 1):
        with pytest.raises(ValueError, match=f"beta: got {beta}"):
            rectification(3, beta=beta)
