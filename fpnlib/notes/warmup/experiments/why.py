"""Claims WU-4 and WU-5: why warm-up helps. Sharpness along training, jumps to the full rate, Adam's first steps."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fpnlib.claims import Claim, Said, exceeds
from fpnlib.notes.warmup.experiments.curvature import adam_updates, sharpness
from fpnlib.notes.warmup.experiments.nets import BATCH, TRAINING, cross_entropy, digits
from fpnlib.notes.warmup.experiments.rates import FIVE_RUNS, LONGEST, UNNOTICED, saves, short
from fpnlib.notes.warmup.experiments.runs import MOMENTUM, Run, advance, ensemble, train_runs

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


_DOUBLING = "rates are tried in steps of a factor 2; less would not change which one is taken"

CLAIMS = (
    Claim(
        "WU-4",
        "Why: at first the loss is too sharp for the full rate; at a small rate training finds flatter ground.",
        Said(
            "field",
            "Gilmer et al., A Loss Curvature Perspective on Training Instabilities of Deep Learning Models, ICLR 2022; "
            "Kalra and Barkeshli, Why Warmup the Learning Rate?, NeurIPS 2024",
        ),
        {
            "about the start": exceeds(
                0,
                "SGD at rate 0.4 without batch norm, doublings of sharpness above 2 (1 + momentum) / rate",
                of="ramp_over_0",
                because="the limit follows from rate and momentum; nothing is chosen",
            ),
            "about flatter ground within ten steps at a small rate": exceeds(
                1, "doublings that the sharpness falls at rate 0.02", of="small_fall_10", because=_DOUBLING
            ),
            "about a ramp that flattens more than a small rate by step 10": exceeds(
                1, "sharpness at rate 0.02 less on the ramp, doublings", of="small_over_ramp_10", because=_DOUBLING
            ),
            "about the same by step 80": exceeds(
                1, "sharpness at rate 0.02 less on the ramp, doublings", of="small_over_ramp_80", because=_DOUBLING
            ),
            "about 80 steps at a small rate, which save nets": saves(
                "full rate at once less after 80 steps at rate 0.02", "small_saved"
            ),
            "about a ramp, which saves more of them": saves(
                "full rate after 80 steps at rate 0.02 less after the ramp", "ramp_beyond_waiting"
            ),
            "about sharpness that foretells who survives": exceeds(
                0.75,
                "share of a net's pairs of jumps, one failed and one not, where the failed one began sharper above "
                "the limit",
                of="sharpness_foretells",
                because="halfway between a coin and certainty: it is right in half of what a coin gets wrong",
            ),
        },
        why,
        seeds=24,
        control=exceeds(
            1 - UNNOTICED,
            "share of failed runs, rate 12.8 less rate 0.02",
            of="far_less_small",
            because="a rate 32 times the full one has to kill nets and one of a twentieth must not: " + FIVE_RUNS,
        ),
        recheck=recheck_why,
        told={
            "depends": "Nets start too sharp for the full rate and get flatter by themselves at a small one; waiting "
            "there saves nets, and early on the ramp adds nothing."
        },
    ),
    Claim(
        "WU-5",
        "Why, with Adam: its moments rest on few batches, so its first steps are too large.",
        Said(
            "field",
            "Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, ICLR 2020; "
            "Ma and Yarats, On the Adequacy of Untuned Warmup for Adaptive Optimization, AAAI 2021",
        ),
        {
            "about the first steps, which are larger": exceeds(
                1,
                "root mean square update of an untrained net, doublings from step 64 to step 1 (0 if all batches "
                "agree, 2.1 if gradients are noise)",
                of="size_fall",
                because=_DOUBLING,
            ),
            "about moments, which alone save nets": saves(
                "Adam at rate 0.2 at once less after 80 batches that fill the moments while the weights stay",
                "still_saved",
            ),
        },
        why_adam,
        seeds=24,
        control=saves("Adam at rate 0.2 at once less after a ramp of 80 steps", "ramp_saved"),
        recheck=recheck_why_adam,
        told={
            "fails": "Adam's moments are not why our nets need warm-up: letting them settle while the weights stand "
            "still saves none."
        },
    ),
)
