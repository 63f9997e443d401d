"""Making a labelled scene beside reading one: a JPEG file decoded and brought to the same size."""

import io
import itertools
import time

import numpy as np
from PIL import Image
from support.side_by_side import compare, least_seconds

from fpnlib.data import photo
from fpnlib.data.scenes import scene


def test_scenes_per_second(benchmark):
    file = io.BytesIO()
    Image.fromarray(photo("china")).save(file, "JPEG", quality=90)

    def read() -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(file.getvalue())).resize((128, 128), Image.Resampling.BILINEAR))

    seeds = itertools.count()

    def make(count: int = 300) -> None:
        for _ in range(count):
            scene(next(seeds))

    made, decoded = least_seconds(make, lambda: [read() for _ in range(300)], rounds=2, clock=time.process_time)
    benchmark.extra_info["scenes_per_second"] = 300 / made
    benchmark(lambda: scene(next(seeds)))
    compare(benchmark, "a labelled scene, 128×128", "decoding a JPEG to that size", decoded / made, 1)
