"""Training the detector: same seed, same result; a kept beginning; the ablation's nets are comparable."""

import pytest
import torch

from fpnlib.data.scenes import TRAINING_SEEDS, VALIDATION_SEEDS, scene
from fpnlib.models.detector import Detector
from fpnlib.training import detector as training
from fpnlib.training.detector import (
    POOL,
    VARIANTS,
    build,
    early_loss,
    main,
    score,
    train_detector,
    trained,
    training_seeds,
    validation_scenes,
)

TINY = {"width": 2, "channels": 4}


def parameters(name):
    return sum(parameter.numel() for parameter in build(0, VARIANTS[name]).parameters())


def test_variants_have_equal_parameters_within_five_percent():
    full = parameters("full")
    for name in VARIANTS:
        assert abs(parameters(name) / full - 1) < 0.05, name


def test_variants_differ_in_what_they_are_named_after():
    nets = {name: build(0, options) for name, options in VARIANTS.items()}
    on = {name: (net.fpn.top_down, net.fpn.lateral, net.fpn.smooth, len(net.levels)) for name, net in nets.items()}
    assert on == {
        "full": (True, True, True, 4),
        "no_top_down": (False, True, True, 4),
        "no_lateral": (True, False, True, 4),
        "no_smooth": (True, True, False, 4),
        "c4": (True, True, True, 1),
        "c5": (True, True, True, 1),
    }
    assert nets["c4"].strides == (16,)
    assert nets["c5"].strides == (32,)


def test_the_same_seed_trains_the_same_detector_and_another_does_not():
    first, history = train_detector(1, TINY, steps=6, pool=16)
    again, same = train_detector(1, TINY, steps=6, pool=16)
    assert history.losses == same.losses
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert train_detector(2, TINY, steps=6, pool=16)[1].losses != history.losses


def test_stop_ends_the_same_course_sooner():
    whole = train_detector(1, TINY, steps=12, pool=16)[1]
    assert train_detector(1, TINY, steps=12, stop=4, pool=16)[1].losses == whole.losses[:4]


def test_an_interrupted_training_goes_on_to_the_same_end(tmp_path):
    whole, _ = train_detector(1, TINY, steps=8, pool=16)
    train_detector(1, TINY, steps=8, stop=3, pool=16, checkpoint=tmp_path / "half.pt")
    resumed, history = train_detector(1, TINY, steps=8, pool=16, checkpoint=tmp_path / "half.pt")
    assert len(history.losses) == 8
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_single_step_is_a_training():
    assert len(train_detector(0, TINY, steps=1, pool=8)[1].losses) == 1


def test_training_lowers_the_loss():
    losses = train_detector(0, {"width": 4, "channels": 8}, steps=60, pool=16)[1].losses
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_every_scene_comes_once_before_one_comes_again_and_half_are_mirrored():
    places, mirrored = training._order(3, 40, 64)
    for start in range(0, 40, 8):
        assert sorted(places[start : start + 8].flatten().tolist()) == list(range(64))
    assert 0.4 < mirrored.float().mean() < 0.6


def test_a_mirrored_box_frames_the_mirrored_object():
    made = scene(5)
    for number, box in enumerate(training._mirror(made.boxes).int().tolist(), 1):
        seen = (made.instances == number).flip(1)
        columns = seen.any(0).nonzero()
        assert [box[0], box[2]] == [columns.min(), columns.max() + 1]


def test_no_two_seeds_share_a_scene_and_none_is_for_validation():
    assert not set(training_seeds(0)) & set(training_seeds(1))
    assert set(training_seeds(7)) <= set(TRAINING_SEEDS)
    assert validation_scenes(3)[2].boxes.equal(scene(VALIDATION_SEEDS[2]).boxes)


def test_scores_of_a_perfect_detector_are_one(monkeypatch):
    scenes = validation_scenes(24)
    answers = [{"boxes": s.boxes, "labels": s.classes, "scores": torch.ones(len(s.boxes))} for s in scenes]
    monkeypatch.setattr(training, "detections", lambda detector, scenes: answers)
    assert all(value == pytest.approx(1) for value in score(Detector(**TINY), scenes).values())


def test_a_trained_run_is_kept_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "RUNS", tmp_path)
    monkeypatch.setattr(training, "VARIANTS", {"tiny": TINY})
    calls = []

    def short(seed, options):
        calls.append(seed)
        return train_detector(seed, options, steps=2, pool=16)

    monkeypatch.setattr(training, "train_detector", short)
    first, again = trained("tiny", 4), trained("tiny", 4)
    assert calls == [4]
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(first(images).boxes, again(images).boxes)
    monkeypatch.setattr(training, "_recipe", lambda: "othercode")
    trained("tiny", 4)
    assert calls == [4, 4]


def test_the_start_of_a_training_is_a_fingerprint():
    assert early_loss(0, TINY) == early_loss(0, TINY) != early_loss(1, TINY)


def test_the_command_writes_weights_that_load(tmp_path, capsys):
    output = tmp_path / "c5.safetensors"
    assert main(["c5", "--steps", "2", "--output", str(output)]) == 0
    assert Detector.load(output).strides == (32,)
    assert "ar_small" in capsys.readouterr().out


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(ValueError, match="seed: got -1"):
        training_seeds(-1)
    with pytest.raises(ValueError, match="seed: got 10000"):
        training_seeds(10_000)
    with pytest.raises(ValueError, match="pool: got 4, allowed: 8 or more"):
        train_detector(0, TINY, steps=1, pool=4)
    with pytest.raises(ValueError, match="steps: got 0, allowed: 1 or more"):
        main(["c5", "--steps", "0"])
    with pytest.raises(ValueError, match="name: got 'c3', allowed: 'full'"):
        trained("c3", 0)
    assert POOL == 2048
