"""Claims WU-4 and WU-5: why warm-up helps. Sharpness along training, jumps to the full rate, Adam's first steps."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fpnlib.notes.warmup.curvature import adam_updates, sharpness
from fpnlib.notes.warmup.nets import BATCH, TRAINING, cross_entropy, digits
from fpnlib.notes.warmup.rates import LONGEST, short
from fpnlib.notes.warmup.runs import MOMENTUM, Run, advance, ensemble, train_runs

RATE, SMALL_RATE = 0.4, 0.02
ADAM_RATE, ADAM_SMALL_RATE = 0.2, 0.00625
FAR_RATE = 12.8
STILL = 1e-9  # factor of the rate that leaves the weights where they are, while Adam's moments gather
JUMPS = (0, 1, 2, 5, 10, 20, 40, LONGEST)
_TEN = JUMPS.index(10)
STREAMS, STREAM_STEPS = 8, 64
_WORST = 1e6  # loss of a net that has diverged
_SAME = 1e-9  # outputs that differ less are the same
ADAM_STEPS = (1, 4, 16, STREAM_STEPS)


def limit(rate: float) -> float:
    """Return the sharpness above which a quadratic diverges under gradient descent with momentum."""
    return 2 * (1 + MOMENTUM) / rate


def ramp_until(step: int, rate: float) -> Run:
    """Return the run that is warmed up by a ramp of 80 steps, but jumps to the full rate at `step`."""
    return Run(rate, LONGEST, jump=step)


def wait_until(step: int, rate: float, at: float) -> Run:
    """Return the run that stays at the small rate `at` until `step`, then takes the full one."""
    return Run(rate, step, "constant", at / rate)


def sharpness_along(
    run: Run, seeds: Sequence[int], steps: Sequence[int], *, batch_norm: bool = False, examples: int = TRAINING
) -> tuple[Float[Tensor, "steps seeds"], Float[Tensor, "steps seeds"], Bool[Tensor, "steps seeds"]]:
    """Return at each of `steps` the sharpness of the loss over training digits, that loss, and whether a net is lost.

    A net is lost that has diverged, whose sharpness is then nan and whose loss `_WORST`, or that gives all digits the
    same answer, whose loss is flat for that reason. Training is in double precision, the power iteration in single.
    """
    task = digits()
    members = ensemble(task, [run], seeds, batch_norm=batch_norm)
    net, inputs, targets = task.build(batch_norm)().float(), task.inputs[:examples], task.targets[:examples]
    found, losses, lost = [], [], []
    for step in steps:
        advance(members, task, [run], seeds, step - members.steps)
        parameters = {name: value.float() for name, value in members.parameters.items()}
        value = sharpness(net, parameters, cross_entropy, inputs.float(), targets, iterations=20).double()
        found.append(value.where(members.alive, torch.nan))
        loss = members.evaluate(cross_entropy, inputs, targets)
        losses.append(loss.where(members.alive, _WORST).nan_to_num(nan=_WORST).clamp(max=_WORST))
        answers = members.predict(inputs)  # (seeds, digits, classes)
        lost.append(~members.alive | ((answers.amax(1) - answers.amin(1)).amax(1) < _SAME))
    return torch.stack(found), torch.stack(losses), torch.stack(lost)


def logarithm(found: Float[Tensor, "steps seeds"], lost: Bool[Tensor, "steps seeds"]) -> Float[Tensor, "steps seeds"]:
    """Return log2; for a net that is lost that of its start: its sharpness counts as not fallen."""
    return found.where(~lost, found[0]).log2()


def why(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Follow the sharpness on a ramp and at a small rate; jump from either to the full rate, and see who fails."""
    tops = torch.tensor([math.log2(limit(RATE * Run(RATE).factor(step))) for step in JUMPS], dtype=torch.float64)
    ways = {
        "ramp": (Run(RATE, LONGEST), [ramp_until(step, RATE) for step in JUMPS]),
        "small": (Run(SMALL_RATE), [wait_until(step, RATE, SMALL_RATE) for step in JUMPS]),
    }
    outcomes: dict[str, list[float]] = {}
    overs, losses, fates = [], [], []
    for name, (run, jumps) in ways.items():
        level, loss, lost = sharpness_along(run, seeds, JUMPS)
        sharp, failed = logarithm(level, lost), train_runs(digits(), jumps, seeds).failed
        over = sharp - tops[:, None]
        outcomes |= _by_jump(f"{name}_sharpness", sharp) | _by_jump(f"{name}_over", over)
        outcomes |= _by_jump(f"{name}_loss", loss.log2()) | _by_jump(f"{name}_lost", lost.double())
        outcomes |= _by_jump(f"{name}_failed", failed)
        outcomes |= {f"{name}_saved": short(failed[0] - failed[-1]), f"{name}_fall_10": short(sharp[0] - sharp[_TEN])}
        overs.append(over)
        losses.append(loss)
        fates.append(failed)
    for step in (10, LONGEST):
        gained = [outcomes[f"{name}_sharpness_{step}"] for name in ("small", "ramp")]
        outcomes[f"small_over_ramp_{step}"] = [a - b for a, b in zip(*gained, strict=True)]
    outcomes["ramp_beyond_waiting"] = short(fates[1][-1] - fates[0][-1])
    outcomes["sharpness_foretells"] = short(concordance(torch.cat(overs), torch.cat(fates)))
    outcomes["loss_foretells"] = short(concordance(torch.cat(losses), torch.cat(fates)))
    normed, _, lost = sharpness_along(Run(RATE, LONGEST), seeds, JUMPS[:1], batch_norm=True)
    outcomes["bn_over_0"] = short(logarithm(normed, lost)[0] - tops[0])
    far, near = train_runs(digits(), [Run(FAR_RATE), Run(SMALL_RATE)], seeds).failed
    outcomes["far_less_small"] = short(far - near)
    outcomes["effect"] = outcomes["small_fall_10"]
    return outcomes


