import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from fpnlib.data import photo
from fpnlib.ops import PermutohedralLattice, dense_crf
from fpnlib.ops.dense_crf import EXACT_PIXELS

SETTINGS = {
    "spatial_sigma": 3.0,
    "spatial_weight": 2.0,
    "bilateral_spatial_sigma": 20.0,
    "bilateral_color_sigma": 15.0,
    "bilateral_weight": 3.0,
}
UNARY = torch.zeros(2, 4, 5)
IMAGE = torch.zeros(4, 5, 3, dtype=torch.uint8)


def crop(name, size, step=3):
    pixels = torch.as_tensor(np.array(photo(name)))
    return pixels[40 : 40 + step * size : step, 120 : 120 + step * size : step].contiguous()


def noisy_unary(labels, size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, labels, 6, 6, generator=generator) * 2
    logits = F.interpolate(coarse, size=(size, size), mode="bilinear")[0]
    return -(logits + torch.randn(labels, size, size, generator=generator)).log_softmax(0)


def kernels(image, spatial_sigma, bilateral_spatial_sigma, bilateral_color_sigma, **_):
    """Both kernels in full, from their definitions, normalised on both sides."""
    height, width, _ = image.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([rows, columns], -1).view(-1, 2).float()
    colour = image.view(-1, 3).float()
    apart = ((place[:, None] - place) ** 2).sum(-1)
    unlike = ((colour[:, None] - colour) ** 2).sum(-1)
    spatial = torch.exp(-apart / (2 * spatial_sigma**2))
    bilateral = torch.exp(-apart / (2 * bilateral_spatial_sigma**2) - unlike / (2 * bilateral_color_sigma**2))
    return [kernel / (kernel.sum(0)[:, None] * kernel.sum(0)).sqrt() for kernel in (spatial, bilateral)]


def mean_field(unary, image, iterations, spatial_weight, bilateral_weight, **sigmas):
    """Brute force: what each label costs given the others' probabilities, with the Potts penalty written out."""
    spatial, bilateral = kernels(image, **sigmas)
    coupling = (spatial_weight * spatial + bilateral_weight * bilateral).float()
    energy = unary.flatten(1)
    q = torch.softmax(-energy, 0)
    for _ in range(iterations):
        others = torch.stack([(q.sum(0) - q[label]) @ coupling for label in range(len(q))])
        q = torch.softmax(-energy - others, 0)
    return q.view_as(unary)


@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_small_images_equal_brute_force(name, labels):
    image, unary = crop(name, 30), noisy_unary(labels, 30)
    found = dense_crf(unary, image, iterations=5, **SETTINGS)
    expected = mean_field(unary, image, 5, **SETTINGS)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert (found.argmax(0) != unary.argmin(0)).float().mean() > 0.05  # the field did something


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_the_lattice_is_near_brute_force(name):
    """Larger than what is done exactly; weights of 1, so that the field does not amplify the filter's error."""
    image, unary = crop(name, 65), noisy_unary(2, 65)
    assert unary[0].numel() > EXACT_PIXELS
    weak = SETTINGS | {"spatial_weight": 1.0, "bilateral_weight": 1.0}
    found = dense_crf(unary, image, iterations=5, **weak)
    expected = mean_field(unary, image, 5, **weak)
    assert (found - expected).abs().max() < 0.07
    assert (found.argmax(0) == expected.argmax(0)).float().mean() > 0.995


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_the_lattice_weighs_neighbours_as_the_gaussian_does(name):
    image = crop(name, 24, step=6)
    sigmas = {key: value for key, value in SETTINGS.items() if "sigma" in key}
    expected = kernels(image, **sigmas)[1]
    rows, columns = torch.meshgrid(torch.arange(24), torch.arange(24), indexing="ij")
    points = torch.cat([torch.stack([rows, columns], -1) / 20.0, image / 15.0], -1).view(-1, 5)
    raw = PermutohedralLattice(points).filter(torch.eye(24 * 24)).double()
    found = raw / (raw.sum(1)[:, None] * raw.sum(1)).sqrt()
    # The lattice's kernel is no exact Gaussian: its published form has this much error too.
    off = (found - expected).abs().sum(1) / expected.sum(1)
    assert off.mean() < 0.15


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 99))
def test_shares_are_barycentric(dimensions, count, seed):
    """A point's shares are positive, sum to 1, and filter a constant to nearly one value where points coincide."""
    points = torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed)) * 3
    lattice = PermutohedralLattice(points)
    assert (lattice._shares > -1e-6).all()
    torch.testing.assert_close(lattice._shares.sum(1), torch.ones(count))
    twice = PermutohedralLattice(points[:1].expand(4, dimensions).contiguous()).filter(torch.eye(4))
    torch.testing.assert_close(twice, twice[:1].expand(4, 4).contiguous())


