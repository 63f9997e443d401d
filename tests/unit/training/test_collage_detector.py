"""The detector on given maps: it learns, its scores see what they should, and what it is given is checked."""

import pytest
import torch
from support.colours import easy_examples

from fpnlib.models.detector import Detector, assign, cells_of
from fpnlib.training import collage_detector, decoders
from fpnlib.training import examples as examples_module
from fpnlib.training.collage_detector import score_collage_detector, train_collage_detector
from fpnlib.training.examples import CHANNELS

TINY = {"scenes": 8, "size": 128, "channels": 16}


@pytest.fixture
def easy(monkeypatch):
    """Easy examples in place of those made by the backbone."""
    monkeypatch.setattr(decoders, "data", lambda scenes, *, size=256, **_: easy_examples(scenes, size=size))


def test_a_trained_detector_finds_what_it_was_shown_and_an_untrained_one_does_not(easy):
    model, history = train_collage_detector(0, steps=80, rate=1e-2, **TINY)
    assert not model.training
    assert history.losses[-1] < 0.5 * history.losses[0]
    given = easy_examples(8)
    scores = score_collage_detector(model, given)
    assert scores["ap50"] > 0.5
    assert scores["square"] >= 0.75
    assert score_collage_detector(train_collage_detector(0, steps=1, **TINY)[0], given)["ap50"] < 0.1


def test_a_seed_gives_the_same_net_and_another_seed_another(easy):
    (_, first), (_, second), (_, other) = (train_collage_detector(seed, steps=3, **TINY) for seed in (4, 4, 5))
    assert first.losses == second.losses != other.losses


def test_options_reach_the_detector(easy):
    model, _ = train_collage_detector(0, steps=1, pyramid={"top_down": False}, **TINY)
    assert not model.fpn.top_down
    assert train_collage_detector(0, steps=1, features="C4", **TINY)[0].levels == (4,)


def test_sizes_are_in_proportion_to_the_scene(monkeypatch):
    given = easy_examples(4)
    targets = [
        {"boxes": boxes, "labels": labels, "scores": torch.ones(len(boxes))}
        for boxes, labels in zip(given.boxes, given.classes, strict=True)
    ]
    small = max(((boxes[:, 2:] - boxes[:, :2]).prod(1) < 16**2).sum().item() for boxes in given.boxes)
    assert small
    model = Detector(5, channels=4, in_channels=CHANNELS).eval()

    def detect(self, maps):
        return [dict(one) for one in targets]

    monkeypatch.setattr(Detector, "detect", detect)
    scores = score_collage_detector(model, given)
    assert [scores[name] for name in ("ap", "ap50", "ap_small", "ap_medium")] == [1, 1, 1, 1]
    monkeypatch.setattr(
        Detector,
        "detect",
        lambda self, maps: [
            {name: value[(one["boxes"][:, 2:] - one["boxes"][:, :2]).prod(1) >= 16**2] for name, value in one.items()}
            for one in targets
        ],
    )
    scores = score_collage_detector(model, given)
    assert scores["ap_small"] == 0
    assert scores["ap_medium"] == 1


def test_the_square_is_judged_at_the_cells_that_answer_for_it(monkeypatch):
    given = easy_examples(6)
    model = Detector(5, channels=4, in_channels=CHANNELS).eval()
    real = Detector.forward

    def knowing(self, maps):
        said = real(self, maps)
        cells = cells_of(tuple((128 // s, 128 // s) for s in self.strides), self.levels)
        owner = assign(cells, [boxes[:1] for boxes in given.boxes], canonical_size=32)
        said.logits.zero_()
        for row, classes in enumerate(given.classes):
            said.logits[row, owner[row] >= 0, classes[0] - 1] = 1 if good else -1
        return said

    monkeypatch.setattr(Detector, "forward", knowing)
    for good in (True, False):
        assert score_collage_detector(model, given)["square"] == good


def test_fine_tuning_trains_the_backbone_too():
    examples_module.images.cache_clear()
    model, history = train_collage_detector(0, steps=2, scenes=2, size=128, channels=4, fine_tune=True)
    assert len(history.losses) == 2
    assert 0 <= score_collage_detector(model, examples_module.images(2, size=128))["ap50"] <= 1
    examples_module.images.cache_clear()


def test_larger_scenes_take_larger_objects_at_each_level():
    given = easy_examples(3, size=128)
    levels = (2, 3, 4, 5)
    owner = collage_detector._owners(levels, given, given.boxes)
    cells = cells_of(tuple((128 >> level, 128 >> level) for level in levels), levels)
    every = torch.cat(given.boxes)
    side = (every[:, 2:] - every[:, :2]).prod(1).sqrt()
    for level, (low, high) in {2: (0, 16), 3: (16, 32), 4: (32, 64)}.items():
        at = owner[:, cells.level == level]
        found = side[at[at >= 0]]
        assert ((found >= low) & (found < high)).all()


@pytest.mark.bad_input
def test_images_for_maps_and_maps_for_images_are_refused():
    blind, seeing = Detector(5, channels=4, in_channels=CHANNELS), Detector(5, channels=4, width=2)
    with pytest.raises(ValueError, match="images: got a tensor, allowed: the four maps of another backbone"):
        blind(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match="images: got list, allowed: a tensor"):
        seeing([torch.zeros(1, 3, 64, 64)])
    with pytest.raises(ValueError, match="in_channels: got \\(1, 2\\), allowed: four numbers"):
        Detector(5, in_channels=(1, 2))
