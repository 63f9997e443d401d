"""SH-1: its heads are what they are named, its measures measure it, and its stored numbers belong together."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from fpnlib.claims import Result
from fpnlib.models.segmenter import Segmenter
from fpnlib.notes.segmentation_head.experiments import beside, last_layer, snapshots
from fpnlib.notes.segmentation_head.experiments.heads import HEADS, STRIDE, head, neck, width
from fpnlib.notes.segmentation_head.experiments.last_layer import EVALUATED, NETS, NORMS, RATES, SETTLED, Course
from fpnlib.training.examples import CHANNELS, STRIDES
from fpnlib.training.segmenter import CLASSES


def net(name, norm):
    return Segmenter(CHANNELS[1:], CLASSES, channels=width(name), neck=neck, head=head(name, norm))


def parameters(module):
    return sum(one.numel() for one in module.parameters())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", HEADS)
def test_heads_are_what_they_are_named(name, norm):
    made = net(name, norm)
    convolutions = [layer for layer in made.head if isinstance(layer, nn.Conv2d)]
    sides = [side for side in ("1×1", "3×3") for _ in range(name.count(side))]
    assert sorted(f"{a}×{b}" for a, b in (one.kernel_size for one in convolutions)) == sides
    assert f"{convolutions[-1].kernel_size[0]}×{convolutions[-1].kernel_size[1]}" == name[-3:]
    assert made.head[-1] is convolutions[-1]
    assert isinstance(made.head[-2], nn.ReLU)
    assert isinstance(made.head[-3] if len(made.head) > 2 else None, nn.BatchNorm2d) == norm
    maps = [torch.rand(2, c, 256 // s, 256 // s) for c, s in zip(CHANNELS, STRIDES, strict=True)]
    assert made(maps).shape == (2, CLASSES, 256 // STRIDE, 256 // STRIDE)


def test_two_controls_have_the_parameters_of_the_two_layers():
    wanted = parameters(net("3×3→1×1", False))
    assert parameters(net("3×3", False)) < 0.75 * wanted
    for name in ("wide 3×3", "3×3→3×3"):
        assert parameters(net(name, False)) == pytest.approx(wanted, rel=0.02)


def test_unknown_heads_are_refused():
    with pytest.raises(ValueError, match="3×3→1×1"):
        head("5×5", False)


def test_a_steady_climb_has_no_jitter_and_what_comes_before_it_settles_does_not_count():
    line = [0.01 * at for at in EVALUATED]
    assert last_layer.jitter(line) == pytest.approx(0, abs=1e-6)
    assert last_layer.jitter([9.0 if at < SETTLED else value for at, value in zip(EVALUATED, line, strict=True)]) < 1e-6
    zigzag = [value + 0.1 * (-1) ** place for place, value in enumerate(line)]
    assert last_layer.jitter(zigzag) == pytest.approx(0.2)


def test_a_bend_has_jitter_but_does_not_fall():
    bend = [0.7 - 0.4 * 0.5 ** (at / 50) for at in EVALUATED]
    assert last_layer.jitter(bend) > 0.004
    assert last_layer.falls(bend) == 0
    assert last_layer.falls([0.5] * (len(EVALUATED) - 1) + [0.43]) == pytest.approx(0.01)


def test_the_table_has_the_stored_gains_and_those_at_the_best_rates():
    lines = beside.rates_beside(Result.load("SH-1"), Result.load("SH-1", "tuned")).splitlines()
    assert len(lines) == 1 + 2 * len(NORMS)
    assert lines[1].split()[-4:] == ["0.097", "0.102", "0.073", "0.096"]
    assert lines[2].split()[-4:] == ["0.100", "0.104", "0.028", "0.045"]


@pytest.mark.parametrize("normed", NORMS.values())
def test_two_fifths_of_the_jitter_are_bends_and_a_single_3x3_also_falls_less(normed):
    fallen = {}
    for short in ("one", "two"):
        jitter, bent, falls = [], [], []
        for rate in range(len(RATES)):
            of = f"curve_{short}_{normed}_{rate}"
            curves = np.stack([last_layer.of_nets(Result.load("SH-1").per_seed, of, f"_{at}") for at in EVALUATED], 1)
            jitter += [last_layer.jitter(curve) for curve in curves.tolist()]
            falls += [last_layer.falls(curve) for curve in curves.tolist()]
            bent.append(last_layer.jitter(curves.mean(0).tolist()))  # in a mean single ups and downs mostly cancel
        assert 0.35 < np.mean(bent) / np.mean(jitter) < 0.47
        fallen[short] = np.mean(falls)
    assert fallen["one"] < fallen["two"]


def test_a_spike_is_a_step_far_above_those_before_it():
    losses = [1.0] * 40
    assert last_layer.spikes(losses) == 0
    losses[20] = 1.6
    assert last_layer.spikes(losses) == pytest.approx(1 / 30)
    losses[20] = 1.4
    assert last_layer.spikes(losses) == 0


def test_measures_of_a_pair_are_means_and_their_distance():
    flat = [0.5] * len(EVALUATED)
    found = last_layer.measures([Course([1.0] * 20, flat, 0.5, 0.3), Course([1.0] * 20, flat, 0.58, 0.4)])
    assert found == pytest.approx({"miou": 0.54, "boundary": 0.35, "jitter": 0, "spikes": 0, "spread": 0.08})


def test_squares_of_both_colours_are_one_class_and_a_perfect_model_scores_one():
    given = last_layer.scenes(8, 4)
    assert sorted(given.semantic.unique().tolist()) == list(range(CLASSES - 1))

    class Perfect(nn.Module):
        def forward(self, maps):
            first = torch.nn.functional.one_hot(given.semantic.long(), CLASSES).permute(0, 3, 1, 2).float()
            return first[:, [0, 1, 2, 3, 5, 4]]  # calls every square blue

    said = last_layer.answers(Perfect(), dataclasses.replace(given))
    assert torch.equal(said.classes, given.semantic)


def test_stored_gains_and_controls_are_those_of_the_stored_nets():
    stored = Result.load("SH-1").per_seed
    for place in (0, -1):
        row = {name: values[place] for name, values in stored.items()}
        for name, value in (last_layer.gains(row) | last_layer.controls(row)).items():
            assert row[name] == pytest.approx(value, abs=2e-4), name
        for *_, cell in last_layer.cells():
            ends = [row[f"final_{cell}_{number}"] for number in range(NETS)]
            assert row[f"spread_{cell}"] == pytest.approx(max(ends) - min(ends), abs=2e-4)
            assert row[f"miou_{cell}"] == pytest.approx(np.mean(ends), abs=2e-4)
            curves = [[row[f"curve_{cell}_{number}_{at}"] for at in EVALUATED] for number in range(NETS)]
            assert row[f"jitter_{cell}"] == pytest.approx(np.mean([last_layer.jitter(one) for one in curves]), abs=3e-4)
    assert stored["effect"] == stored["spread_gain_one_plain"]


@pytest.mark.parametrize("place", range(len(snapshots.HEADS)))
def test_the_stored_snapshots_begin_as_the_nets_begin(place):
    again = snapshots.take(snapshots.HEADS[place], True, RATES[1], snapshots.AFTER[:1])
    stored = {name: snapshots.stored()[name][place, 1, 1, 0] for name in again}
    for name in ("low", "scale", "moved"):
        assert again[name][0].item() == pytest.approx(stored[name].item(), rel=1e-3)
    assert (again["logits"][0].int() - stored["logits"].int()).abs().max() <= 1


def test_stored_logits_are_rounded_and_no_more():
    row, snapshot = snapshots.stored(), 2
    shown = snapshots.logits(1, False, 2, snapshot)
    low, scale = row["low"][1, 0, 2, snapshot], row["scale"][1, 0, 2, snapshot]
    assert low <= shown.min()
    assert shown.max() <= low + 255 * scale + 1e-3
    assert shown.shape[1:] == row["truth"].shape
