"""One loop, and the same loop after an interruption."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR

from fpnlib.training import History, minibatches, train

STEPS = 10


def make():
    """Model, optimizer and scheduler; dropout, so that random numbers matter, and batch norm, so that buffers do."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)


def data():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(30, 4, generator=generator), torch.randint(3, (30,), generator=generator)


def loss(model, x, y):
    return F.cross_entropy(model(x), y)


def run(parts, steps=STEPS, **options):
    model, optimizer, scheduler = parts
    batches = options.pop("batches", minibatches(*data(), size=7, seed=5))
    options = {"seed": 9} | options
    return train(model, batches, loss, optimizer=optimizer, scheduler=scheduler, steps=steps, **options)


def states(parts):
    model, optimizer, scheduler = parts
    moments = [value for state in optimizer.state_dict()["state"].values() for value in state.values()]
    return [*model.state_dict().values(), *moments], scheduler.state_dict()


def assert_identical(one, other):
    (tensors, schedule), (others, other_schedule) = states(one), states(other)
    assert len(tensors) == len(others)
    assert all(a.equal(b) for a, b in zip(tensors, others, strict=True))
    assert schedule == other_schedule


def test_it_is_the_plain_loop():
    parts, plain = make(), make()
    history = run(parts)
    model, optimizer, scheduler = plain
    batches, losses, rates = minibatches(*data(), size=7, seed=5), [], []
    torch.manual_seed(9)
    for step in range(STEPS):
        optimizer.zero_grad()
        value = loss(model, *batches(step))
        value.backward()
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
        losses.append(value.item())
    assert history == History(losses, rates)
    assert_identical(parts, plain)


@pytest.mark.parametrize("at", range(STEPS))
def test_interrupted_anywhere_and_taken_up_again(at, tmp_path):
    whole = make()
    history = run(whole)

    def interrupt(step, value):
        if step == at:
            raise KeyboardInterrupt

    options = {"checkpoint": tmp_path / "run.pt", "checkpoint_every": 3}
    with pytest.raises(KeyboardInterrupt):
        run(make(), on_step=interrupt, **options)
    torch.manual_seed(12345)  # what the new process happens to have
    parts = make()
    assert run(parts, **options) == history
    assert_identical(parts, whole)
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_interrupted_within_a_step(tmp_path):
    whole = make()
    history = run(whole)
    plain = minibatches(*data(), size=7, seed=5)

    def batches(step):
        if step == 7:
            raise KeyboardInterrupt
        return plain(step)

    options = {"checkpoint": tmp_path / "run.pt", "checkpoint_every": 2}
    with pytest.raises(KeyboardInterrupt):
        run(make(), batches=batches, **options)
    parts = make()
    assert run(parts, **options) == history
    assert_identical(parts, whole)


KILLED_WHILE_WRITING = """
    import os, signal, sys
    import torch
    import test_train

    save = torch.save

    def half(content, file):
        if len(content["history"]["losses"]) < 6:
            return save(content, file)
        file.write(b"half a file")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    torch.save = half
    test_train.run(test_train.make(), checkpoint=sys.argv[1], checkpoint_every=3)
"""


def test_killed_while_writing(tmp_path):
    path = tmp_path / "run.pt"
    environment = os.environ | {"PYTHONPATH": os.path.dirname(__file__), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", textwrap.dedent(KILLED_WHILE_WRITING), str(path)]
    assert subprocess.run(command, env=environment).returncode == -signal.SIGKILL
    assert sorted(found.name for found in tmp_path.iterdir()) == ["run.pt", "run.pt.tmp"]
    whole, parts = make(), make()
    history = run(whole)
    assert run(parts, checkpoint=path, checkpoint_every=3) == history
    assert_identical(parts, whole)
    assert [found.name for found in tmp_path.iterdir()] == ["run.pt"]


def test_a_finished_run_is_read_and_a_longer_one_goes_on(tmp_path):
    path = tmp_path / "deep" / "run.pt"
    first = run(make(), checkpoint=path)

    def refuse(step):
        raise AssertionError("nothing is left to train")

    assert run(make(), checkpoint=path, batches=refuse) == first
    whole, parts = make(), make()
    history = run(whole, 14)
    assert run(parts, 14, checkpoint=path) == history
    assert_identical(parts, whole)


def test_the_callers_random_numbers_are_left_alone_with_a_seed():
    parts = make()
    state = torch.get_rng_state()
    run(parts)
    assert state.equal(torch.get_rng_state())
    run(parts, seed=None)
    assert not state.equal(torch.get_rng_state())


def test_progress_is_told_also_on_the_terminal(tmp_path, capsys):
    seen, path = [], tmp_path / "run.pt"
    run(make(), 2, checkpoint=path, progress=lambda done, total: seen.append((done, total)))
    run(make(), 3, checkpoint=path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 2), (1, 2), (2, 2), (2, 3), (3, 3)]
    run(make(), 4, checkpoint=path, progress=True)
    assert "4/4" in capsys.readouterr().out


def test_a_loss_that_is_not_finite_stops_before_it_does_harm():
    parts = make()
    plain = minibatches(*data(), size=7, seed=5)
    first = run(made := make(), 2)
    assert len(first.losses) == 2

    def batches(step):
        x, y = plain(step)
        return (x * torch.nan if step == 2 else x), y

    with pytest.raises(FloatingPointError, match="loss: got nan at step 2"):
        run(parts, batches=batches)
    # Batch norm's running statistics have seen the batch; what is learned has not.
    for (name, one), other in zip(parts[0].named_parameters(), made[0].parameters(), strict=True):
        assert one.equal(other), name


@pytest.mark.bad_input
def test_checkpoints_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "run.pt"
    run(make(), checkpoint=path)
    model, optimizer, scheduler = make()
    other = nn.Linear(4, 3)
    for call, message in (
        (lambda: run(make(), 3, checkpoint=path), "steps: got 3, allowed: 10 or more"),
        (lambda: run(make(), checkpoint=path, seed=8), "seed: got 8, allowed: 9"),
        (lambda: run((model, optimizer, None), checkpoint=path), r"with \['model', 'optimizer', 'scheduler'\]"),
        (lambda: run((other, optimizer, scheduler), checkpoint=path), "run.pt is of another model"),
        (lambda: run((model, torch.optim.Adam(other.parameters()), scheduler), checkpoint=path), "another optimizer"),
        (lambda: run((model, torch.optim.SGD(model.parameters()), scheduler), checkpoint=path), "'optimizer': 'SGD'"),
        (lambda: run((model, optimizer, ExponentialLR(optimizer, 0.9)), checkpoint=path), "ExponentialLR"),
        (lambda: run(make(), -1), "steps: got -1"),
        (lambda: run(make(), checkpoint_every=0), "checkpoint_every: got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    for content in (b"", b"not a checkpoint", path.read_bytes()[:-100]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"checkpoint: .* delete it to begin anew"):
            run(make(), checkpoint=path)
    torch.save({"weights": torch.ones(2)}, path)
    with pytest.raises(ValueError, match="is not one of this loop"):
        run(make(), checkpoint=path)


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    class Harm:
        def __reduce__(self):
            return print, ("harm done",)

    path = tmp_path / "run.pt"
    torch.save({"history": Harm()}, path)
    with pytest.raises(ValueError, match="is not one of this loop"):
        run(make(), checkpoint=path)
