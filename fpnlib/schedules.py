"""Learning-rate schedules as factors of the step: warm-up, its kin, RAdam's rectification; and a scheduler.

The scheduler multiplies any decay of torch by a warm-up.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from fpnlib.validation import require, require_choice

MODES = ("none", "constant", "linear", "exponential")


def warmup_factor(step: int, warmup_steps: int, *, mode: str = "linear", start_factor: float = 0.001) -> float:
    """Return what the learning rate is multiplied by at `step`: `start_factor` at step 0, 1 from `warmup_steps` on.

    Between the two, "constant" stays at `start_factor`, "linear" climbs by equal differences, "exponential" by equal
    ratios; "none" is 1 throughout. Constant and linear are Goyal et al. 2017, section 2.2.

    Args:
        step: steps made so far, 0 for the first.
        warmup_steps: how many steps have a factor below 1; 0 for no warm-up.
        mode: one of `MODES`.
        start_factor: above 0, at most 1.

    Errors: ValueError for a negative or fractional step or length, an unknown mode, a factor outside (0, 1].
    """
    _require_steps("step", step)
    _require_warmup(warmup_steps, mode, start_factor)
    if mode == "none" or step >= warmup_steps:
        return 1.0
    if mode == "constant":
        return start_factor
    done = step / warmup_steps
    return start_factor + (1 - start_factor) * done if mode == "linear" else start_factor ** (1 - done)


def cosine_factor(step: int, total: int, *, floor: float = 0.0) -> float:
    """Return what a cosine multiplies the learning rate by: 1 at step 0, `floor` from step `total` on.

    Loshchilov and Hutter 2017, equation 5, without restarts; torch's `CosineAnnealingLR`, which climbs again after
    `total`.

    Errors: ValueError for a negative or fractional step, a `total` below 1, a floor outside 0 to 1.
    """
    _require_steps("step", step)
    _require_steps("total", total, least=1)
    _require_factor("floor", floor, zero=True)
    return _between(1.0, floor, min(step / total, 1.0))


def step_factor(step: int, size: int, *, gamma: float = 0.1) -> float:
    """Return what a stair multiplies the learning rate by: `gamma` once for each `size` steps made; torch's `StepLR`.

    Errors: ValueError for a negative or fractional step, a `size` below 1, a `gamma` outside (0, 1].
    """
    _require_steps("step", step)
    _require_steps("size", size, least=1)
    _require_factor("gamma", gamma)
    return float(gamma ** (step // size))


def one_cycle_factor(
    step: int, total: int, *, peak_at: float = 0.3, start_factor: float = 1 / 25, end_factor: float = 1 / 25e4
) -> float:
    """Return what one cycle multiplies the learning rate by: half a cosine up to 1, then half a cosine down.

    The warm-up is built in. Torch's `OneCycleLR` with its defaults, after Smith and Topin 2018; that one also lowers
    the momentum while the rate climbs, unless `cycle_momentum=False`.

    Args:
        step: 0 to `total` − 1, the last.
        total: steps in all.
        peak_at: the share of them that climb; the factor is 1 at step `peak_at` · `total` − 1.
        start_factor: the factor of step 0, above 0, at most 1.
        end_factor: that of the last step, above 0, at most 1.

    Errors: ValueError for a step outside 0 to `total` − 1, a factor outside (0, 1], or a `peak_at` that leaves no step
    for one of the two ways.
    """
    _require_steps("step", step)
    _require_steps("total", total, least=1)
    require(step < total, "step", step, f"0 to {total - 1}, the last of total")
    require(1 < peak_at * total < total, "peak_at", peak_at, "a share that leaves steps both before and after the peak")
    _require_factor("start_factor", start_factor)
    _require_factor("end_factor", end_factor)
    peak, last = peak_at * total - 1, total - 1
    if step <= peak:
        return _between(start_factor, 1.0, step / peak)
    return _between(1.0, end_factor, (step - peak) / (last - peak))


def rectification(step: int, *, beta: float = 0.999) -> float:
    """Return what RAdam multiplies Adam's step by; 0 while the second moment rests on too few gradients.

    Liu et al. 2020, algorithm 2: an average over the last ρ gradients varies about as 1 / (ρ − 4), so that the step is
    shortened by the root of what it varies beyond an average of full length. Where this is 0, torch's `RAdam` takes a
    step of momentum without dividing by the second moment; the algorithm allows it where ρ is above 4, torch above 5.

    Args:
        step: 1 for the first.
        beta: Adam's second, at least 0.75, from where an average is long enough, and below 1.

    Errors: ValueError for a step below 1 or fractional, a `beta` outside these.
    """
    _require_steps("step", step, least=1)
    require(0.75 <= beta < 1, "beta", beta, "at least 0.75 and below 1")
    full = 2 / (1 - beta) - 1
    length = full - 2 * step * beta**step / (1 - beta**step)
    if length <= 5:
        return 0.0
    return math.sqrt((length - 4) * (length - 2) * full / ((full - 4) * (full - 2) * length))


class WarmupLR(LRScheduler):
    """Warm-up before, and on top of, any decay: learning rate = warm-up factor × what `after` says for this step.

    By default the decay's clock runs from step 0, through the warm-up, as in detectron2: when the warm-up ends, the
    decay goes on from the step it would be at anyway. With `delay` its clock starts when the warm-up ends, as with
    timm's `warmup_prefix`: then the full rate is reached there whatever the decay. Either way `after` keeps its own
    learning rates, untouched by the warm-up, and is never stepped twice or restarted at the hand-over. Step only this
    scheduler, once after each `optimizer.step()`.

    Args:
        optimizer: whose groups' learning rates are scheduled; each group keeps its own.
        warmup_steps: how many steps have a factor below 1; the full rate is that of step `warmup_steps`.
        mode: one of `MODES`.
        start_factor: the factor of step 0, above 0, at most 1.
        after: a scheduler of the same optimizer, made before this one; None for a constant rate.
        delay: whether `after` waits at its step 0 until the warm-up is over.

    Errors: ValueError for what `warmup_factor` refuses, for an `after` of another optimizer or one that needs a metric,
    and for a state that is not of such a scheduler. TypeError for something that is not an optimizer.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_steps: int,
        mode: str = "linear",
        start_factor: float = 0.001,
        after: LRScheduler | None = None,
        *,
        delay: bool = False,
    ) -> None:
        _require_warmup(warmup_steps, mode, start_factor)
        if after is not None:
            is_scheduler = isinstance(after, LRScheduler) and not isinstance(after, ReduceLROnPlateau)
            require(is_scheduler, "after", type(after).__name__, "an LRScheduler whose step() needs no metric")
            require(after.optimizer is optimizer, "after", "a scheduler of another optimizer", "one of this optimizer")
        self.warmup_steps, self.mode, self.start_factor, self.delay = warmup_steps, mode, start_factor, delay
        self.after = after
        self._without_warmup: list[float | Tensor] = []
        super().__init__(optimizer)

    def step(self, epoch: int | None = None) -> None:
        """Go on by one step.

        Errors: ValueError for an `epoch`: a scheduler cannot jump; load a state instead.
        """
        require(epoch is None, "epoch", epoch, "nothing: to go on from another step, load a state")
        if self.last_epoch < 0:  # the first call, from __init__
            self._without_warmup = _rates(self.optimizer)
        elif self.after is not None and not (self.delay and self.last_epoch < self.warmup_steps):
            # Many schedulers compute the next rate from the group's present one, which must be theirs.
            _assign(self.optimizer, self._without_warmup)
            self.after.step()
            self._without_warmup = _rates(self.optimizer)
        super().step()

    def get_lr(self) -> list[float | Tensor]:
        """Return each group's learning rate at the present step."""
        factor = warmup_factor(self.last_epoch, self.warmup_steps, mode=self.mode, start_factor=self.start_factor)
        return [factor * rate for rate in self._without_warmup]

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on, the decay's state among it; plain numbers if the rates are."""
        own = {key: value for key, value in super().state_dict().items() if key != "after"}
        return {**copy.deepcopy(own), "after": None if self.after is None else copy.deepcopy(self.after.state_dict())}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a state, with the same bits; the optimizer's learning rates are set too.

        The optimizer's own state may be loaded before or after this.

        Errors: ValueError if the state is not of such a scheduler, before anything is changed.
        """
        expected = self.state_dict()
        missing, unknown = sorted(expected.keys() - state_dict.keys()), sorted(state_dict.keys() - expected.keys())
        require(not missing and not unknown, "state_dict", f"without {missing}, with {unknown}", f"{sorted(expected)}")
        groups, own_groups = len(state_dict["base_lrs"]), len(self.base_lrs)
        require(groups == own_groups, "state_dict", f"{groups} groups", f"{own_groups} groups")
        has, allowed = (("with a decay", "without")[value is None] for value in (state_dict["after"], self.after))
        require(has == allowed, "state_dict", f"one {has}", f"one {allowed}")
        if self.after is not None:
            got, own = sorted(state_dict["after"]), sorted(expected["after"])
            require(got == own, "state_dict", f"a decay's state with {got}", f"{own}")
        state = copy.deepcopy(dict(state_dict))
        if self.after is not None:
            self.after.load_state_dict(state["after"])
        state["after"] = self.after
        super().load_state_dict(state)
        _assign(self.optimizer, self._last_lr)


def _rates(optimizer: Optimizer) -> list[float | Tensor]:
    rates = [group["lr"] for group in optimizer.param_groups]
    return [rate.clone() if isinstance(rate, Tensor) else rate for rate in rates]


def _assign(optimizer: Optimizer, rates: list[float | Tensor]) -> None:
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):  # a compiled step holds on to this very tensor
            group["lr"].fill_(torch.as_tensor(rate))
        else:
            group["lr"] = rate


def _between(start: float, end: float, share: float) -> float:
    """Half a cosine from start to end."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _require_steps(name: str, steps: object, *, least: int = 0) -> None:
    whole = isinstance(steps, int) and not isinstance(steps, bool)
    require(whole and steps >= least, name, repr(steps), f"a whole number, {least} or more")  # type: ignore[operator]


def _require_factor(name: str, factor: object, *, zero: bool = False) -> None:
    fits = isinstance(factor, int | float) and math.isfinite(factor) and (0 < factor <= 1 or (zero and factor == 0))
    require(fits, name, repr(factor), "a number from 0 to 1" if zero else "a number above 0, at most 1")


def _require_warmup(warmup_steps: int, mode: str, start_factor: float) -> None:
    _require_steps("warmup_steps", warmup_steps)
    require_choice("mode", mode, MODES)
    _require_factor("start_factor", start_factor)