def test_a_uniform_kernel_gives_everyone_the_mean_field():
    """With sigmas beyond the image every pixel hears all others alike; on the lattice as exactly."""
    image = torch.full((70, 70, 3), 128, dtype=torch.uint8)
    unary = noisy_unary(2, 70)
    wide = {"spatial_sigma": 1e4, "bilateral_spatial_sigma": 1e5, "bilateral_color_sigma": 10.0}
    found = dense_crf(unary, image, iterations=1, spatial_weight=0.0, bilateral_weight=2.0, **wide)
    prior = (-unary).softmax(0).mean((1, 2), keepdim=True)
    torch.testing.assert_close(found, (-unary + 2 * prior).softmax(0), atol=2e-3, rtol=0)
    found = dense_crf(unary, image, iterations=1, spatial_weight=2.0, bilateral_weight=0.0, **wide)
    torch.testing.assert_close(found, (-unary + 2 * prior).softmax(0), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width", "sigma"), [(66, 70, 1.0), (131, 64, 3.0), (200, 37, 0.5), (65, 65, 40.0)])
def test_the_spatial_kernel_is_exact_at_any_size(height, width, sigma):
    generator = torch.Generator().manual_seed(0)
    unary = torch.randn(2, height, width, generator=generator).float()
    image = torch.zeros(height, width, 3, dtype=torch.uint8)
    sigmas = {"spatial_sigma": sigma, "bilateral_spatial_sigma": 1.0, "bilateral_color_sigma": 1.0}
    found = dense_crf(unary, image, iterations=1, spatial_weight=3.0, bilateral_weight=0.0, **sigmas)

    def blur(maps):
        for axis, length in ((1, height), (2, width)):
            place = torch.arange(length).double()
            weights = torch.exp(-((place[:, None] - place) ** 2) / (2 * sigma**2))
            maps = torch.tensordot(maps, weights, dims=([axis], [0])).movedim(-1, axis)
        return maps

    scale = blur(torch.ones(1, height, width, dtype=torch.float64)) ** -0.5
    message = scale * blur(scale * (-unary).softmax(0).double())
    torch.testing.assert_close(found.double(), (-unary + 3 * message).softmax(0), atol=1e-5, rtol=0)


def test_no_iterations_are_the_unary():
    unary = noisy_unary(4, 8)
    torch.testing.assert_close(dense_crf(unary, crop("coffee", 8), iterations=0, **SETTINGS), (-unary).softmax(0))


def test_no_weights_are_the_unary():
    unary = noisy_unary(4, 8)
    none = SETTINGS | {"spatial_weight": 0.0, "bilateral_weight": 0}
    torch.testing.assert_close(dense_crf(unary, crop("coffee", 8), iterations=3, **none), (-unary).softmax(0))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unary": torch.zeros(4, 5)}, "unary"),
        ({"unary": torch.zeros(1, 4, 5)}, "2 labels or more"),
        ({"unary": torch.full((2, 4, 5), torch.nan)}, "unary"),
        ({"unary": torch.zeros(2, 0, 5)}, "at least 1"),
        ({"image": IMAGE.float()}, "torch.uint8"),
        ({"image": IMAGE[:3]}, "the size of unary"),
        ({"iterations": -1}, "iterations"),
        ({"spatial_sigma": 0.0}, "spatial_sigma"),
        ({"bilateral_spatial_sigma": float("nan")}, "bilateral_spatial_sigma"),
        ({"bilateral_color_sigma": float("inf")}, "bilateral_color_sigma"),
        ({"spatial_weight": -1.0}, "spatial_weight"),
        ({"bilateral_weight": float("nan")}, "bilateral_weight"),
    ],
)
def test_bad_input_is_named(change, words):
    with pytest.raises(ValueError, match=words):
        dense_crf(**{"unary": UNARY, "image": IMAGE, "iterations": 1, **SETTINGS, **change})


@pytest.mark.bad_input
def test_sigmas_too_small_for_the_lattice_are_named():
    image = torch.randint(0, 256, (80, 80, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert EXACT_PIXELS < 80 * 80
    with pytest.raises(ValueError, match="bilateral_spatial_sigma, bilateral_color_sigma: got sigmas too small"):
        dense_crf(torch.zeros(2, 80, 80), image, iterations=1, **SETTINGS | {"bilateral_color_sigma": 1e-6})


@pytest.mark.bad_input
def test_the_lattice_names_bad_points():
    with pytest.raises(ValueError, match="points"):
        PermutohedralLattice(torch.zeros(0, 3))
    with pytest.raises(ValueError, match="NaN"):
        PermutohedralLattice(torch.full((2, 3), torch.nan))
    with pytest.raises(ValueError, match="smaller spread"):
        PermutohedralLattice(torch.tensor([[0.0] * 5, [1e6] * 5]))
    with pytest.raises(ValueError, match="one per point"):
        PermutohedralLattice(torch.zeros(2, 3)).filter(torch.zeros(3, 1))
