"""Note 08: what a line costs a mask, and labels that are drawn together."""

import itertools

import numpy as np
import pytest
import torch
from scipy import ndimage

from fpnlib.data.voc import VOID
from fpnlib.notes.segmentation_difficulties.experiments import draws
from fpnlib.notes.segmentation_difficulties.experiments.contours import contour, contours
from fpnlib.notes.segmentation_difficulties.experiments.masks import iou
from fpnlib.notes.segmentation_difficulties.experiments.photos import cafe
from fpnlib.notes.segmentation_difficulties.experiments.post_processing import CRF
from fpnlib.notes.segmentation_difficulties.experiments.shown import shown
from fpnlib.notes.segmentation_difficulties.explorers import crf, price_of_a_line
from fpnlib.ops import dense_crf


def disc(radius, size=120):
    rows, columns = np.mgrid[:size, :size] - size / 2
    return rows**2 + columns**2 <= radius**2


@pytest.mark.parametrize("radius", [8, 20, 45])
def test_a_discs_contour_is_as_long_as_a_circle(radius):
    assert contour(disc(radius)).length == pytest.approx(2 * np.pi * radius, rel=0.1)  # steps are longer than an arc


def test_a_box_has_its_own_length_and_none_where_the_photo_ends():
    mask = np.zeros((40, 60), bool)
    mask[10:30, 20:50] = True
    assert contour(mask).length == pytest.approx(2 * (20 + 30), abs=4)
    mask[:, :20] = mask[10:30, 20:50] = False
    mask[:, 40:] = True
    assert contour(mask).length == pytest.approx(39)  # from the middle of the first pixel to that of the last


@pytest.mark.parametrize("line", [1, 2, 5])
def test_without_a_border_the_cost_is_that_of_the_larger_mask(line):
    for mask in cafe().masks[::4]:
        larger = mask | torch.as_tensor(ndimage.distance_transform_edt(~mask.numpy()) <= line)
        assert contour(mask.numpy()).cost(line, 0) == pytest.approx(1 - iou(larger, mask))


def test_a_border_hides_a_line_within_its_outer_half():
    for void, line in itertools.product(range(6), range(1, 7)):
        one = contours()[0][15]
        marked = one.void(void)
        assert (one.cost(line, void) == 0) == (line <= void - void // 2)
        assert (one.outside[marked] <= void - void // 2).all()
        assert (one.inside[marked] <= void // 2).all()
        kept, wrong = ((part & ~marked).sum() for part in (one.inside > 0, one.wrong(line)))
        assert one.cost(line, void) == pytest.approx(wrong / (kept + wrong))


@pytest.mark.parametrize("mask", [np.zeros((5, 5), bool), np.ones((5, 5), bool)])
def test_a_mask_needs_an_inside_and_an_outside(mask):
    with pytest.raises(ValueError, match=r"mask: got .* of 25 pixels, allowed: some, not all"):
        contour(mask)


SETTINGS = CRF(1, 1.5, 0.7, 3.0, 20.0, 1.3)


def small(labels=2, height=2, width=3):
    chance = np.random.default_rng(1)
    picture = chance.integers(0, 60, (height, width, 3)).astype(np.uint8)
    log_p = torch.as_tensor(chance.normal(size=(labels, height, width))).log_softmax(0).float().numpy()
    return picture, log_p


def test_ties_are_what_mean_field_heeds():
    picture, log_p = small(3, 5, 6)
    tied = torch.as_tensor(draws.ties(picture, SETTINGS))
    assert (tied.diagonal() == 0).all()
    torch.testing.assert_close(tied, tied.T)
    unary = torch.as_tensor(-log_p)
    found = dense_crf(unary, torch.as_tensor(picture), **SETTINGS._asdict())
    # Mean field lets a pixel heed itself. What its own tie adds is all that may be missing.
    own = found.log() - (-unary + (unary.neg().softmax(0).flatten(1) @ tied).view_as(unary))
    q = unary.neg().softmax(0)
    differences = own - own.mean(0)
    spread = q - q.mean(0)
    factor = (differences * spread).sum(0) / (spread * spread).sum(0)
    torch.testing.assert_close(differences, factor * spread, atol=1e-4, rtol=1e-3)
    assert (factor > 0).all()


def test_label_maps_come_as_often_as_the_crf_says():
    picture, log_p = small()
    tied = draws.ties(picture, SETTINGS)
    flat = log_p.reshape(2, -1)
    every = np.array(list(itertools.product(range(2), repeat=6)))
    same = every[:, :, None] == every[:, None, :]
    score = flat[every, np.arange(6)].sum(1) + (same * tied).sum((1, 2)) / 2
    expected = np.exp(score) / np.exp(score).sum()
    found = draws.gibbs(log_p, tied, 20_000, seed=0)[1:].reshape(-1, 6)
    count = np.bincount(found @ 2 ** np.arange(5, -1, -1), minlength=64) / len(found)
    assert np.abs(count - expected).max() < 0.01
    apart = np.exp(flat[every, np.arange(6)].sum(1))
    assert np.abs(apart / apart.sum() - expected).max() > 0.05  # ties matter here


def test_without_ties_each_pixel_is_drawn_by_itself():
    _, log_p = small(3)
    found = draws.gibbs(log_p, np.zeros((6, 6), np.float32), 5000, seed=1)
    share = np.stack([(found == label).mean(0) for label in range(3)])
    np.testing.assert_allclose(share, np.exp(log_p), atol=0.03)


@pytest.mark.bad_input
def test_a_sampler_refuses_what_does_not_fit():
    _, log_p = small()
    with pytest.raises(ValueError, match="sweeps: got -1"):
        draws.gibbs(log_p, np.zeros((6, 6), np.float32), -1, seed=0)
    with pytest.raises(ValueError, match=r"tied: got shape \(5, 6\)"):
        draws.gibbs(log_p, np.zeros((5, 6), np.float32), 1, seed=0)


def test_neighbours_that_differ_are_counted():
    labels = np.array([[0, 0, 1], [0, 2, 1]])
    assert draws.differ(np.stack([labels, labels * 0])).tolist() == [pytest.approx(4 / 7), 0]


def test_a_mask_of_ones_own_is_priced_beside_the_others():
    mask = np.zeros((100, 100), bool)
    mask[20:60, 20:60] = True
    data = price_of_a_line(mask, line=2).data
    assert data.yours == (2 * contour(mask).length_by_area, contour(mask).cost(2, 0))
    assert price_of_a_line(line=2).data.yours == data.yours
    assert price_of_a_line(disc(8), line=2).data.yours != data.yours
    with pytest.raises(ValueError, match="mask"):
        price_of_a_line(np.ones((4, 4, 3)))
    with pytest.raises(ValueError, match="mask"):
        price_of_a_line(np.zeros((4, 4), bool))


def test_most_of_what_a_crf_gains_in_scene_1_is_classes_that_leave_the_mean():
    def over_true_classes(scene):
        truth, data = shown()[scene - 1].truth.numpy(), crf(scene=scene, iterations=5).data
        counts = truth != VOID
        found = [
            [
                ((one == c) & (truth == c)).sum() / (((one == c) | (truth == c)) & counts).sum()
                for c in np.unique(truth[counts])
            ]
            for one in data.labels
        ]
        return [np.mean(ious) for ious in found]

    assert over_true_classes(1) == pytest.approx([0.57, 0.65], abs=0.005)
    scores = crf(scene=1, iterations=5).data.scores
    assert [one.miou for one in scores] == pytest.approx([0.38, 0.65], abs=0.005)
    before, after = over_true_classes(6)
    assert after < before
