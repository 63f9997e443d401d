"""What is stored of each explorer is what the kernel gives, every file is as the manifest says, all is small enough."""

import math

import numpy as np
import pytest
from support.site import Stored

from pages import book, live
from pages.__main__ import SITE

SHOWN = {one.name: one for one in book.explorers(book.notes())}
SAMPLE = 24  # states of each explorer: 1,000 over the book


@pytest.fixture(scope="module", params=sorted(SHOWN))
def stored(request):
    return Stored(SITE / "live" / request.param)


def offered(stored):
    controls = stored.index["spec"]["controls"]
    return {name: one.get("values") or one.get("options") or [False, True] for name, one in controls.items()}


def test_every_file_is_as_the_manifest_says(stored, manifest):
    line = manifest[stored.folder.name]
    assert live.digest((stored.folder / "index.json").read_bytes()) == line["integrity"]
    for file in stored.index["files"]:
        assert live.digest((stored.folder / file["name"]).read_bytes()) == file["integrity"]
    states = math.prod(map(len, offered(stored).values()))
    assert states == line["states"] == len(stored.index["words"])
    assert {len(pictures) for pictures in stored.index["pictures"].values()} == {states}


def test_words_and_pictures_are_the_kernels(stored, chance):
    explorer = SHOWN[stored.folder.name].made()
    every = list(live.states(explorer, offered(stored)))
    for number in chance.sample(range(len(every)), min(SAMPLE, len(every))):
        explorer.set(**every[number])
        words = stored.index["words"][number]
        assert (words["code"], words["readout"]) == (repr(explorer).split("\n")[0], explorer.readout)
        theme = chance.choice(["light", "dark"])
        wanted, _ = explorer.still(explorer.data, every[number], live.DENSITY, theme, offered(stored))
        far = np.abs(stored.picture(theme, number).astype(int) - wanted[..., :3])
        # Large rectangles of photos are stored with a loss that nobody sees; all else is exact.
        assert far.max() == 0 or (explorer.background(1, "light")[1] and far.mean() < 4)
    explorer.close()


def test_the_book_is_large_enough_and_small_enough(manifest):
    assert set(manifest) == set(SHOWN)
    assert sum(line["states"] for line in manifest.values()) >= 10_000
    assert sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) <= 80e6
