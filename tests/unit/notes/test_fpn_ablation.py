"""FP-3, FP-4, FP-5: the kept weights give the stored numbers; the measures measure what they are named after."""

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fpnlib.claims import Measurement, Result
from fpnlib.data.scenes import scene
from fpnlib.models.detector import AREA_RANGES, Detector
from fpnlib.notes.fpn import ablation
from fpnlib.notes.fpn.ablation import METRICS, PARTS, VARIANTS, beside_the_paper, variant_costs
from fpnlib.notes.fpn.aliasing import aliasing, high_frequency_share, photo_squares, pyramid_maps, shift_error
from fpnlib.notes.fpn.detections import NETS, Page, detect, judge, pages, size_of, small
from fpnlib.notes.fpn.explorers import detections
from fpnlib.training.detector import build, score, validation_scenes


@pytest.mark.parametrize("name", VARIANTS)
def test_kept_weights_give_the_stored_scores_of_seed_0(name):
    stored = Result.load("FP-3").per_seed
    assert Result.load("FP-3").seeds[0] == 0
    for metric, value in score(Detector.pretrained(name), validation_scenes()).items():
        assert value == pytest.approx(stored[f"{name}_{metric}"][0], rel=1e-2, abs=1e-3), metric


def test_kept_weights_give_the_stored_aliasing_of_seed_0():
    stored = Result.load("FP-4").per_seed
    for name, value in aliasing(Detector.pretrained("full")).items():
        assert value == pytest.approx(stored[f"nearest_{name}"][0], rel=1e-3, abs=1e-5), name


def test_gains_are_paired_differences_to_the_full_pyramid():
    stored = Result.load("FP-3").per_seed
    for name in VARIANTS.keys() - {"full"}:
        for metric in METRICS:
            gain = np.subtract(stored[f"full_{metric}"], stored[f"{name}_{metric}"])
            np.testing.assert_allclose(stored[f"gain_{name}_{metric}"], gain, atol=1e-12)
    assert stored["effect"] == stored["gain_no_top_down_ar_small"]


def test_costs_are_what_torch_counts():
    for name, cost in variant_costs().items():
        net = build(0, VARIANTS[name]).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.rand(1, 3, 128, 128))
        assert cost.macs * 2 == counter.get_total_flops()
        assert cost.parameters == sum(parameter.numel() for parameter in net.parameters())


def test_ours_stands_beside_the_paper():
    lines = beside_the_paper(Result.load("FP-3")).splitlines()
    assert len(lines) == 1 + len(VARIANTS)
    assert lines[1].split()[-3:] == ["44.9", "63.4", "66.2"]
    assert lines[1].split()[1] == f"{variant_costs()['full'].parameters / 1000:.0f}"
    assert float(lines[1].split()[5]) == pytest.approx(100 * Result.load("FP-3").number("full_ar_small"), abs=0.05)
    assert next(line for line in lines if line.startswith("no_smooth")).split()[-3:] == ["–"] * 3


def numbers(low, high):
    return {f"gain_{part}_ar_small_{end}": value for part in PARTS for end, value in (("low", low), ("high", high))}


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "holds"),
        ({"gain_c5_ar_small_low": 0.0}, "depends"),
        ({"gain_no_lateral_ar_small_low": -0.2, "gain_no_lateral_ar_small_high": 0.0}, "fails"),
    ],
)
def test_fp3_wants_all_four_parts(changed, verdict):
    measurement = Measurement(0.2, (0.1, 0.3), 8, numbers(0.1, 0.3) | changed)
    assert ablation._judge_ablation(measurement) == verdict


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
    still, down, right = photo_squares("coffee", 1)
    assert shift_error(net(still), net(down), 1, 0, 8) < 1e-5
    assert shift_error(net(still), net(right), 0, 1, 8) < 1e-5
    assert shift_error(net(still), net(right), 1, 0, 8) > 0.01

    def halved(picture):
        return torch.nn.functional.interpolate(torch.nn.functional.avg_pool2d(picture, 2), scale_factor=2)

    assert shift_error(halved(still), halved(down), 1, 0, 8) > 0.01


def test_the_maps_of_a_pyramid_add_up():
    detector = Detector.pretrained("full")
    levels = pyramid_maps(detector.fpn, detector.maps(torch.rand(1, 3, 96, 128)))
    for level in levels:
        torch.testing.assert_close(level.lateral + level.enlarged, level.merged)
    assert not levels[-1].enlarged.any()


def test_a_threshold_only_takes_away():
    explorer = detections()
    for net in NETS:
        for page in pages():
            before = None
            for value in (0.05, 0.3, 0.6, 0.95):
                data = explorer.set(net=net, picture=page.name, score=value).data
                right = len(data.boxes["right"])
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
    assert len(data.boxes["unjudged"]) == int((expected["scores"] >= 0.2).sum())
    assert "nothing here is labelled" in explorer.readout


@pytest.mark.bad_input
def test_a_picture_that_is_none():
    with pytest.raises(ValueError, match="source: cannot read"):
        detections(b"no picture")
