"""Making a labelled scene beside reading one: a JPEG file decoded and brought to the same size."""

import io
import itertools
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from fpnlib.data import photo
from fpnlib.data.scenes import scene


def per_second(call: Callable[[], object], count: int) -> float:
    call()
    begin = time.process_time()
    for _ in range(count):
        call()
    return count / (time.process_time() - begin)


def test_scenes_per_second(benchmark):
    file = io.BytesIO()
    Image.fromarray(photo("china")).save(file, "JPEG", quality=90)

    def read() -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(file.getvalue())).resize((128, 128), Image.Resampling.BILINEAR))

    seeds = itertools.count()
    made, read_rate = per_second(lambda: scene(next(seeds)), 300), per_second(read, 100)
    benchmark.extra_info["scenes_per_second"] = made
    benchmark.extra_info["ratio_to_reading_a_jpeg"] = made / read_rate
    benchmark(lambda: scene(next(seeds)))
    assert made >= read_rate
