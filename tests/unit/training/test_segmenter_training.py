"""The segmentation decoder: it learns, its scores are their definitions, and every option reaches it."""

import functools
import math

import numpy as np
import pytest
import torch
from support.colours import easy_examples
from torch import nn

from fpnlib.data.collages import COLLAGE_CLASSES
from fpnlib.metrics import boundary_iou, mean_iou
from fpnlib.models.fpn import FPN
from fpnlib.models.segmenter import Segmenter, standard_head
from fpnlib.training import decoders
from fpnlib.training import examples as examples_module
from fpnlib.training.examples import STRIDES, Backbone, Examples
from fpnlib.training.segmenter import (
    Segmented,
    object_accuracy,
    predict,
    score_segmenter,
    train_segmenter,
    void_classes,
)

TINY = {"scenes": 8, "size": 128, "channels": 16}


@pytest.fixture
def easy(monkeypatch):
    """Easy examples in place of those made by the backbone; what was asked for."""
    asked = []

    def data(scenes, *, split="train", size=256, **options):
        asked.append({"scenes": scenes, "split": split, "size": size} | options)
        return easy_examples(scenes, split=split, size=size)

    monkeypatch.setattr(decoders, "data", data)
    return asked


def test_a_trained_decoder_is_good_on_other_scenes_and_nothing_found_is_not(easy):
    model, history = train_segmenter(0, steps=60, rate=1e-2, **TINY)
    assert not model.training
    assert len(history.losses) == 60
    assert np.mean(history.losses[-5:]) < 0.3 * history.losses[0]
    test = easy_examples(6, split="test")
    blind = torch.zeros_like(test.semantic)
    assert score_segmenter(predict(model, test), test)["miou"] > 0.6
    assert score_segmenter(said(blind), test)["miou"] < 0.3, "all background"
    assert easy[0] == {
        **{"scenes": 8, "split": "train", "size": 128},
        **{"cue_distance": None, "backbone": None, "fine_tune": False},
    }


def test_a_seed_gives_the_same_net_and_another_seed_another(easy):
    (one, first), (again, second), (_, other) = (train_segmenter(seed, steps=3, **TINY) for seed in (4, 4, 5))
    assert first.losses == second.losses
    assert first.losses != other.losses
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), again.state_dict().values(), strict=True))


def test_the_order_of_the_scenes_does_not_depend_on_the_decoder(easy, monkeypatch):
    seen = []
    real = Examples.batch
    batch = lambda self, places, device: seen.append(places.tolist()) or real(self, places, device)  # noqa: E731
    monkeypatch.setattr(Examples, "batch", batch)
    for options in ({}, {"stride": 16}, {"neck": functools.partial(FPN, top_down=False)}):
        train_segmenter(1, steps=2, **(TINY | options))
    assert seen[:2] == seen[2:4] == seen[4:]


def test_who_watches_sees_the_model_after_each_step_and_changes_nothing(easy):
    seen = []

    def watch(done, model):
        seen.append((done, predict(model.eval(), easy_examples(2)).classes))

    model, watched = train_segmenter(0, steps=4, rate=1e-2, watch=watch, **TINY)
    _, alone = train_segmenter(0, steps=4, rate=1e-2, **TINY)
    assert [done for done, _ in seen] == [1, 2, 3, 4]
    assert torch.equal(seen[-1][1], predict(model, easy_examples(2)).classes)
    assert watched.losses == alone.losses


