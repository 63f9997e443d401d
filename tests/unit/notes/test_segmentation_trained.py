"""Note 08's nets on frozen features, what comes after them, and masks from a few labels."""

import numpy as np
import pytest
import torch

from fpnlib.data.scenes import VALIDATION_SEEDS
from fpnlib.notes.segmentation_difficulties import context, cues, nets, trained, weak

SCENES = VALIDATION_SEEDS[80_000:80_006]


def test_every_stride_reads_the_same_maps_on_another_grid():
    _, maps = nets.labelled(SCENES)
    grids = {stride: nets.on_grid(maps, stride) for stride in nets.OUTPUT_STRIDES}
    assert {stride: grid.shape[1:] for stride, grid in grids.items()} == {
        32: (472, 4, 4),
        16: (472, 8, 8),
        8: (472, 16, 16),
    }
    # What is as coarse as the grid is taken as it is; what is finer keeps its mean.
    assert torch.equal(grids[32][:, -320:], maps.c5)
    assert torch.equal(grids[8][:, :40], maps.c3)
    torch.testing.assert_close(grids[32][:, :40].mean((2, 3)), maps.c3.mean((2, 3)))


def test_the_stored_nets_know_the_scenes_and_the_strong_one_more():
    batch, _ = nets.labelled(SCENES)
    found = {name: trained.score(list(nets.logits_of(name, batch.images)), batch) for name in nets.STORED}
    empty = torch.zeros(len(SCENES), 7, nets.SIZE, nets.SIZE)
    empty[:, 0] = 1
    assert trained.score(list(empty), batch).miou < found["weak"].miou < found["strong"].miou
    assert found["weak"].boundary < found["strong"].boundary


def test_training_repeats_and_no_seed_depends_on_those_beside_it():
    first, again = (nets.train(32, [3, 4], 2) for _ in range(2))
    assert torch.equal(first.losses, again.losses)
    alone = nets.train(32, [4], 2)
    torch.testing.assert_close(alone.losses[:, 0], first.losses[:, 1])


def test_a_perfect_answer_scores_one():
    batch, _ = nets.labelled(SCENES)
    perfect = torch.nn.functional.one_hot(batch.semantic, 7).permute(0, 3, 1, 2).float()
    assert trained.score(list(perfect), batch) == (1, 1)


def test_the_control_has_the_same_regions_somewhere_else():
    batch, _ = nets.labelled(SCENES)
    segments = trained.superpixels(trained.pictures(batch)[0], trained.SUPERPIXELS["strong"])
    control = trained.elsewhere(segments)
    assert torch.equal(segments.flatten().bincount(), control.flatten().bincount())
    assert not torch.equal(segments, control)


def test_no_seed_is_tested_on_scenes_that_were_tuned_on_or_shown():
    used = [set(trained.scenes_of(seed)) for seed in range(trained.SEEDS)]
    assert sum(map(len, used)) == len(set.union(*used)) == trained.SEEDS * trained.SCENES
    assert not set.union(*used) & (set(trained._TUNING) | set(SCENES))
    assert trained._TUNING_NET >= trained.SEEDS


def test_sizes_of_objects_are_told_apart():
    batch, _ = nets.labelled(SCENES)
    wrong = torch.zeros_like(batch.semantic)
    assert trained._right_by_size(batch, wrong) == {"small": 0, "medium": 0, "large": 0}
    assert trained._right_by_size(batch, batch.semantic) == {"small": 1, "medium": 1, "large": 1}


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
    for place, crop in enumerate(weak.crops()):
        labels = weak.draw_labels(kind, crop.mask, count, place)
        assert labels.on.sum() == labels.off.sum() == count // 2
        assert not (labels.on & ~crop.mask).any()
        assert not (labels.off & crop.mask).any()


@pytest.mark.parametrize("kind", ["scribbles", "points"])
def test_no_hand_labels_the_void_border(kind):
    for place, crop in enumerate(weak.crops()):
        assert (crop.mask & ~crop.void).sum() >= weak.COUNTS[-1]
        labels = weak.draw_labels(kind, crop.mask, 64, place, crop.void)
        assert labels.on.sum() == labels.off.sum() == 32
        assert not ((labels.on | labels.off) & crop.void).any()


def test_the_void_border_is_no_error():
    crop = weak.crops()[0]
    assert weak.counted_iou(crop.mask | crop.void, crop) == weak.counted_iou(crop.mask & ~crop.void, crop) == 1
    assert weak.counted_iou(np.ones_like(crop.mask), crop) < 1


def test_a_box_says_what_is_outside():
    crop = weak.crops()[0]
    labels = weak.draw_labels("box", crop.mask, 4, 0)
    assert not labels.on.any()
    assert not (labels.off & crop.mask).any()
    rows, columns = (np.flatnonzero(crop.mask.any(axis)) for axis in (1, 0))
    assert (~labels.off).sum() == len(range(rows[0], rows[-1] + 1)) * len(range(columns[0], columns[-1] + 1))


@pytest.mark.parametrize("method", weak.METHODS[1:])
def test_a_method_that_looks_at_the_image_finds_a_plain_object(method):
    mask = np.zeros((40, 50), bool)
    mask[5:30, 8:20] = True
    image = np.where(mask[..., None], np.array([200, 40, 40]), np.array([30, 60, 160])).astype(np.uint8)
    labels = weak.draw_labels("points", mask, 4, 1)
    assert (weak.mask_from(method, image, labels) == mask).all()
    assert not (weak.mask_from("nearest label", image, labels) == mask).all()


@pytest.mark.parametrize("method", weak.METHODS)
def test_labelled_pixels_keep_their_labels(method):
    for place in (0, 9):
        crop = weak.crops()[place]
        labels = weak.draw_labels("scribbles", crop.mask, 32, place)
        found = weak.mask_from(method, crop.image, labels)
        assert found[labels.on].all()
        assert not found[labels.off].any()
