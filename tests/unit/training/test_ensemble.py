"""Each member of an ensemble is what it would have become alone, trained by torch's own optimizers."""

import copy
import platform
import resource

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import fpnlib.training.ensemble
from fpnlib.models import BatchNorm2d
from fpnlib.training import Ensemble, minibatches
from fpnlib.training.memory import keep_freed_memory

SEEDS = (3, 1, 4)
RATES = torch.tensor([0.1, 0.02, 0.05], dtype=torch.float64)
SGD = torch.optim.SGD
ADAM = torch.optim.Adam


def images(count: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(count, 3, 8, 8, generator=generator, dtype=torch.float64)
    return x, torch.randint(5, (count,), generator=generator)


def net(norm=nn.BatchNorm2d) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        norm(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 4, 3, stride=2, padding=1),
        nn.GroupNorm(2, 4),
        nn.Flatten(),
        nn.Linear(16, 5),
    ).double()


def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(model(x), y)


def built(seed: int, build=net) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def alone(seed, rate, batches, steps, optimizer=SGD, build=net, factor=lambda step: 1.0, **options):
    """The plain loop: a model, its losses, its optimizer."""
    model = built(seed, build)
    steppers = optimizer([p for p in model.parameters() if p.requires_grad], lr=rate, **options)
    losses = []
    for step in range(steps):
        for group in steppers.param_groups:
            group["lr"] = rate * factor(step)
        steppers.zero_grad()
        value = loss(model, *batches(step))
        value.backward()
        steppers.step()
        losses.append(value.item())
    return model, losses, steppers


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-10, atol=1e-10, msg=name)


