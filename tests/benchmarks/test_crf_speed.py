"""The fully connected CRF on 375×500 pixels, 21 labels, 10 iterations: ours beside pydensecrf2's C++, in one run."""

import multiprocessing
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.side_by_side import amount, compare, least_seconds

from fpnlib.data import photo
from fpnlib.ops import dense_crf

LABELS, HEIGHT, WIDTH, ITERATIONS = 21, 375, 500, 10
SIGMAS = (60, 10)  # of place and of colour


def scene():
    image = torch.as_tensor(np.array(photo("coffee")))[:HEIGHT, :WIDTH].contiguous()
    coarse = torch.randn(1, LABELS, 12, 16, generator=torch.Generator().manual_seed(0)) * 3
    logits = F.interpolate(coarse, size=(HEIGHT, WIDTH), mode="bilinear")[0]
    return -logits.log_softmax(0), image


def ours(unary, image):
    return dense_crf(
        unary,
        image,
        iterations=ITERATIONS,
        spatial_sigma=3,
        spatial_weight=3,
        bilateral_spatial_sigma=SIGMAS[0],
        bilateral_color_sigma=SIGMAS[1],
        bilateral_weight=5,
    )


def theirs(densecrf, unary, image):
    crf = densecrf.DenseCRF2D(WIDTH, HEIGHT, LABELS)
    crf.setUnaryEnergy(unary.numpy().reshape(LABELS, -1).copy())
    crf.addPairwiseGaussian(sxy=3, compat=3)
    crf.addPairwiseBilateral(sxy=SIGMAS[0], srgb=SIGMAS[1], rgbim=image.numpy(), compat=5)
    return torch.tensor(np.array(crf.inference(ITERATIONS))).view(LABELS, HEIGHT, WIDTH)


def test_within_twice_pydensecrf(benchmark):
    densecrf = pytest.importorskip("pydensecrf.densecrf", reason="needs a C++ compiler; see `make bench`")
    unary, image = scene()
    reference = theirs(densecrf, unary, image)
    agree = (ours(unary, image).argmax(0) == reference.argmax(0)).float().mean().item()
    assert agree > 0.97
    mine, cpp = least_seconds(
        lambda: ours(unary, image), lambda: theirs(densecrf, unary, image), rounds=4, clock=time.process_time
    )
    benchmark.pedantic(ours, (unary, image), rounds=1)
    compare(benchmark, "dense CRF, 375×500, 21 labels, 10 iterations", "pydensecrf2 (C++)", cpp / mine, 0.5)


def peak_memory(queue):
    ours(*scene())
    # Not getrusage, whose peak a child inherits.
    status = Path("/proc/self/status").read_text()
    queue.put(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20)


def test_memory(benchmark):
    context = multiprocessing.get_context("spawn")

    def measure():
        queue = context.Queue()
        process = context.Process(target=peak_memory, args=(queue,))
        process.start()
        peak = queue.get(timeout=120)
        process.join()
        return peak

    peak = benchmark.pedantic(measure, rounds=1)
    amount(benchmark, "memory of the dense CRF above at its peak", peak, "GB", 2)
