"""Examples: maps are those of the backbone, made once, bounded on disk."""

import os
import subprocess
import sys

import pytest
import torch

from fpnlib.data.collages import collage
from fpnlib.models import EfficientNetLite0
from fpnlib.training import examples as module
from fpnlib.training.examples import CHANNELS, STRIDES, Backbone, examples, images

SIZE = 128


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty folder for the maps, two scenes a file."""
    monkeypatch.setattr(module, "folder", lambda: tmp_path)
    monkeypatch.setattr(module, "_BLOCK", 2)
    examples.cache_clear()
    yield tmp_path
    examples.cache_clear()


def files(folder):
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("*.safetensors")}


def test_maps_and_labels_are_those_of_the_scenes(kept):
    made = examples(3, split="test", first=2, size=SIZE, cue_distance=9)
    assert len(made) == 3
    scenes = [collage(seed, split="test", size=SIZE, cue_distance=9) for seed in (2, 3, 4)]
    batch = torch.stack([(one.image.float() - 127) / 128 for one in scenes])
    with torch.no_grad():
        raw = EfficientNetLite0.pretrained().features(batch)[1:]
    assert [one.shape[1] for one in raw] == list(CHANNELS)
    scales = Backbone().scales
    for level, stride, right, scale in zip(made.batch([0, 1, 2]), STRIDES, raw, scales, strict=True):
        assert level.shape[2] == SIZE // stride
        assert level.dtype == torch.float32
        torch.testing.assert_close(level, scale(right), rtol=2e-3, atol=2e-3)
    for row, scene in enumerate(scenes):
        assert torch.equal(made.semantic[row].long(), scene.semantic)
        assert torch.equal(made.instances[row].long(), scene.instances)
        assert torch.equal(made.boxes[row], scene.boxes)
        assert torch.equal(made.classes[row], scene.classes)


def test_what_was_made_is_read_again(kept, monkeypatch):
    first = examples(3, size=SIZE)
    there = files(kept)
    assert len(there) == 2
    examples.cache_clear()
    monkeypatch.setattr(module, "_maps", None)  # nothing is made any more
    again = examples(4, size=SIZE)
    assert files(kept).keys() == there.keys()
    for one, other in zip(first.inputs, again.inputs, strict=True):
        assert torch.equal(one, other[:3])
    assert all(torch.equal(one, other) for one, other in zip(first.boxes, again.boxes, strict=False))


@pytest.mark.parametrize(
    "other",
    [{"split": "test"}, {"first": 2}, {"size": 160}, {"cue_distance": 0}, {"backbone": 0}, {"backbone": 1}],
    ids=str,
)
def test_other_scenes_or_weights_are_other_files(kept, other):
    known = [{}, {"backbone": 0}] if other == {"backbone": 1} else [{}]
    for options in known:
        examples(2, **({"size": SIZE} | options))
    before = files(kept).keys()
    examples(2, **({"size": SIZE} | other))
    assert len(files(kept)) == len(before) + 1


def test_the_files_stay_within_the_limit_and_what_was_used_longest_ago_goes(kept, monkeypatch):
    monkeypatch.setattr(module, "CACHE_LIMIT", 700_000)
    for first in (0, 2):
        examples(2, first=first, size=SIZE)
    old, new = sorted(files(kept), key=files(kept).get)
    os.utime(kept / new, ns=(0, 0))
    examples.cache_clear()
    examples(2, size=SIZE)  # the first is used again
    examples(2, first=4, size=SIZE)
    assert new not in files(kept)
    assert old in files(kept)
    assert sum(file.stat().st_size for file in kept.glob("*.safetensors")) <= 700_000


def test_more_than_the_limit_holds_is_refused(kept, monkeypatch):
    monkeypatch.setattr(module, "CACHE_LIMIT", 300_000)
    with pytest.raises(ValueError, match=r"count: got 5, allowed: at most 2 of 128 pixels, which CACHE_LIMIT holds"):
        examples(5, size=SIZE)
    assert not files(kept)


def test_processes_that_ask_at_once_share_the_work(kept):
    code = f"""
import time, torch; torch.set_num_threads(1)
from pathlib import Path
from fpnlib.training import examples as module
module._BLOCK, module.folder = 2, lambda: Path({str(kept)!r})
made = []
def maps(part, backbone):
    made.append(1)
    time.sleep(1)
    return [torch.zeros(len(part), c, {SIZE} // s, {SIZE} // s) for c, s in zip(module.CHANNELS, module.STRIDES)]
module._maps = maps
module.examples(2, size={SIZE})
print(len(made))
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate(timeout=250)[0].strip() for process in both) == ["0", "1"]


@pytest.mark.parametrize("seed", [None, 3])
def test_every_channel_has_mean_0_and_deviation_1_on_the_scenes_it_is_set_by(seed):
    before = torch.get_rng_state()
    net = Backbone(seed)
    assert torch.equal(torch.get_rng_state(), before)
    assert not net.training
    with torch.no_grad():
        levels = net(torch.stack([collage(number, size=128).image for number in range(16)]))
    assert [level.shape[1] for level in levels] == list(CHANNELS)
    for level in levels:
        assert level.mean((0, 2, 3)).abs().max() < 0.05
        deviation = level.std((0, 2, 3))
        assert (
            (deviation - 1).abs() < 0.05
        ).float().mean() > 0.95  # some channels of a random net are all but constant


def test_a_backbones_weights_are_those_of_its_seed_and_its_scale_stays():
    assert torch.equal(
        Backbone().stages[0][0].layers[0].weight, EfficientNetLite0.pretrained().stages[0][0].layers[0].weight
    )
    net = Backbone(3)
    assert not torch.equal(net.stem[0].weight, Backbone(4).stem[0].weight)
    assert torch.equal(net.stem[0].weight, Backbone(3).stem[0].weight)
    mean = net.scales[0].running_mean.clone()
    stem = net.stem[1].running_mean.clone()
    net.train()(torch.zeros(2, 3, 64, 64))
    assert torch.equal(net.scales[0].running_mean, mean)
    assert not torch.equal(net.stem[1].running_mean, stem)


def test_images_are_the_scenes_themselves():
    made = images(2, split="test", first=7, size=SIZE)
    assert torch.equal(made.inputs[0][1], collage(8, split="test", size=SIZE).image)
    assert torch.equal(made.batch([1])[0][0], collage(8, split="test", size=SIZE).image.float())
    images.cache_clear()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: examples(0), "count: got 0, allowed: 1 or more"),
        (lambda: examples(1, first=3), "first: got 3, allowed: a multiple of 64"),
        (lambda: examples(1, size=130), "size: got 130, allowed: a multiple of 32"),
        (lambda: images(0), "count: got 0, allowed: 1 or more"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