@pytest.mark.parametrize("stride", STRIDES)
def test_the_output_stride_is_that_of_the_finest_map(easy, stride):
    model, _ = train_segmenter(0, steps=1, stride=stride, **TINY)
    maps = easy_examples(2).batch([0, 1])
    assert model(maps).shape == (2, 6, 128 // stride, 128 // stride)
    # Finer maps are not looked at.
    finer = [
        level if s >= stride else torch.full_like(level, torch.nan) for level, s in zip(maps, STRIDES, strict=True)
    ]
    assert torch.equal(model(finer), model(maps))


def test_neck_and_head_are_the_callers(easy):
    def head(channels, classes):
        return nn.Conv2d(channels, classes, 3, padding=1)

    model, _ = train_segmenter(0, steps=1, head=head, neck=functools.partial(FPN, merge="mean"), **TINY)
    assert isinstance(model.head, nn.Conv2d)
    assert model.neck.merge == "mean"
    assert isinstance(standard_head(8, 6)[1], nn.BatchNorm2d)


def test_an_interrupted_course_goes_on(easy, tmp_path):
    _, whole = train_segmenter(0, steps=6, **TINY)
    _, half = train_segmenter(0, steps=6, stop=3, checkpoint=tmp_path / "half", **TINY)
    _, rest = train_segmenter(0, steps=6, checkpoint=tmp_path / "half", **TINY)
    assert half.losses == whole.losses[:3]
    assert rest.losses == whole.losses


def test_void_has_no_part_in_the_loss(easy):
    _, none = train_segmenter(0, steps=1, void=0, **TINY)
    _, some = train_segmenter(0, steps=1, void=6, **TINY)
    assert none.losses != some.losses
    assert (void_classes(easy_examples(2), 3) == 255).any()


def test_fine_tuning_changes_the_backbone(monkeypatch):
    examples_module.images.cache_clear()
    options = {"scenes": 2, "size": 128, "channels": 8, "fine_tune": True, "stop": 2, "steps": 4}
    for seed in (None, 0):
        model, history = train_segmenter(0, backbone=seed, rate=1e-2, **options)
        assert len(history.losses) == 2
        fresh = Backbone(seed).to(decoders.device_of(model))
        moved = [
            (one - other).abs().max()
            for one, other in zip(model.backbone.parameters(), fresh.parameters(), strict=True)
        ]
        # Adam's two steps are at most the rate each; a pretrained backbone has a tenth of it.
        assert 0 < max(moved) < (2.5e-3 if seed is None else 2.5e-2)
        assert torch.equal(model.backbone.scales[0].running_mean, fresh.scales[0].running_mean)
    images = decoders.data(3, split="test", size=128, fine_tune=True)
    decoder, maps = decoders.in_parts(model, images)
    assert len(maps.inputs) == 4
    assert torch.equal(predict(decoder, maps).classes, predict(model, images).classes)
    assert decoders.in_parts(decoder, maps) == (decoder, maps)
    examples_module.images.cache_clear()


def said(classes, lead=None):
    return Segmented(classes.to(torch.uint8), torch.zeros(len(classes)) if lead is None else lead)


def test_perfect_answers_score_one():
    given = easy_examples(5, split="test")
    blue = torch.stack([c[0] for c in given.classes]) == 5
    scores = score_segmenter(said(given.semantic, blue.float() - 0.5), given)
    for name in ("miou", "boundary_iou", "accuracy_small", "accuracy_medium", "square"):
        assert scores[name] == 1, name
    assert math.isnan(scores["accuracy_large"]) or scores["accuracy_large"] == 1
    assert score_segmenter(said(given.semantic, 0.5 - blue.float()), given)["square"] == 0


def test_what_is_wrong_in_the_void_costs_nothing():
    given = easy_examples(3)
    wrong = (given.semantic + 1) % 6
    void = void_classes(given, 2) == 255
    answers = torch.where(void, wrong, given.semantic)
    assert score_segmenter(said(answers), given)["miou"] == 1
    assert score_segmenter(said(answers), given, void=0)["miou"] < 0.9
    assert score_segmenter(said(answers), given)["boundary_iou"] < 1, "a band one pixel off is narrower within"


def test_scores_are_their_definitions():
    given = easy_examples(3, split="test")
    generator = torch.Generator().manual_seed(1)
    flip = torch.rand(given.semantic.shape, generator=generator) < 0.2
    answers = torch.where(flip, torch.randint(6, flip.shape, generator=generator), given.semantic.long())
    scores = score_segmenter(said(answers), given, void=2, distance=4)
    target = void_classes(given, 2)
    assert scores["miou"] == pytest.approx(mean_iou(answers, target, 6, ignore_index=255))
    assert np.nanmean([scores[f"iou_{name}"] for name in COLLAGE_CLASSES]) == pytest.approx(scores["miou"])
    # One image alone has the band of `boundary_iou` itself.
    alone = easy_examples(1, split="test")
    wanted = [
        boundary_iou(answers[0] == c, alone.semantic[0] == c, distance=4, ignore=target[0] == 255) for c in range(6)
    ]
    assert score_segmenter(said(answers[:1]), alone, distance=4)["boundary_iou"] == pytest.approx(np.nanmean(wanted))
    sides, right = object_accuracy(said(answers), given, target)
    place = 0
    for row, boxes in enumerate(given.boxes):
        for number, box in enumerate(boxes, 1):
            inside = (given.instances[row] == number) & (target[row] != 255)
            hits = (answers[row] == given.semantic[row])[inside]
            assert sides[place] == max(box[2] - box[0], box[3] - box[1])
            assert right[place].item() == pytest.approx(hits.double().mean().item(), nan_ok=True)
            place += 1
    assert place == len(sides)


def test_objects_are_small_in_proportion_to_the_scene():
    given = easy_examples(4)
    side, _ = object_accuracy(said(given.semantic), given, void_classes(given, 2))
    wrong = said(torch.where(given.instances > 0, 0, given.semantic))
    scores = score_segmenter(wrong, given)
    assert {name for name in ("small", "medium", "large") if scores[f"accuracy_{name}"] == 0} == {
        name
        for name, low, high in (("small", 0, 16), ("medium", 16, 32), ("large", 32, 999))
        if ((side >= low) & (side < high)).any()
    }


def test_the_lead_is_the_mean_over_the_square():
    given = easy_examples(3)

    class Fixed(nn.Module):
        def forward(self, maps):
            logits = torch.zeros(len(maps[0]), 6, 32, 32)
            logits[:, 4], logits[:, 5] = 1.0, torch.arange(1.0, len(maps[0]) + 1)[:, None, None]
            return logits

    answers = predict(Fixed(), given)
    torch.testing.assert_close(answers.lead, torch.tensor([0.0, 1.0, 2.0]))
    assert answers.classes.shape == given.semantic.shape
    assert (answers.classes[1:] == 5).all()


@pytest.mark.bad_input
def test_bad_input(easy):
    with pytest.raises(ValueError, match="stride: got 2, allowed: 4, 8, 16, 32"):
        train_segmenter(0, stride=2)
    with pytest.raises(ValueError, match="steps: got 0, allowed: 1 or more"):
        train_segmenter(0, steps=0)
    with pytest.raises(ValueError, match="in_channels: got "):
        Segmenter([], 6)
    with pytest.raises(ValueError, match="num_classes: got 0"):
        Segmenter([8], 0)
    with pytest.raises(ValueError, match="maps: got 1 maps, allowed: 2 or more"):
        Segmenter([8, 8], 2)([torch.zeros(1, 8, 4, 4)])
