"""Note 08's nets, what comes after them, what mending their errors gains, and masks from a few labels."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fpnlib.claims import Measurement
from fpnlib.data.voc import VOID
from fpnlib.notes.segmentation_difficulties.experiments import (
    CLAIMS,
    context,
    cues,
    finer_strides,
    means,
    nets,
    post_processing,
    repair,
    shown,
    weak_labels,
)
from fpnlib.training.segmenter import void_classes


@pytest.fixture(scope="module")
def given():
    return nets.scenes_of(nets.OTHER_NET, 3)


def perfect(given, stride):
    """Logits of a perfect answer at a stride."""
    return 20 * F.avg_pool2d(F.one_hot(given.semantic.long(), 6).movedim(-1, 1).float(), stride)


def test_the_stored_nets_know_the_scenes_and_the_finer_one_more():
    found = {
        stride: np.mean([shown.score(one, place) for place, one in enumerate(shown.logits_of(stride))], 0)
        for stride in shown.NETS.values()
    }
    empty = F.one_hot(torch.zeros(shown.SIDE, shown.SIDE, dtype=torch.int64), 6).movedim(-1, 0).float()
    nothing = np.mean([shown.score(empty, place) for place in range(shown.SCENES)], 0)
    assert (nothing < found[32]).all()
    assert (found[32] < found[8]).all()


def test_what_is_shown_is_a_part_of_its_scene_and_true_labels_score_one():
    for place, one in enumerate(shown.shown()):
        assert one.picture.shape == (shown.SIDE, shown.SIDE, 3)
        assert (one.truth[one.truth != VOID] == one.classes[one.truth != VOID]).all()
        assert len(one.classes.unique()) > 2
        assert shown.score(F.one_hot(one.classes.long(), 6).movedim(-1, 0).float(), place) == (1, 1)


def test_no_seed_is_tested_on_scenes_that_were_tuned_on_or_shown():
    firsts = [nets.first_scene(seed) for seed in (*range(nets.SEEDS), nets.OTHER_NET)] + [nets.FIRST_SHOWN]
    assert np.diff(sorted(firsts)).min() >= nets.TESTED
    assert nets.OTHER_NET >= nets.SEEDS
    assert len(nets.scenes_of(0, 3)) == 3


def test_an_answer_is_enlarged_to_the_scene_and_void_has_no_share_in_its_scores(given):
    said = nets.labels(perfect(given, 4).half())
    assert said.shape == given.semantic.shape
    void = nets.counted(given) == VOID
    wrong = torch.where(void, 1 + given.semantic % 5, given.semantic)
    assert nets.miou(wrong, nets.counted(given)) == nets.score(wrong, given)["miou"] == 1
    assert nets.score(said, given)["miou"] > nets.score(nets.labels(perfect(given, 32).half()), given)["miou"]


def test_early_losses_need_no_other_seed_and_no_whole_training():
    together, alone = nets.early_losses([3, 4], (32,)), nets.early_losses([4], (32,))
    assert together["early_32"][1] == alone["early_32"][0]
    assert together["early_32"][0] != together["early_32"][1]


def test_the_control_has_the_same_regions_somewhere_else(given):
    segments = post_processing.superpixels(nets.pictures(given)[0], post_processing.SUPERPIXELS[8])
    control = post_processing.elsewhere(segments)
    assert torch.equal(segments.flatten().bincount(), control.flatten().bincount())
    assert not torch.equal(segments, control)
    assert abs(len(segments.unique()) * post_processing.SUPERPIXELS[8].side ** 2 / segments.numel() - 1) < 0.3


def test_a_crf_and_superpixels_mend_a_coarse_answer_where_colour_tells_the_classes(given):
    logits = perfect(given, 32).half() / 20
    plain = nets.score(nets.labels(logits), given)["miou"]
    for settings in (post_processing.CRFS[8], post_processing.SUPERPIXELS[8]):

        def way(one, image, true, settings=settings):
            return post_processing._run(settings, one, post_processing.drawn(true), true)

        assert nets.score(post_processing._each(logits, given, way), given)["miou"] > plain + 0.02


def test_bands_are_what_lies_near_a_boundary(given):
    for pixels in (1, 3, 8):
        assert torch.equal(repair.near(given, pixels), void_classes(given, pixels) == VOID)


def test_lines_and_areas_are_told_apart_by_their_width():
    wrong = torch.zeros(2, 40, 40, dtype=torch.bool)
    wrong[0, :, 5:9] = True
    wrong[0, 20:25, 20:25] = True
    wrong[1, :3] = True
    found = repair.wide(wrong, 4)
    assert not found[0, :, :10].any()
    assert found[0, 20:25, 20:25].all()
    assert found[0].sum() == 25
    # A strip at the edge may go on beyond it.
    assert found[1].sum() == 3 * 40
    assert not repair.wide(wrong, 8)[0].any()
    assert not repair.wide(torch.zeros_like(wrong), 4).any()
    assert repair.wide(torch.ones_like(wrong), 4).all()


def test_mending_gains_what_it_says(given):
    said = nets.labels(perfect(given, 32).half())
    truth = nets.counted(given)
    found = repair.gains(said, given)
    for name, part in repair.parts_of(said, given).items():
        mended = torch.where(part, given.semantic, said)
        assert nets.miou(mended, truth) - nets.miou(said, truth) == pytest.approx(found[name], abs=1e-12)
        assert found[name] >= 0
    # All of what is wrong lies in one of two parts.
    for one, other in (("band_4", "inside_4"), ("line_8", "area_8")):
        both = repair.parts_of(said, given)
        assert (both[one] | both[other] | (said == given.semantic)).all()
        assert not (both[one] & both[other]).any()


def test_an_object_is_mostly_wrong_if_less_than_half_of_it_is_right(given):
    assert not repair.mostly_wrong(given.semantic, given).any()
    otherwise = repair.called_otherwise(given)
    wrong = repair.mostly_wrong(otherwise, given)
    assert torch.equal(wrong, otherwise != given.semantic)
    assert [len(one[part].unique()) for one, part in zip(given.instances, wrong, strict=True)] == [1] * 3


def test_planted_errors_are_what_they_are_called(given):
    line, area = repair.gains(repair.line_off(given), given), repair.gains(repair.called_otherwise(given), given)
    assert line["band_4"] == pytest.approx(1 - line["miou"])
    assert line["inside_4"] == pytest.approx(0)
    assert line["area_8"] < line["line_8"]
    assert area["objects"] == pytest.approx(1 - area["miou"])
    assert area["area_8"] > 10 * area["line_8"]


def test_two_answers_made_to_differ_by_the_mean(given):
    few, silent = means.small_missing(given), means.silent_at_times(given)
    assert torch.equal(silent[1:], given.semantic[1:])
    assert not silent[0].any()
    assert ((few == given.semantic) | (few == 0)).all()
    sides = torch.cat([(boxes[:, 2:] - boxes[:, :2]).amax(1) for boxes in given.boxes])
    scenes = zip(few, given.instances, given.boxes, strict=True)
    gone = [not one[number == i + 1].any() for one, number, boxes in scenes for i in range(len(boxes))]
    assert gone == (sides < 32).tolist()


@pytest.mark.parametrize("id", ["SD-2", "SD-8", "SD-11", "SD-13", "SD-14"])
def test_a_claim_judges_what_its_nets_say(id, given, monkeypatch):
    """Perfect answers at stride 8 in place of trained nets: little is gained, and every criterion finds its number."""
    for module in (means, post_processing, finer_strides, repair):
        monkeypatch.setattr(module, "scenes_of", lambda seed, count=3: given)
        monkeypatch.setattr(module, "answers", lambda seed, stride, scenes=512, *, fine_tune: perfect(given, 8).half())
        monkeypatch.setattr(module, "early_losses", lambda seeds, strides, *, fine_tune: {})
    (claim,) = (claim for claim in CLAIMS if claim.id == id)
    found = Measurement.over_seeds(claim.measure([0, 1]))
    assert claim.judge(found).verdict in ("not shown", "depends")
    gained = {
        "SD-2": "crf_8",
        "SD-8": "disagree",
        "SD-11": "pooled_8",
        "SD-13": "miou_gain_8_4",
        "SD-14": "band_4_at_8",
    }
    assert found.value(gained[id]) <= 0.05


def test_dilation_changes_the_receptive_field_and_nothing_else():
    made = [context.context_net(dilation) for dilation in context.DILATIONS]
    assert len({sum(p.numel() for p in net.parameters()) for net in made}) == 1
    assert [context.reach(dilation) for dilation in context.DILATIONS] == [9, 13, 21, 37]


def test_only_the_marker_tells_the_third_class_from_the_fourth():
    for seed in range(40):
        image, classes = context.example(seed)
        assert image.shape == (context.HEIGHT, context.WIDTH, 3)
        asked = np.argwhere(classes >= 3)
        assert len(asked) == 81
        assert len(np.unique(classes[classes >= 3])) == 1
        assert ((classes == 1) | (classes == 2)).sum() == 81
        # The marker is of grey coins, on a background that is not.
        y, x = asked.mean(0).astype(int)
        grey = [np.ptp(image[y - 2 : y + 3, x + d - 2 : x + d + 3].astype(int), axis=2).max() == 0 for d in (-11, 11)]
        assert grey == [classes[y, x] == 3, classes[y, x] == 4]


def test_a_unit_says_what_its_patch_says_unless_the_patch_sticks_out_of_the_image():
    torch.manual_seed(0)
    net = context.context_net(2)
    for layer in net:
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.bias)
    images = torch.randn(1, 3, context.HEIGHT, context.WIDTH)
    inside, border = context.patches_apart(net, 2, images)
    assert inside < 1e-12
    assert border > 1e-3


def test_a_net_that_looks_beyond_its_field_is_noticed(monkeypatch):
    """Classify patches a pixel smaller all around than what the net sees."""
    torch.manual_seed(0)
    honest = context.reach
    monkeypatch.setattr(context, "reach", lambda dilation: honest(dilation) - 2)
    monkeypatch.setattr(
        context,
        "context_net",
        lambda dilation, padded=True, made=context.context_net: (
            made(dilation, padded=padded)
            if padded
            else torch.nn.Sequential(torch.nn.ZeroPad2d(1), *made(dilation, padded=False)).requires_grad_(False)
        ),
    )
    net = context.context_net(2)
    renamed = torch.nn.Sequential(torch.nn.Identity(), *net)
    inside, _ = context.patches_apart(renamed, 2, torch.randn(1, 3, context.HEIGHT, context.WIDTH))
    assert inside > 1e-6


def test_what_a_patch_can_tell_is_geometry():
    """Count the pixels of a patch whose field holds a pixel of a place where a marker may stand."""
    half, near, far = context._PATCH // 2, context._AWAY - context._MARKER // 2, context._AWAY + context._MARKER // 2
    for dilation in context.DILATIONS:
        radius = context.reach(dilation) // 2
        places = {side * x for side in (-1, 1) for x in range(near, far + 1)}
        knows = [any(abs(x - place) <= radius for place in places) for x in range(-half, half + 1)]
        assert context.reachable(dilation) == pytest.approx(np.where(knows, 1, 0.5).mean())
    assert context.reachable(context.HOLDS) == 1


def test_edges_decide_where_an_unsure_boundary_runs():
    ramp = torch.linspace(1, 0, 21).expand(9, 21)
    probabilities = torch.stack([ramp, 1 - ramp])
    edges = np.zeros((9, 21))
    edges[:, 13] = 1
    labels = cues.with_edges(probabilities, edges, 0.8)
    assert (labels[:, :13] == 0).all()
    assert (labels[:, 14:] == 1).all()
    plain = probabilities.argmax(0).numpy()
    assert (plain[:, 11:13] == 1).all()


def test_true_edges_mend_a_coarse_answer_and_void_has_no_share():
    photo, edges = cues.prepared("2011_000003")
    answer = cues.coarse_answer(photo.labels, 32, 0)
    torch.testing.assert_close(answer.sum(0), torch.ones(338, 500))
    assert len(answer) == 3
    before = cues.score(photo, answer.argmax(0).numpy())
    after = cues.score(photo, cues.with_edges(answer, edges["truth"], cues.SURE["truth"]))
    assert after[0] > before[0] + 0.1
    assert cues.score(photo, photo.labels.numpy()) == (1, 1)


@pytest.mark.parametrize("cue", list(cues.SURE))
def test_edges_are_where_colours_or_labels_change(cue):
    edges = cues.prepared("2011_000025")[1][cue]
    assert edges.shape == (375, 500)
    assert edges.min() >= 0
    assert np.median(edges) < edges.max() / 3


def test_a_coarse_answer_holds_probabilities_and_repeats():
    first, again, other = (cues.coarse_answer(cues.prepared("cafe")[0].labels, 16, seed) for seed in (0, 0, 1))
    assert first.shape[1:] == (375, 500)
    torch.testing.assert_close(first.sum(0), torch.ones(375, 500))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("kind", ["scribbles", "points"])
@pytest.mark.parametrize("count", [2, 16, 64])
def test_labels_are_as_many_as_asked_and_right(kind, count):
    for place, crop in enumerate(weak_labels.crops()):
        labels = weak_labels.draw_labels(kind, crop.mask, count, place)
        assert labels.on.sum() == labels.off.sum() == count // 2
        assert not (labels.on & ~crop.mask).any()
        assert not (labels.off & crop.mask).any()


@pytest.mark.parametrize("kind", ["scribbles", "points"])
def test_no_hand_labels_the_void_border(kind):
    for place, crop in enumerate(weak_labels.crops()):
        assert (crop.mask & ~crop.void).sum() >= weak_labels.COUNTS[-1]
        labels = weak_labels.draw_labels(kind, crop.mask, 64, place, crop.void)
        assert labels.on.sum() == labels.off.sum() == 32
        assert not ((labels.on | labels.off) & crop.void).any()


def test_the_void_border_is_no_error():
    crop = weak_labels.crops()[0]
    for found in (crop.mask | crop.void, crop.mask & ~crop.void):
        assert weak_labels.counted_iou(found, crop) == 1
    assert weak_labels.counted_iou(np.ones_like(crop.mask), crop) < 1


def test_a_box_says_what_is_outside():
    crop = weak_labels.crops()[0]
    labels = weak_labels.draw_labels("box", crop.mask, 4, 0)
    assert not labels.on.any()
    assert not (labels.off & crop.mask).any()
    rows, columns = (np.flatnonzero(crop.mask.any(axis)) for axis in (1, 0))
    assert (~labels.off).sum() == len(range(rows[0], rows[-1] + 1)) * len(range(columns[0], columns[-1] + 1))


@pytest.mark.parametrize("method", weak_labels.METHODS[1:])
def test_a_method_that_looks_at_the_image_finds_a_plain_object(method):
    mask = np.zeros((40, 50), bool)
    mask[5:30, 8:20] = True
    image = np.where(mask[..., None], np.array([200, 40, 40]), np.array([30, 60, 160])).astype(np.uint8)
    labels = weak_labels.draw_labels("points", mask, 4, 1)
    assert (weak_labels.mask_from(method, image, labels) == mask).all()
    assert not (weak_labels.mask_from("nearest label", image, labels) == mask).all()


@pytest.mark.parametrize("method", weak_labels.METHODS)
def test_labelled_pixels_keep_their_labels(method):
    for place in (0, 9):
        crop = weak_labels.crops()[place]
        labels = weak_labels.draw_labels("scribbles", crop.mask, 32, place)
        found = weak_labels.mask_from(method, crop.image, labels)
        assert found[labels.on].all()
        assert not found[labels.off].any()
