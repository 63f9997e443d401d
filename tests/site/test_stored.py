"""What is stored of each explorer is what the kernel gives, every file is as the manifest says, all is small enough."""

import base64
import hashlib
import math

import pytest
from support.site import Stored, apart, unhinted

from pages import book, live
from pages.__main__ import SITE
from pages.offered import OFFERED

SHOWN = {one.name: one for one in book.explorers(book.notes())}
SAMPLE = 24  # states of each explorer: 1,000 over the book
FAR = 64  # of 255: a mark that is missing or lies elsewhere is farther from the kernel's picture, see test_pages.py


@pytest.fixture(scope="module", params=sorted(SHOWN))
def stored(request):
    return Stored(SITE, request.param)


def test_every_file_is_as_the_manifest_says(stored):
    for file in stored.files():
        digest = hashlib.sha256((stored.folder / file["name"]).read_bytes()).digest()
        assert file["integrity"] == "sha256-" + base64.b64encode(digest).decode()
    assert {path.name for path in stored.folder.iterdir()} == {file["name"] for file in stored.files()}
    assert math.prod(map(len, stored.offered.values())) == stored.line["states"] == len(stored.states)


def test_words_and_pictures_are_the_kernels(stored, chance):
    explorer = SHOWN[stored.folder.name].made()
    every = list(live.states(explorer, stored.offered))
    sample = chance.sample(range(len(every)), min(SAMPLE, len(every)))
    for place, number in enumerate(sample):
        explorer.set(**every[number])
        words = stored.states[number]
        assert (words["code"], words["readout"]) == (repr(explorer).split("\n")[0], explorer.readout)
        if not place:
            told = [words for _, _, words, _ in explorer.told(explorer.data, live.TOLD)]
            assert [words for _, _, words, _ in stored.told(number)] == told
        theme = "light" if place < len(sample) / 2 else "dark"  # an explorer is built anew for another theme
        assert apart(stored.picture(theme, number, 2), unhinted(explorer, theme, 2), 2) < FAR, every[number]
    explorer.close()


def test_the_book_is_large_enough_and_small_enough(manifest):
    assert set(manifest) == set(SHOWN) == set(OFFERED)
    assert sum(line["states"] for line in manifest.values()) >= 10_000
    assert sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) <= 80e6
