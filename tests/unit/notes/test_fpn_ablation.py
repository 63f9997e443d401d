"""FP-3, FP-4, FP-6: the kept weights give the stored numbers; the measures measure what they are named after."""

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fpnlib.claims import Result
from fpnlib.data.scenes import scene
from fpnlib.models import FPN
from fpnlib.models.detector import AREA_RANGES, Detector
from fpnlib.notes.fpn.experiments import cue, levels, smoothing
from fpnlib.notes.fpn.experiments.ablation import METRICS, VARIANTS, beside_the_paper, variant_costs
from fpnlib.notes.fpn.experiments.aliasing import (
    aliasing,
    high_frequency_share,
    photo_square,
    pyramid_maps,
    shift_error,
)
from fpnlib.notes.fpn.experiments.judged import LARGER, NETS, Page, detect, judge, pages, size_of, small
from fpnlib.notes.fpn.explorers import cue_distance, detections
from fpnlib.ops import receptive_field
from fpnlib.training.detector import build, score, validation_scenes
from fpnlib.training.examples import Backbone


@pytest.mark.parametrize("name", VARIANTS)
def test_kept_weights_give_the_stored_scores_of_seed_0(name):
    stored = Result.load("FP-6").per_seed
    assert Result.load("FP-6").seeds[0] == 0
    for metric, value in score(Detector.pretrained(name), validation_scenes()).items():
        assert value == pytest.approx(stored[f"{name}_{metric}"][0], rel=1e-2, abs=1e-3), metric


def test_gains_are_paired_differences_to_the_full_pyramid():
    stored = Result.load("FP-6").per_seed
    for name in VARIANTS.keys() - {"full"}:
        for metric in METRICS:
            gain = np.subtract(stored[f"full_{metric}"], stored[f"{name}_{metric}"])
            np.testing.assert_allclose(stored[f"gain_{name}_{metric}"], gain, atol=1e-12)
    assert stored["effect"] == stored["gain_no_lateral_ar_small"]


def test_costs_are_what_torch_counts():
    for name, cost in variant_costs().items():
        net = build(0, VARIANTS[name]).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.rand(1, 3, 128, 128))
        assert cost.macs * 2 == counter.get_total_flops()
        assert cost.parameters == sum(parameter.numel() for parameter in net.parameters())


def test_ours_stands_beside_the_paper():
    lines = beside_the_paper(Result.load("FP-6")).splitlines()
    assert len(lines) == 1 + len(VARIANTS) + 1  # and the paper's row with P2 alone
    assert lines[1].split()[-3:] == ["44.9", "63.4", "66.2"]
    assert lines[1].split()[2] == f"{variant_costs()['full'].parameters / 1000:.0f}"
    assert float(lines[1].split()[6]) == pytest.approx(100 * Result.load("FP-6").number("full_ar_small"), abs=0.05)
    assert lines[-1].split()[-3:] == ["35.1", "59.7", "67.6"]
    assert next(line for line in lines if line.startswith("no 3×3")).split()[-3:] == ["–"] * 3


@pytest.mark.parametrize("cycles", [3, 6, 10, 14])
def test_a_wave_lies_wholly_below_or_above_the_coarse_limit(cycles):
    # 32 places: the level above holds up to 8 cycles.
    wave = torch.sin(2 * math.pi * cycles * torch.arange(32) / 32).expand(1, 2, 32, 32)
    share = high_frequency_share(wave + 5)
    assert share < 0.01 if cycles < 8 else share > 0.99
    assert high_frequency_share(wave.transpose(2, 3)) == pytest.approx(share, abs=1e-6)


def test_nearest_enlarging_adds_energy_above_the_limit_and_bilinear_less():
    rough = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    nearest, bilinear = (
        high_frequency_share(torch.nn.functional.interpolate(rough, scale_factor=2, mode=mode))
        for mode in ("nearest", "bilinear")
    )
    assert nearest > 2 * bilinear > 0


