"""Learning-rate warm-up: the factor as a function of the step, and a scheduler that multiplies any decay by it."""

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


def _require_steps(name: str, steps: object) -> None:
    whole = isinstance(steps, int) and not isinstance(steps, bool)
    require(whole and steps >= 0, name, repr(steps), "a whole number, 0 or more")  # type: ignore[operator]


def _require_warmup(warmup_steps: int, mode: str, start_factor: float) -> None:
    _require_steps("warmup_steps", warmup_steps)
    require_choice("mode", mode, MODES)
    fits = isinstance(start_factor, int | float) and math.isfinite(start_factor) and 0 < start_factor <= 1
    require(fits, "start_factor", repr(start_factor), "a number above 0, at most 1")
