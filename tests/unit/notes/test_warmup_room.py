"""Note 05's own science: sharpness beside the exact Hessian, recorded curves, the designer beside the scheduler."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacrev, stack_module_state
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, OneCycleLR, StepLR

from fpnlib.claims import Result
from fpnlib.notes.warmup.experiments import decays, limits, rates, recorded, recorded_kin, silence
from fpnlib.notes.warmup.experiments.curvature import adam_updates, sharpness
from fpnlib.notes.warmup.experiments.factor import rates_of
from fpnlib.notes.warmup.experiments.kin import KIN, at_rates
from fpnlib.notes.warmup.experiments.nets import BATCH, cross_entropy, digits, residual_net, scene_objects
from fpnlib.notes.warmup.experiments.rates import RATES, WARMUPS, sums
from fpnlib.notes.warmup.experiments.runs import STEPS, Outcome, Run, train_runs
from fpnlib.notes.warmup.experiments.why import RATE, SMALL_RATE, concordance, ramp_until, sharpness_along, wait_until
from fpnlib.notes.warmup.explorers import live_training, schedule_designer
from fpnlib.notes.warmup.explorers.live_training import LiveExplorer
from fpnlib.schedules import MODES, WarmupLR, rectification
from fpnlib.training import minibatches


def tiny(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)).double()


def exact_hessian(net, loss, *batch):
    names = [name for name, _ in net.named_parameters()]
    shapes = [value.shape for value in net.state_dict().values()]
    flat = torch.cat([value.flatten() for value in net.state_dict().values()])

    def of(flat):
        parts = flat.split([shape.numel() for shape in shapes])
        state = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
        return loss(lambda x: functional_call(net, state, (x,)), *batch)

    return jacrev(grad(of))(flat)


def test_sharpness_is_the_largest_eigenvalue_of_the_exact_hessian():
    nets = [tiny(seed) for seed in range(5)]
    batch = torch.randn(20, 3, dtype=torch.float64), torch.arange(20) % 3
    found = sharpness(nets[0], stack_module_state(nets)[0], cross_entropy, *batch, iterations=200)
    exact = [torch.linalg.eigvalsh(exact_hessian(net, cross_entropy, *batch))[-1] for net in nets]
    torch.testing.assert_close(found.detach(), torch.stack(exact), rtol=1e-4, atol=1e-6)


def test_the_largest_eigenvalue_is_found_where_a_negative_one_is_larger_in_size():
    nets = [tiny(seed) for seed in range(2)]
    batch = torch.randn(20, 3, dtype=torch.float64), torch.arange(20) % 3

    def upside_down(net, x, t):
        return -cross_entropy(net, x, t)

    exact = torch.stack([torch.linalg.eigvalsh(exact_hessian(net, upside_down, *batch)) for net in nets])
    assert (exact[:, 0].abs() > exact[:, -1]).all()
    found = sharpness(nets[0], stack_module_state(nets)[0], upside_down, *batch, iterations=300)
    torch.testing.assert_close(found.detach(), exact[:, -1], rtol=1e-2, atol=1e-4)


@pytest.mark.bad_input
def test_sharpness_refuses_what_it_cannot_follow():
    net = tiny(0)
    batch = torch.randn(4, 3, dtype=torch.float64), torch.arange(4) % 3
    with pytest.raises(ValueError, match="iterations: got 0"):
        sharpness(net, stack_module_state([net])[0], cross_entropy, *batch, iterations=0)
    with_state = nn.Sequential(nn.BatchNorm1d(3), net)
    with pytest.raises(ValueError, match="net: got one with buffers"):
        sharpness(with_state, stack_module_state([with_state])[0], cross_entropy, *batch)


def test_the_updates_are_those_of_torchs_adam():
    net, streams, steps = tiny(0), 6, 5
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(streams, steps, 8, 3, generator=generator, dtype=torch.float64)
    t = torch.randint(3, (streams, steps, 8), generator=generator)
    size, alike = (v.detach() for v in adam_updates(net, stack_module_state([net])[0], cross_entropy, x, t))
    start, last = [p.detach().clone() for p in net.parameters()], []
    for stream in range(streams):
        adam = Adam(net.parameters(), lr=1.0)
        for step in range(steps):
            adam.zero_grad()
            cross_entropy(net, x[stream, step], t[stream, step]).backward()
            before = [p.detach().clone() for p in net.parameters()]
            adam.step()
            moved = torch.cat([(q - p).flatten() for p, q in zip(before, net.parameters(), strict=True)]).detach()
            if step == 0:
                torch.testing.assert_close(moved.abs(), torch.ones_like(moved), rtol=1e-4, atol=0)
            with torch.no_grad():  # only the moments gather
                for p, value in zip(net.parameters(), start, strict=True):
                    p.copy_(value)
        last.append(moved)
    last = torch.stack(last)
    torch.testing.assert_close(size[0, -1], last.square().mean().sqrt())
    cosines = [(a @ b) / last.square().sum(1).mean() for i, a in enumerate(last) for b in last[:i]]
    torch.testing.assert_close(alike[0, -1], torch.stack(cosines).mean())
    assert size[0, 0] == pytest.approx(1, abs=1e-4)
    assert (size[0, 1:] < 1).all()


def test_updates_are_alike_for_equal_streams_and_one_stream_is_refused():
    net = tiny(0)
    x, t = torch.randn(1, 3, 8, 3, dtype=torch.float64).expand(4, -1, -1, -1), torch.zeros(4, 3, 8, dtype=torch.int64)
    alike = adam_updates(net, stack_module_state([net])[0], cross_entropy, x, t)[1].detach()
    torch.testing.assert_close(alike, torch.ones_like(alike))
    with pytest.raises(ValueError, match="inputs: got 1 stream"):
        adam_updates(net, stack_module_state([net])[0], cross_entropy, x[:1], t[:1])


def test_a_jump_takes_the_full_rate_from_its_step_on_and_not_before():
    ramp, cut, waits = Run(RATE, 80), ramp_until(10, RATE), wait_until(10, RATE, SMALL_RATE)
    full, small = Run(RATE), Run(SMALL_RATE)
    for step in range(200):
        assert cut.rate * cut.factor(step) == pytest.approx((ramp if step < 10 else full).factor(step) * RATE)
        held = small if step < 10 else full
        assert waits.rate * waits.factor(step) == pytest.approx(held.rate * held.factor(step))


def test_concordance_counts_the_pairs_that_risk_puts_in_order():
    risk = torch.tensor([[3.0, 1, 1], [2, 2, 2], [1, 3, 1]])
    failed = torch.tensor([[1.0, 1, 1], [0, 0, 1], [0, 0, 1]])
    torch.testing.assert_close(concordance(risk, failed), torch.tensor([1, 0, 0.5]).double())


def test_a_net_whose_last_relus_are_silent_learns_in_the_last_biases_only():
    outcome, counts = silence.train_and_listen(Run(0.2), [102, 107])
    assert counts.shape == (len(silence.HEARD), 2)
    task, nets = digits(), []
    for seed in (102, 107):
        torch.manual_seed(seed)
        nets.append(task.build(False)())
    by_hand = [int((net[:-1](task.inputs) > 0).any(0).sum()) for net in nets]
    assert counts[0].tolist() == by_hand
    assert (counts[:, 0] == 0).tolist()[-10:] == [True] * 10
    assert (counts[:, 1] > 0).all()
    assert outcome.failed[0].tolist() == [1, 0]
    with torch.no_grad():
        nets[1][-3].residual[-1].bias -= 1e3  # the last block's, so that all is silent
    cross_entropy(nets[1], task.inputs, task.targets).backward()
    learn = [name for name, value in nets[1].named_parameters() if value.grad.abs().max() > 0]
    assert learn == ["5.bias"]


def test_a_net_that_answers_all_digits_alike_is_lost():
    _, loss, lost = sharpness_along(Run(25.6), [1, 2], (0, 20), examples=64)
    assert lost.tolist() == [[False, False], [True, True]]
    assert (loss[0] < 100).all()


def test_the_sums_of_the_map_follow_from_its_cells():
    stored = Result.load("WU-2").per_seed
    again = sums({name: values for name, values in stored.items() if "_rate" in name})
    for name, values in again.items():
        assert stored[name] == pytest.approx(values, rel=1e-4, abs=1e-5), name


def test_equal_area_is_equal_and_needs_no_warmup():
    run = Run(0.4, 80)
    assert run.equal_area().area() == pytest.approx(run.area())
    assert run.equal_area().warmup == 0
    assert run.equal_area().rate < run.rate


def test_seeds_do_not_depend_on_the_seeds_beside_them():
    runs = [Run(0.4), Run(0.4, 20)]
    together, alone = train_runs(digits(), runs, [0, 3, 7], steps=40), train_runs(digits(), runs, [3], steps=40)
    torch.testing.assert_close(together.losses[:, :, 1:2], alone.losses, rtol=1e-6, atol=1e-9, equal_nan=True)
    assert not torch.equal(together.losses[:, :, 0], together.losses[:, :, 1])


def test_tasks_are_standardised_and_no_class_is_rare():
    for task in (digits(), scene_objects()):
        inputs = torch.cat([task.inputs, task.test_inputs])
        assert abs(inputs.mean()) < 1e-6
        assert inputs.std() == pytest.approx(1, abs=1e-3)
        counts = task.targets.bincount()
        assert counts.min() > 0.5 * counts.float().mean()
        assert task.chance == pytest.approx(math.log(len(counts)))


def test_batch_norm_in_the_blocks_and_nowhere_else():
    plain, normed = residual_net(5, 3, False)(), residual_net(5, 3, True)()
    assert not list(normed.buffers())
    added = sum(p.numel() for p in normed.parameters()) - sum(p.numel() for p in plain.parameters())
    assert added == 3 * 2 * 2 * 32  # γ and β of two layers in three blocks


def test_a_byte_keeps_a_loss_to_four_per_cent():
    losses = torch.logspace(-3.9, 3.9, 200, dtype=torch.float64)
    back = recorded.decode(recorded.encode(losses))
    assert ((back / losses - 1).abs() < 0.04).all()
    assert recorded.decode(recorded.encode(torch.tensor([torch.nan]))).isnan().all()


@pytest.mark.parametrize(("optimizer", "rate", "warmup", "seed"), [("sgd", 3, 0, 5), ("adam", 4, 3, 11)])
def test_recorded_losses_are_trained_again(optimizer, rate, warmup, seed):
    run = Run(RATES[optimizer][rate], WARMUPS[warmup])
    again = recorded.thinned(train_runs(digits(), [run], [seed], optimizer=optimizer).losses)[:, 0, 0]
    stored = recorded.loss_curves(optimizer)[rate, warmup, seed]
    torch.testing.assert_close(stored, again, rtol=0.05, atol=1e-4, equal_nan=True)


def test_the_curves_that_are_kept_are_those_that_the_claim_is_measured_on(monkeypatch):
    def trained(task, runs, seeds, **options):
        # The loss says whose it is: the run by its tens, the seed by its ones, and it falls by a tenth a step.
        ends = 10.0 * torch.arange(len(runs))[:, None] + torch.tensor(seeds)
        losses = ends + torch.arange(STEPS - 1, -1, -1)[:, None, None] / 10
        failed = torch.zeros_like(ends)
        return Outcome(losses, ends, failed, failed)

    monkeypatch.setattr(rates, "train_runs", trained)
    result, curves = recorded.measured_with_curves(range(12))  # in two chunks
    assert set(curves) == set(RATES)
    for name, found in curves.items():
        assert found.shape == (len(RATES[name]), len(WARMUPS), 12, STEPS // recorded.EVERY)
        for rate, warmup, seed in ((0, 0, 0), (2, 1, 7), (5, 3, 11)):
            end = result.per_seed[f"{name}_rate{rate}_warmup{WARMUPS[warmup]}_loss"][seed]
            assert found[rate, warmup, seed, -1].item() == pytest.approx(end + 0.15, rel=1e-4)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_recorded_sharpness_is_measured_again(batch_norm):
    run = Run(recorded.SHARP_RATES[1], recorded.SHARP_WARMUPS[1])
    again = sharpness_along(run, [2], (0, 2, 5, 10), batch_norm=batch_norm, examples=recorded.SHARP_EXAMPLES)[0][:, 0]
    torch.testing.assert_close(recorded.sharpness_curves(batch_norm)[1, 1, 2, :4], again.detach(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("after", decays.DECAYS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("delay", [False, True])
def test_the_designer_draws_what_its_code_makes(after, mode, delay):
    explorer = schedule_designer(mode=mode, warmup=37, start=0.2, after=after, delay=delay, rate=0.5)
    names = {name: getattr(torch.optim.lr_scheduler, name) for name in dir(torch.optim.lr_scheduler) if name[0] != "_"}
    model = nn.Linear(1, 1)
    made = names | {"SGD": SGD, "WarmupLR": WarmupLR, "model": model}
    exec(explorer.data.code, made)
    np.testing.assert_allclose(explorer.data.rates, rates_of(made["scheduler"], STEPS), rtol=1e-12)
    assert explorer.data.code in explorer.readout
    explorer.close()


def test_training_tells_how_far_it_is(monkeypatch):
    monkeypatch.setattr(LiveExplorer, "outcomes", {})  # other tests of this process may have trained the same runs
    explorer = live_training(rate=0.1)
    explorer._repr_mimebundle_()
    told = []
    explorer._widget.send = lambda message, buffers=None: told.append(message["readout"])
    explorer.controls()["train"].value = "both"
    explorer.close()
    assert sum("steps" in text and text.startswith("Training 16") for text in told) >= 10
    assert told[-1] == explorer.readout


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("constant", lambda optimizer: ConstantLR(optimizer, 1.0)),
        ("steps", lambda optimizer: StepLR(optimizer, 60, 0.3)),
        ("cosine", lambda optimizer: CosineAnnealingLR(optimizer, STEPS)),
        ("one-cycle", lambda optimizer: OneCycleLR(optimizer, 1.0, STEPS, cycle_momentum=False)),
        (
            "warm-up, cosine",
            lambda optimizer: WarmupLR(optimizer, 80, "linear", 0.01, CosineAnnealingLR(optimizer, STEPS)),
        ),
    ],
)
def test_the_kin_are_torchs_schedules(name, theirs):
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    ours = [KIN[name].factor(step) for step in range(STEPS)]
    # the last step of one cycle is the last that torch allows
    scheduler, rates = theirs(optimizer), []
    for step in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < STEPS - 1:
            scheduler.step()
    np.testing.assert_allclose(ours, rates, rtol=1e-9, atol=1e-12)


def test_radams_factor_counts_steps_from_one_and_its_area_is_a_cosines():
    run = KIN["RAdam's, cosine"]
    assert [run.factor(step) for step in (0, 4)] == [0, 0]
    assert run.factor(5) == pytest.approx(rectification(6) * Run(1.0).factor(5))
    assert run.factor(5) > 0
    same = run.at(0.2).equal_area()
    assert same.decay == "cosine"
    assert same.area() == pytest.approx(run.at(0.2).area())
    assert [one.rate for one in at_rates(["cosine", "steps"], [0.1, 0.4])] == [0.1, 0.4, 0.1, 0.4]


def by_hand(seed, batches, rates, batch_norm=False):
    """A net of this seed after one step of plain SGD for each batch and rate; the losses before each."""
    torch.manual_seed(seed)
    net, losses = digits().build(batch_norm)(), []
    for (x, t), rate in zip(batches, rates, strict=True):
        loss = cross_entropy(net, x, t)
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(net.parameters(), gradients, strict=True):
                parameter -= rate * gradient
    return net, losses


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_range_test_is_sgd_with_rates_that_climb_by_equal_ratios(batch_norm):
    ratios = limits.TESTED[1:] / limits.TESTED[:-1]
    assert ratios == pytest.approx(ratios[0])
    draw = minibatches(digits().inputs, digits().targets, size=BATCH, seed=103)
    net, losses = by_hand(103, [draw(step) for step in range(40)], limits.TESTED[:40], batch_norm)
    again = limits.range_test([103], batch_norm=batch_norm, every=len(limits.TESTED))
    assert again.losses[:40, 0].tolist() == pytest.approx(losses, rel=1e-6)
    stored, levels = recorded_kin.tested(batch_norm)
    assert levels[0, 3].item() == pytest.approx(again.sharpness.item(), rel=1e-3)
    assert losses == pytest.approx(stored[:40, 3].tolist(), rel=1e-4)
    batch = digits().inputs[: limits.EXAMPLES], digits().targets[: limits.EXAMPLES]
    level = sharpness(net, stack_module_state([net])[0], cross_entropy, *batch, iterations=20)
    assert level.item() == pytest.approx(levels[10, 3].item(), rel=1e-3)


def test_the_loss_turns_where_five_steps_together_are_lowest():
    losses = torch.ones(20, 2, dtype=torch.float64)
    losses[9, 0] = 1e-3  # alone among large ones
    losses[8, 0] = losses[10, 0] = 1e3
    losses[12:17, 0] = 0.5
    losses[3:8, 1], losses[15:, 1] = 0.5, torch.nan
    assert limits.turning(losses) == [14, 5]
    assert limits.level_at(6, [1.0, 4.0, 16.0]) == pytest.approx(8)
    assert limits.level_at(6, [1.0, 4.0, torch.nan]) == pytest.approx(4)
    assert limits.limit_over(0.4, 20) == pytest.approx(2)
    assert limits.limit_over(0.4, 20, 0.9) == pytest.approx(2 - math.log2(1.9))


@pytest.mark.parametrize(("times", "rate", "batch_norm"), [(2, 20, False), (8, 28, True), (16, 16, False)])
def test_one_large_step_and_many_small_ones_take_the_same_examples(times, rate, batch_norm):
    draw = minibatches(digits().inputs, digits().targets, size=BATCH, seed=104)
    full = torch.logspace(-4, 0.5, 37, dtype=torch.float64)[rate]
    batches = [draw(step) for step in range(times)]
    joined = tuple(torch.cat(parts) for parts in zip(*batches, strict=True))
    some = ([], batches, [joined])
    nets = [by_hand(104, given, [full / max(1, len(given))] * len(given), batch_norm)[0] for given in some]
    losses = [cross_entropy(net, digits().inputs, digits().targets).item() for net in nets]
    small, large, apart = limits.scaling([104], full.view(1, 1), times=times, batch_norm=batch_norm)
    assert [small.item(), large.item()] == pytest.approx([one / losses[0] for one in losses[1:]], rel=1e-6)
    ends = [torch.cat([value.flatten() for value in net.parameters()]) for net in nets]
    assert apart.item() == pytest.approx(((ends[1] - ends[2]).norm() / (ends[1] - ends[0]).norm()).item(), rel=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "name", "place", "seed"), [("sgd", "one-cycle", 2, 5), ("adam", "constant", 1, 9)]
)
def test_recorded_runs_of_the_kin_are_trained_again(optimizer, name, place, seed):
    row = list(KIN).index(name)
    outcome = train_runs(
        digits(), [KIN[name].at(RATES[optimizer][place])], [recorded_kin.SEEDS[seed]], optimizer=optimizer
    )
    stored = recorded_kin.kin_losses(optimizer)[row, place, seed]
    torch.testing.assert_close(stored, recorded.thinned(outcome.losses)[:, 0, 0], rtol=0.05, atol=1e-4)
    assert recorded_kin.kin_failed(optimizer)[row, place, seed] == outcome.failed.item()