@pytest.mark.parametrize("chunk_size", [None, 1, 2])
@pytest.mark.parametrize(
    ("name", "optimizer", "options"),
    [
        ("sgd", SGD, {}),
        ("sgd", SGD, {"momentum": 0.9, "weight_decay": 0.01}),
        ("sgd", SGD, {"momentum": 0.5, "nesterov": True}),
        ("adam", ADAM, {}),
        ("adam", ADAM, {"betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ],
)
def test_each_member_is_what_it_is_alone(name, optimizer, options, chunk_size):
    batches = minibatches(*images(), size=8, seed=0)
    ensemble = Ensemble(net, SEEDS, optimizer=name, learning_rate=RATES, chunk_size=chunk_size, **options)
    ensemble.fit(batches, loss, steps=12)
    for index, (seed, rate) in enumerate(zip(SEEDS, RATES.tolist(), strict=True)):
        model, losses, _ = alone(seed, rate, batches, 12, optimizer, **options)
        assert ensemble.losses[:, index].tolist() == pytest.approx(losses, rel=1e-10)
        assert_same_state(ensemble.member(index), model)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, BatchNorm2d, lambda c: BatchNorm2d(c, momentum=None)])
def test_running_statistics_in_training_and_in_eval_mode(norm):
    batches = minibatches(*images(), size=8, seed=0)
    ensemble = Ensemble(lambda: net(norm), SEEDS, learning_rate=RATES, chunk_size=2)
    ensemble.fit(batches, loss, steps=7)
    x, _ = images()
    before = copy.deepcopy(ensemble.buffers)
    predictions = ensemble.predict(x)
    for index, (seed, rate) in enumerate(zip(SEEDS, RATES.tolist(), strict=True)):
        model, _, _ = alone(seed, rate, batches, 7, build=lambda: net(norm))
        assert model[1].num_batches_tracked == 7
        assert_same_state(ensemble.member(index), model)
        torch.testing.assert_close(predictions[index], model.eval()(x), rtol=1e-10, atol=1e-10)
    # Looking does not count as a batch.
    assert all(before[name].equal(ensemble.buffers[name]) for name in before)


def test_a_schedule_for_all_or_for_each():
    batches = minibatches(*images(), size=8, seed=0)
    warmup = torch.tensor([0, 4, 8])

    def each(step: int) -> Tensor:
        return ((step + 1) / warmup.clamp(min=1)).clamp(max=1)

    ensemble = Ensemble(net, SEEDS, optimizer="adam", learning_rate=RATES)
    ensemble.fit(batches, loss, steps=4, schedule=each)
    ensemble.fit(batches, loss, steps=2, schedule=lambda step: 0.5 ** (step - 3))
    for index, (seed, rate) in enumerate(zip(SEEDS, RATES.tolist(), strict=True)):

        def factor(step, index=index):
            return each(step)[index].item() if step < 4 else 0.5 ** (step - 3)

        model, _, _ = alone(seed, rate, batches, 6, ADAM, factor=factor)
        assert_same_state(ensemble.member(index), model)


def test_batches_of_their_own():
    own = minibatches(*images(), size=8, seed=SEEDS)
    assert own(0)[0].shape == (3, 8, 3, 8, 8)
    ensemble = Ensemble(net, SEEDS, learning_rate=RATES, chunk_size=2)
    ensemble.fit(own, loss, steps=6, in_dims=0)
    for index, (seed, rate) in enumerate(zip(SEEDS, RATES.tolist(), strict=True)):
        model, _, _ = alone(seed, rate, minibatches(*images(), size=8, seed=seed), 6)
        assert_same_state(ensemble.member(index), model)
    x, _ = images(9)
    each = torch.stack([x[:3], x[3:6], x[6:]])
    wanted = ensemble.predict(each, in_dims=0)
    torch.testing.assert_close(wanted[1], ensemble.predict(x)[1, 3:6])
    torch.testing.assert_close(ensemble.predict(each.movedim(0, -1), in_dims=-1), wanted)  # counted from the end


def test_shared_images_with_labels_of_their_own():
    x, y = images(8)
    labels = torch.stack([y, y.flip(0), (y + 1) % 5], 1)
    ensemble = Ensemble(net, SEEDS, learning_rate=RATES, chunk_size=2)
    ensemble.fit(lambda step: (x, labels), loss, steps=5, in_dims=(None, 1))
    model, _, _ = alone(SEEDS[2], RATES[2].item(), lambda step: (x, labels[:, 2]), 5)
    assert_same_state(ensemble.member(2), model)


def test_adams_moments_can_be_read():
    batches = minibatches(*images(), size=8, seed=0)
    ensemble = Ensemble(net, SEEDS, optimizer="adam", learning_rate=RATES)
    ensemble.fit(batches, loss, steps=5)
    model, _, optimizer = alone(SEEDS[1], RATES[1].item(), batches, 5, ADAM)
    for name, parameter in model.named_parameters():
        for key in ("exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(ensemble.optimizer_state[key][name][1], optimizer.state[parameter][key])


def test_gradient_norms_are_those_of_clipping():
    x, y = images(8)
    ensemble = Ensemble(net, SEEDS, learning_rate=0.1)
    ensemble.step(loss, x, y)
    model = built(SEEDS[2])
    loss(model, x, y).backward()
    length = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    assert ensemble.gradient_norms[0, 2].item() == pytest.approx(length.item())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_diverging_member_is_frozen_and_harms_nobody(optimizer):
    batches = minibatches(*images(), size=8, seed=0)
    options = {"momentum": 0.9} if optimizer == "sgd" else {}
    rates = torch.tensor([0.02, 1e200, 0.05], dtype=torch.float64)
    # Without normalisation, so that huge weights make huge outputs.
    ensemble = Ensemble(
        lambda: net(lambda c: nn.Identity()), SEEDS, optimizer=optimizer, learning_rate=rates, **options
    )
    ensemble.fit(batches, cubed, steps=1)
    ensemble.fit(batches, cubed, steps=1)
    kept = copy.deepcopy(ensemble.member(1).state_dict())
    ensemble.fit(batches, cubed, steps=4)
    assert ensemble.alive.tolist() == [True, False, True]
    assert ensemble.losses.isfinite().all(0).tolist() == [True, False, True]
    assert ensemble.losses[2:, 1].isnan().all()
    assert ensemble.losses[0, 1].isfinite()
    assert all(value.isfinite().all() for value in kept.values())
    assert all(kept[name].equal(value) for name, value in ensemble.member(1).state_dict().items())
    without = Ensemble(
        lambda: net(lambda c: nn.Identity()), SEEDS[::2], optimizer=optimizer, learning_rate=rates[::2], **options
    )
    without.fit(batches, cubed, steps=6)
    torch.testing.assert_close(ensemble.losses[:, ::2], without.losses, rtol=1e-10, atol=0)


def cubed(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return (model(x) ** 3).square().mean()


def test_when_all_have_diverged_time_goes_on():
    x, y = images(8)
    ensemble = Ensemble(net, SEEDS, learning_rate=0.1)
    ensemble.step(lambda model, x, y: loss(model, x, y) * torch.inf, x, y)
    ensemble.step(loss, x, y)
    assert not ensemble.alive.any()
    assert ensemble.losses.shape == (2, 3)
    assert ensemble.losses[0].isinf().all()
    assert ensemble.losses[1].isnan().all()


def test_a_loss_may_call_the_models_methods_and_gets_what_is_frozen_as_it_is():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.head, self.unused = nn.Linear(4, 3), nn.Linear(3, 1), nn.Linear(2, 2)
            self.features.requires_grad_(False)

        def halves(self, x):
            return self.features(x), self.head(self.features(x))

    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    ensemble = Ensemble(Halves, SEEDS, learning_rate=0.1, momentum=0.9, weight_decay=0.1)
    ensemble.fit(lambda step: (x,), lambda model, x: model.halves(x)[1].square().mean(), steps=3)
    member, start = ensemble.member(0), built(SEEDS[0], Halves)
    assert member.features.weight.equal(start.features.weight)
    assert member.unused.weight.equal(start.unused.weight)
    assert not member.head.weight.equal(start.head.weight)
    hidden, out = ensemble.evaluate(lambda model, x: model.halves(x), x)
    assert (hidden.shape, out.shape) == ((3, 6, 3), (3, 6, 1))
    torch.testing.assert_close(hidden[0], member.halves(x)[0])


def test_dropout_falls_on_each_member_alike_or_otherwise():
    def build():
        return nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5))

    def mean(model, x):
        return model(x).square().mean()

    x = torch.ones(2, 4)
    seen = {}
    for randomness in ("same", "different"):
        ensemble = Ensemble(build, [0, 0], learning_rate=0.1, randomness=randomness)
        seen[randomness] = ensemble.step(mean, x)
        if randomness == "same":
            apart = Ensemble(build, [0, 0], learning_rate=0.1, randomness=randomness, chunk_size=1).step(mean, x)
            assert apart[0] == apart[1]
        torch.testing.assert_close(ensemble.predict(x)[0], ensemble.member(0).eval()(x))
    assert seen["same"][0] == seen["same"][1]
    assert seen["different"][0] != seen["different"][1]


def test_chunks_keep_memory_bounded(monkeypatch):
    monkeypatch.setattr(fpnlib.training.ensemble, "_KEPT", 2**20)
    x = torch.rand(1000, 3, 8, 8, dtype=torch.float64)
    sizes = []
    for count in (2, 50, 1000):
        state = torch.get_rng_state()
        ensemble = Ensemble(net, range(9), learning_rate=0.1)
        ensemble.step(loss, x[:count], torch.zeros(count, dtype=torch.long))
        sizes.append(ensemble.chunk_size)
        # Looking how much one member keeps is neither a batch nor a draw.
        assert ensemble.member(0)[1].num_batches_tracked == 1
        assert state.equal(torch.get_rng_state())
    assert sizes[0] == 9
    assert 1 < sizes[1] < 9
    assert sizes[2] == 1


def test_a_member_does_not_depend_on_those_beside_it():
    def build():
        return net().float()

    x, y = images()
    batches = minibatches(x.float(), y, size=8, seed=0)
    few, many = (Ensemble(build, range(count), learning_rate=0.1, momentum=0.9) for count in (2, 7))
    for ensemble in (few, many):
        ensemble.fit(batches, loss, steps=20)
    torch.testing.assert_close(few.losses, many.losses[:, :2], rtol=1e-5, atol=0)


def test_memory_once_freed_is_there_for_the_next_step():
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
    pages = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(20_000_000)
        pages.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert pages[-1] < 1000 or not keep_freed_memory()


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**40), st.booleans())
def test_any_number_of_members_in_any_chunks(members, chunk_size, first, adam):
    def build():
        return nn.Linear(3, 2).double()

    x = torch.linspace(-1, 1, 12, dtype=torch.float64).view(4, 3)
    seeds = range(first, first + members)
    options = {"optimizer": "adam"} if adam else {"momentum": 0.9}
    ensemble = Ensemble(build, seeds, learning_rate=0.1, chunk_size=chunk_size, **options)
    ensemble.fit(lambda step: (x,), lambda model, x: model(x).square().mean(), steps=3)
    assert ensemble.losses.shape == ensemble.gradient_norms.shape == (3, members)
    assert ensemble.losses[2].lt(ensemble.losses[0]).all()
    for index, seed in enumerate(seeds):
        start = built(seed, build)
        assert ensemble.losses[0, index].item() == pytest.approx(start(x).square().mean().item())
        torch.testing.assert_close(ensemble.member(index)(x), ensemble.predict(x)[index])