def test_a_convolution_commutes_with_a_shift_and_enlarging_does_not():
    net = torch.nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)
    still, down, right = (photo_square("coffee", *by) for by in ((0, 0), (1, 0), (0, 1)))
    assert shift_error(net(still), net(down), 1, 0, 8) < 1e-5
    assert shift_error(net(still), net(right), 0, 1, 8) < 1e-5
    assert shift_error(net(still), net(right), 1, 0, 8) > 0.01

    def halved(picture):
        return torch.nn.functional.interpolate(torch.nn.functional.avg_pool2d(picture, 2), scale_factor=2)

    assert shift_error(halved(still), halved(down), 1, 0, 8) > 0.01


def test_the_maps_of_a_pyramid():
    net = FPN((2, 3), 4).eval().requires_grad_(False)
    maps = [torch.rand(1, 2, 16, 12), torch.rand(1, 3, 8, 6)]
    fine, coarse = pyramid_maps(net, maps)
    torch.testing.assert_close(fine.lateral + net.enlarge(coarse.merged, (16, 12)), fine.merged)
    torch.testing.assert_close(fine.smoothed, net(maps)[0])
    assert torch.equal(coarse.lateral, coarse.merged)
    flat = pyramid_maps(net, [torch.ones_like(one) for one in maps])[0]
    torch.testing.assert_close(flat.blurred[..., 2:-2, 2:-2], flat.merged[..., 2:-2, 2:-2])


def test_levels_that_are_not_added_follow_a_shift():
    torch.manual_seed(0)
    found = aliasing(levels.LevelNet(top_down=False, smooth=False).fpn.eval().requires_grad_(False))
    assert found["error_lateral"] == found["error_merged"] == found["error_smoothed"] < 0.01
    assert found["share_blurred"] < found["share_lateral"] / 3


def test_the_two_by_two_has_each_net_once():
    assert sorted((one["top_down"], one["smooth"]) for one in smoothing.NETS.values()) == [
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    ]


def test_scores_of_a_net_that_names_everything_rightly(monkeypatch):
    scenes = levels._scenes("test")
    monkeypatch.setattr(levels, "_scenes", lambda split, fine_tune=False: scenes)

    class Oracle(torch.nn.Module):
        def forward(self, maps):
            self.place = getattr(self, "place", 0)
            picked = torch.arange(self.place, self.place + len(maps[0]))
            self.place += len(picked)
            target = levels._targets(scenes.semantic[picked], maps[0])
            return [torch.nn.functional.one_hot(target, len(levels.COLLAGE_CLASSES)).permute(0, 3, 1, 2)]

    assert levels.scores(Oracle()) == {"miou": 1.0, "small": 1.0}


def seen(net, size, cell):
    """First and last pixel, from the cell's middle, that the cell's answer depends on, across."""
    picture = torch.randn(1, 3, size, size, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(picture)[0, :, cell, cell].sum(), picture)
    columns = gradient.abs().sum((0, 1, 2)).nonzero()[:, 0]
    return int(columns[0]) - cue.STRIDE * cell, int(columns[-1]) - cue.STRIDE * cell


def test_the_field_is_what_the_net_without_a_top_down_path_sees():
    alone = cue.CueNet("scratch", top_down=False).eval()
    assert seen(alone, cue.SIDE, 8) == cue.FIELD["scratch"]
    backbone = alone.learnt
    layers = [
        backbone.conv1,
        backbone.bn1,
        torch.nn.ReLU(),
        backbone.maxpool,
        *(layer for layer in backbone.layer1.modules() if isinstance(layer, torch.nn.Conv2d)),  # past the identity
        alone.fpn.layer_blocks[0],
    ]
    field = receptive_field(layers)
    assert (field.vertical.first(0), field.vertical.first(0) + field.size - 1) == cue.FIELD["scratch"]
    frozen, reader = Backbone(0), cue.CueNet("imagenet", top_down=False).eval()
    assert seen(lambda x: reader(*frozen(x)), cue.SIDE, 8) == cue.FIELD["imagenet"]
    assert seen(cue.CueNet("scratch").eval(), cue.SIDE, 8) == (-32, 31)


