"""P-Net: valid convolutions, their sizes and windows, and a real face."""

from math import ceil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fpnlib.data import photo
from fpnlib.models import PNet

# The astronaut's face, from the hairline to the chin and from ear to ear, by eye.
FACE = np.array([178, 72, 270, 183])


@pytest.fixture(scope="module")
def network():
    return PNet.pretrained()


@given(st.integers(12, 70), st.integers(12, 70), st.integers(1, 2))
@settings(deadline=None, max_examples=30)
def test_output_has_the_documented_size(height, width, n):
    output = PNet()(torch.zeros(n, 3, height, width))
    places = (ceil((height - 2) / 2) - 4, ceil((width - 2) / 2) - 4)
    assert output.scores.shape == (n, *places)
    assert output.offsets.shape == (n, 4, *places)


@given(st.integers(0, 99), st.integers(12, 30), st.integers(12, 30))
@settings(deadline=None, max_examples=20)
def test_each_place_sees_its_own_window_and_nothing_else(network, seed, height, width):
    x = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        whole = network(x)
        for i in range((height - 12) // 2 + 1):
            for j in range((width - 12) // 2 + 1):
                window = network(x[:, :, 2 * i : 2 * i + 12, 2 * j : 2 * j + 12])
                torch.testing.assert_close(whole.scores[:, i, j], window.scores[:, 0, 0], rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(whole.offsets[..., i, j], window.offsets[..., 0, 0], rtol=1e-4, atol=1e-5)


def test_every_pixel_of_the_window_counts(network):
    x = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(0)).requires_grad_()
    network(x).scores.sum().backward()
    assert (x.grad.abs().sum((0, 1)) > 0).all()


def face_boxes(network, scale, least):
    """Windows that score at least `least` on the astronaut, before and after their offsets, in photo pixels."""
    with torch.no_grad():
        scores, offsets = network(network.preprocess(photo("astronaut"), scale))
    rows, columns = np.nonzero(scores[0].numpy() >= min(least, float(scores.max())))
    windows = 2 * np.stack([columns, rows, columns + 6, rows + 6], axis=1)
    return windows / scale, (windows + 12 * offsets[0, :, rows, columns].numpy().T) / scale


@pytest.mark.parametrize("scale", [0.1, 0.11, 0.12])
def test_finds_the_astronauts_face(network, scale):
    _, (box, *others) = face_boxes(network, scale, least=1.0)
    assert not others
    overlap = np.maximum(np.minimum(box[2:], FACE[2:]) - np.maximum(box[:2], FACE[:2]), 0).prod()
    areas = (box[2:] - box[:2]).prod() + (FACE[2:] - FACE[:2]).prod()
    assert overlap / (areas - overlap) > 0.7


def test_offsets_bring_the_windows_of_one_face_together(network):
    found = [face_boxes(network, scale, least=0.98) for scale in (0.09, 0.1, 0.11, 0.12)]
    windows, refined = (np.concatenate(boxes) for boxes in zip(*found, strict=True))
    assert len(windows) > 6
    assert (refined.std(axis=0) < 0.8 * windows.std(axis=0)).all()


def test_a_face_scores_above_photos_without_one(network):
    names = ("astronaut", "coffee", "chelsea", "coins", "rocket", "flower")
    with torch.no_grad():
        best = {name: float(network(network.preprocess(photo(name), 0.1)).scores.max()) for name in names}
    assert best.pop("astronaut") > 0.999
    assert max(best.values()) < 0.97


def test_pretrained_is_in_eval_mode_with_all_weights(network):
    assert not network.training
    assert sum(p.numel() for p in network.parameters()) == 6632
    assert all(tensor.abs().max() > 0 for tensor in network.state_dict().values())


@pytest.mark.parametrize("scale", [0.1, 0.5, 1.0, 1.5])
def test_preprocess_scales_size_and_range(scale):
    x = PNet.preprocess(photo("cafe"), scale)
    assert x.shape == (1, 3, round(375 * scale), round(500 * scale))
    assert x.abs().max() <= 127.5 / 128 + 1e-6
    assert abs(float(x.mean()) * 128 + 127.5 - photo("cafe").mean()) < 0.5


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(1, 3, 11, 20), (1, 3, 20, 11)])
def test_too_small_an_image_is_refused(shape):
    with pytest.raises(ValueError, match=r"x: got sides \(\d\d, \d\d\), allowed: sides of 12 or more"):
        PNet()(torch.zeros(shape))


@pytest.mark.bad_input
def test_scale_must_be_positive():
    with pytest.raises(ValueError, match=r"scale: got 0, allowed: above 0"):
        PNet.preprocess(photo("cafe"), 0)