def _by_jump(name: str, values: Tensor) -> dict[str, list[float]]:
    return {f"{name}_{step}": short(value) for step, value in zip(JUMPS, values, strict=True)}


def concordance(risk: Float[Tensor, "jumps seeds"], failed: Float[Tensor, "jumps seeds"]) -> Float[Tensor, " seeds"]:
    """Return of each seed's pairs of a jump that failed and one that did not the share where the first had more risk.

    Half a pair counts where both had the same, and half of all where a seed has no such pair.
    """
    pairs = (failed[:, None] > failed[None]).double()
    right = (risk[:, None] > risk[None]).double() + 0.5 * (risk[:, None] == risk[None]).double()
    count = pairs.sum((0, 1))
    return torch.where(count > 0, (pairs * right).sum((0, 1)) / count.clamp(min=1), 0.5)


def why_adam(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Measure Adam's first updates; jump to the full rate from a ramp, a small rate and from standing still."""
    outcomes: dict[str, list[float]] = {}
    for name, batch_norm in (("", False), ("bn_", True)):
        outcomes |= _adam_numbers(name, seeds, batch_norm)
    ways = {
        "ramp": [ramp_until(step, ADAM_RATE) for step in JUMPS],
        "small": [wait_until(step, ADAM_RATE, ADAM_SMALL_RATE) for step in JUMPS],
        "still": [wait_until(step, ADAM_RATE, STILL * ADAM_RATE) for step in JUMPS],
    }
    for name, jumps in ways.items():
        failed = train_runs(digits(), jumps, seeds, optimizer="adam").failed
        outcomes |= _by_jump(f"{name}_failed", failed)
        outcomes[f"{name}_saved"] = short(failed[0] - failed[-1])
    outcomes["effect"] = outcomes["size_fall"]
    return outcomes


def _adam_numbers(name: str, seeds: Sequence[int], batch_norm: bool) -> dict[str, list[float]]:
    found = [first_updates(seed, batch_norm=batch_norm) for seed in seeds]
    size, alike = (torch.stack(values, 1) for values in zip(*found, strict=True))
    numbers = {f"{name}size_{step}": short(size[step - 1]) for step in ADAM_STEPS}
    numbers |= {f"{name}alike_{step}": short(alike[step - 1]) for step in ADAM_STEPS}
    return numbers | {f"{name}size_fall": short((size[0] / size[-1]).log2())}


def first_updates(seed: int, *, batch_norm: bool = False) -> tuple[Tensor, Tensor]:
    """Return `adam_updates` of one untrained net over 8 streams of 64 batches, each (steps,)."""
    task = digits()
    members = ensemble(task, [Run(0.0)], [seed], optimizer="adam", batch_norm=batch_norm)
    generator = torch.Generator().manual_seed(seed)
    picks = torch.randint(len(task.inputs), (STREAMS, STREAM_STEPS, BATCH), generator=generator)
    net = task.build(batch_norm)()
    size, alike = adam_updates(net, members.parameters, cross_entropy, task.inputs[picks], task.targets[picks])
    return size[0], alike[0]


def recheck_why(seeds: Sequence[int]) -> Mapping[str, Sequence[float]]:
    """Measure the first steps again, on the ramp and at the small rate."""
    steps = [step for step in JUMPS if step <= 10]
    again: dict[str, list[float]] = {}
    for name, run in (("ramp", Run(RATE, LONGEST)), ("small", Run(SMALL_RATE))):
        level, loss, lost = sharpness_along(run, seeds, steps)
        again |= {f"{name}_sharpness_{step}": short(v) for step, v in zip(steps, logarithm(level, lost), strict=True)}
        again |= {f"{name}_loss_{step}": short(v.log2()) for step, v in zip(steps, loss, strict=True)}
    return again


def recheck_why_adam(seeds: Sequence[int]) -> Mapping[str, Sequence[float]]:
    """Measure Adam's first updates again."""
    return _adam_numbers("", seeds, False)
