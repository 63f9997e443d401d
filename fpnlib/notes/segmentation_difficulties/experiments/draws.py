"""Labels drawn at random: each pixel by its own probabilities, and all together from a fully connected CRF."""

import functools
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8

from fpnlib.notes.segmentation_difficulties.experiments.post_processing import CRF, CRFS
from fpnlib.notes.segmentation_difficulties.experiments.shown import logits_of, shown
from fpnlib.validation import require

STRIDE = 8
"""The net's output stride."""
STEP = 3
"""Every third pixel is taken: a pixel is tied to each other one, and the ties of all would fill a gigabyte."""
SWEEPS = 8


class Given(NamedTuple):
    """A scene as a sampler sees it."""

    picture: UInt8[np.ndarray, "h w 3"]
    truth: Int64[np.ndarray, "h w"]
    log_p: Float[np.ndarray, "labels h w"]


@functools.cache
def given(scene: int) -> Given:
    """Every STEP-th pixel of a scene that is shown, and the log-probabilities that the net has for it."""
    one, at = shown()[scene], (slice(None, None, STEP),) * 2
    log_p = logits_of(STRIDE)[scene].log_softmax(0)
    return Given(one.picture.numpy()[at], one.classes.long().numpy()[at], log_p.numpy()[:, *at])


def ties(picture: UInt8[np.ndarray, "h w 3"], settings: CRF) -> Float[np.ndarray, "pixels pixels"]:
    """How much each pixel heeds each other one, by both kernels of `fpnlib.ops.dense_crf`; none heeds itself."""
    height, width, _ = picture.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([rows, columns], -1).view(-1, 2).float()
    colours = torch.as_tensor(picture).reshape(-1, 3).float()
    alike = torch.cat([places / settings.bilateral_spatial_sigma, colours / settings.bilateral_color_sigma], 1)
    total = torch.zeros(len(places), len(places))
    for weight, points in (
        (settings.spatial_weight, places / settings.spatial_sigma),
        (settings.bilateral_weight, alike),
    ):
        if weight:
            kernel = torch.cdist(points, points).square_().mul_(-0.5).exp_()
            scale = kernel.sum(1).rsqrt()
            total += weight * scale[:, None] * kernel * scale
    return total.fill_diagonal_(0).numpy()


def gibbs(
    log_p: Float[np.ndarray, "labels h w"], tied: Float[np.ndarray, "pixels pixels"], sweeps: int, seed: int
) -> Int64[np.ndarray, "moments h w"]:
    """Draw labels from the CRF whose energy is Σ −log p − Σ ties between pixels of one label, by Gibbs sampling.

    The first labels are drawn for each pixel by itself. In a sweep each pixel, in random order, is drawn anew given all
    others; in the long run whole label maps come as often as the CRF says. Returns the first labels and those after
    each sweep.

    Raises:
        ValueError: fewer than 0 sweeps, or ties of another number of pixels.
    Source: Geman and Geman, "Stochastic Relaxation, Gibbs Distributions, and the Bayesian Restoration of Images"
    (1984).
    """
    require(sweeps >= 0, "sweeps", sweeps, "0 or more")
    count, *size = log_p.shape
    pixels = size[0] * size[1]
    require(tied.shape == (pixels, pixels), "tied", f"shape {tied.shape}", f"{(pixels, pixels)}, a row a pixel")
    chance = np.random.default_rng(seed)
    flat = log_p.reshape(count, pixels)
    labels = (flat + chance.gumbel(size=flat.shape)).argmax(0)
    # What speaks for each label at each pixel: its own word and those that it is tied to.
    words = np.stack([flat[label] + tied[labels == label].sum(0) for label in range(count)])
    moments = [labels.copy()]
    for _ in range(sweeps):
        noise = chance.gumbel(size=(pixels, count)).astype(words.dtype)
        for pixel in chance.permutation(pixels):
            before, now = labels[pixel], (words[:, pixel] + noise[pixel]).argmax()
            if now != before:
                words[before] -= tied[pixel]
                words[now] += tied[pixel]
                labels[pixel] = now
        moments.append(labels.copy())
    return np.stack(moments).reshape(-1, *size)


@functools.lru_cache(maxsize=2)
def _ties_of_weight_1(scene: int) -> Float[np.ndarray, "pixels pixels"]:
    tuned = CRFS[STRIDE]
    settings = tuned._replace(bilateral_weight=1.0, bilateral_spatial_sigma=tuned.bilateral_spatial_sigma / STEP)
    return ties(given(scene).picture, settings)


@functools.lru_cache(maxsize=64)
def drawn(scene: int, weight: float, seed: int) -> Int64[np.ndarray, "moments h w"]:
    """Labels of a shown scene after each of SWEEPS sweeps; σ as tuned for the net, at every STEP-th pixel."""
    return gibbs(given(scene).log_p, weight * _ties_of_weight_1(scene), SWEEPS, seed)


def differ(labels: Int64[np.ndarray, "maps h w"]) -> Float[np.ndarray, " maps"]:
    """The share of each map's pairs of neighbours, beside and below each other, that differ."""
    across, down = labels[..., 1:] != labels[..., :-1], labels[..., 1:, :] != labels[..., :-1, :]
    pairs = across.shape[-2] * across.shape[-1] + down.shape[-2] * down.shape[-1]
    return (across.sum((-2, -1)) + down.sum((-2, -1))) / pairs