@pytest.mark.parametrize("distance", [None, *cue.DISTANCES])
def test_the_cue_lies_at_its_distance(distance):
    made = cue.cue_pictures(distance, "train", 60)
    images = made.images.permute(0, 2, 3, 1).int()
    for image, label, (row, column) in zip(images, made.labels.tolist(), made.cells.tolist(), strict=True):
        y, x = cue.STRIDE * row, cue.STRIDE * column
        colours = [(image == torch.tensor(colour)).all(2).nonzero() for colour in cue.COLOURS]
        assert not len(colours[1 - label])
        places = colours[label]
        if distance is None:
            assert not len(places)
        elif distance:
            assert len(places) == cue.SQUARE**2
            away = (places - torch.tensor([y, x])).abs()
            assert away.amax(1).min() == distance
            assert sorted(away.amax(0).tolist()) == [cue.SQUARE // 2, distance + cue.SQUARE - 1]
        else:
            assert torch.equal(image[y, x], torch.tensor(cue.COLOURS[label], dtype=torch.int32))
            assert (places - torch.tensor([y, x])).abs().max() == cue.RADIUS
    directions = {tuple(cell) for cell in made.cells.tolist()}
    assert len(directions) > 5
    assert 15 < int(made.labels.sum()) < 45


def test_pictures_for_training_and_for_test_share_no_photo():
    assert not set(cue._PHOTOS["train"]) & set(cue._PHOTOS["test"])
    one, other = (cue.cue_pictures(24, split, 2).images for split in ("train", "test"))
    assert not torch.equal(one, other)
    assert torch.equal(one, cue.cue_pictures(24, "train", 2).images)


def test_a_seed_of_the_cue_does_not_depend_on_those_beside_it(monkeypatch):
    monkeypatch.setattr(cue, "_TRAIN", 32)
    cue._tensors.cache_clear()
    alone = cue.train([3], "scratch", "full", 6, stop=2).losses
    beside = cue.train([1, 3], "scratch", "full", 6, stop=2).losses
    cue._tensors.cache_clear()
    torch.testing.assert_close(alone[:, 0], beside[:, 1], rtol=1e-4, atol=1e-5)


def test_the_explorer_shows_the_stored_accuracies():
    stored, explorer = Result.load("FP-3"), cue_distance()
    data = explorer.set(distance=18, path="with the top-down path", backbone="ImageNet's weights, frozen").data
    assert data.accuracy == stored.number("imagenet_full_18")
    assert "76.8 % with the top-down path, 48.3 % without it" in explorer.readout
    assert data.field == (0, cue.SIDE - 1, 0, cue.SIDE - 1)
    unseen = explorer.set(path="without it", backbone="small ResNet, trained with it").data
    y, x = unseen.middle
    assert unseen.field == (max(0, y - 17), min(63, y + 17), max(0, x - 17), min(63, x + 17))
    assert "not as far as the square" in explorer.readout
    assert "not as far" not in explorer.set(distance=12).readout


def test_curves_end_at_the_square_until_it_is_moved_on():
    explorer = cue_distance()
    for distance in (12, 24):
        with explorer.set(distance=distance).drawn(explorer.data, "light") as canvas:
            curves = {line.get_label(): line for line in canvas.figure.axes[1].lines}
            for path in ("with the top-down path", "without it"):
                assert max(curves[path].get_xdata()) == distance


def test_of_detectors_only_the_chosen_one_and_the_full_pyramid_have_a_recall():
    explorer = detections()
    with explorer.set(net="C4 alone").drawn(explorer.data, "light") as canvas:
        axes = next(one for one in canvas.figure.axes if one.get_ylabel() == "AR")
        heights = [line.get_ydata() for line in axes.lines]
    stored = Result.load("FP-6")
    for net, shown in zip(("full", "c4"), heights, strict=True):
        np.testing.assert_allclose(shown, [stored.number(f"{net}_ar_{size}") for size in AREA_RANGES])


def test_of_the_larger_detector_no_recall_is_shown():
    explorer = detections()
    assert "was not measured" in explorer.set(net=LARGER).readout
    assert len(explorer.data.ar) == 0
    assert len(explorer.set(net="no laterals").data.ar) == 3


def test_a_threshold_only_takes_away():
    explorer = detections()
    for net in NETS:
        for page in pages():
            before = None
            for value in (0.05, 0.3, 0.6, 0.95):
                data = explorer.set(net=net, picture=page.name, score=value).data
                right = len(data.kept.boxes["right"])
                assert before is None or right <= before
                before = right


def test_judging_all_at_once_equals_judging_what_is_kept():
    page = pages()[0]
    said = detect("full pyramid", page)
    whole = judge(page, said)
    for value in (0.1, 0.2, 0.4):
        keep = said["scores"] >= value
        alone = judge(page, {key: part[keep] for key, part in said.items()})
        np.testing.assert_array_equal(alone.found, whole.found[keep.numpy()])


def test_pages_are_scenes_no_score_was_measured_on_and_photos():
    measured = {tuple(one.boxes.flatten().tolist()) for one in validation_scenes()}
    for page in pages():
        assert min(page.image.shape[:2]) == 128
        assert page.targets is None or tuple(page.targets["boxes"].flatten().tolist()) not in measured


def test_a_long_photo_is_cut_in_the_middle():
    stripes = np.repeat(np.arange(250, dtype=np.uint8)[:, None], 50, 1)[..., None].repeat(3, 2)
    cut = small(stripes)
    assert cut.shape == (256, 128, 3)
    assert cut.mean() == pytest.approx(stripes.mean(), abs=1)


def test_sizes_are_those_of_the_area_ranges():
    for side, name in ((16, "small"), (17, "medium"), (40, "medium"), (41, "large"), (100, "large")):
        assert size_of(np.array([3.0, 4.0, 3.0 + side, 4.0 + side])) == name
        low, high = AREA_RANGES[name]
        assert low <= side**2 <= high


def test_the_readers_own_picture_comes_first():
    own = scene(4).image.permute(1, 2, 0).numpy()
    explorer = detections(own)
    assert next(iter(explorer.controls()["picture"].options)) == "your photo"
    assert explorer.state["picture"] == "your photo"
    expected = detect("full pyramid", Page("your photo", small(own), None))
    data = explorer.set(score=0.2).data
    assert len(data.kept.boxes["unjudged"]) == int((expected["scores"] >= 0.2).sum())
    assert "nothing here is labelled" in explorer.readout


@pytest.mark.bad_input
def test_a_picture_that_is_none():
    with pytest.raises(ValueError, match="source: cannot read"):
        detections(b"no picture")


def test_a_backbone_that_is_tuned_learns_and_keeps_its_statistics(monkeypatch):
    monkeypatch.setattr(levels, "_SCENES", levels._BATCH)
    net, _ = levels._train(3, {"top_down": True}, fine_tune=True, stop=2)
    begun, learnt = Backbone(), net.backbone
    assert all((one != other).any() for one, other in zip(begun.parameters(), learnt.parameters(), strict=True))
    assert all(map(torch.equal, begun.buffers(), learnt.buffers()))
    # Adam's first steps are as long as the rate, which begins at a 25th: two are 2 / 250 of it, 2 / 25 if not a tenth.
    lengths = [(one - other).abs().max() for one, other in zip(begun.parameters(), learnt.parameters(), strict=True)]
    assert max(lengths) < levels._RATE / 50