def test_progress_and_steps():
    seen, steps = [], []
    x, y = images(8)
    ensemble = Ensemble(net, SEEDS, learning_rate=0.1)
    assert ensemble.losses.shape == (0, 3)
    ensemble.fit(
        lambda step: (x, y),
        loss,
        steps=2,
        progress=lambda done, total: seen.append((done, total)),
        on_step=lambda step, losses: steps.append((step, losses.shape)),
    )
    assert seen == [(1, 2), (2, 2)]
    assert steps == [(0, (3,)), (1, (3,))]
    assert ensemble.steps == 2


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": []}, "seeds: got none"),
        ({"optimizer": "lbfgs"}, "optimizer: got 'lbfgs', allowed: 'sgd', 'adam'"),
        ({"learning_rate": torch.ones(2)}, r"learning_rate: got shape \(2,\), allowed: one number or shape \(3,\)"),
        ({"learning_rate": -1.0}, "learning_rate: got -1.0"),
        ({"momentum": -1.0}, "momentum: got -1.0"),
        ({"nesterov": True}, "nesterov: got True, allowed: only with a momentum"),
        ({"betas": (0.9, 1.0)}, "betas: got"),
        ({"weight_decay": -0.1}, "weight_decay: got -0.1"),
        ({"randomness": "some"}, "randomness: got 'some'"),
        ({"chunk_size": 0}, "chunk_size: got 0"),
        ({"build": lambda: nn.Linear(2, int(torch.randint(1, 99, ())))}, "build: got 3 architectures"),
    ],
)
def test_bad_arguments(options, message):
    arguments = {"build": net, "seeds": SEEDS, "learning_rate": 0.1} | options
    with pytest.raises(ValueError, match=message):
        Ensemble(arguments.pop("build"), arguments.pop("seeds"), **arguments)


@pytest.mark.bad_input
def test_bad_batches():
    x, y = images(8)
    ensemble = Ensemble(net, SEEDS, learning_rate=0.1)
    for call, message in (
        (lambda: ensemble.step(loss, x, y, in_dims=0), r"batch: got shape \(8, 3, 8, 8\), allowed: 3 members along"),
        (lambda: ensemble.predict(x, in_dims=-5), "along dimension -5"),
        (lambda: ensemble.step(loss, x, y, in_dims=(0,)), "in_dims: got"),
        (lambda: ensemble.step(loss, x, y, factor=torch.ones(4)), "factor: got shape"),
        (lambda: ensemble.step(lambda model, x, y: model(x), x, y), r"loss: got shape \(8, 5\) for a member"),
        (lambda: ensemble.member(3), "index: got 3, allowed: 0 to 2"),
        (lambda: ensemble.fit(lambda step: (x, y), loss, steps=-1), "steps: got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert ensemble.steps == 0
