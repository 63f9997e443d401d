"""The front page lists every note there is, and nothing else; the pictures are what the code draws."""

import re

import pytest

import pictures
from fpnlib.claims import all_claims
from notebooks import NOTEBOOKS

INDEX = (NOTEBOOKS / "source" / "00-index.py").read_text()
NOTES = sorted(path.stem for path in (NOTEBOOKS / "source").glob("[0-9]*.py") if not path.stem.startswith("00"))


def test_the_front_page_links_every_note_in_order():
    assert re.findall(r"### \[[^\]]+\]\(([^)]+)\.ipynb\)", INDEX) == NOTES


@pytest.mark.parametrize("note", NOTES)
def test_each_entry_has_thumbnail_time_and_ability(note):
    entry = INDEX.split(f"]({note}.ipynb)\n", 1)[1].split("###", 1)[0]
    assert f"](../images/{note}.png)" in entry
    assert re.search(r"\*[^*]*(minutes|hour)", entry)
    assert "You will be able to" in entry


def test_every_note_has_a_thumbnail_and_every_picture_is_drawn_by_code():
    assert sorted(pictures.THUMBNAILS) == NOTES
    assert sorted(pictures.IMAGES.glob("*")) == sorted(map(pictures.path_of, pictures.every_name()))


@pytest.mark.parametrize("note", sorted(pictures.every_name()))
def test_thumbnails_are_what_the_code_draws(note):
    assert pictures.difference(note) < pictures.SAME


@pytest.mark.parametrize(
    ("note", "state"), [("01-precision-recall", {"threshold": -0.5}), ("09-research", {"deadline": "March"})]
)
def test_a_stale_picture_is_noticed(monkeypatch, note, state):
    explorer, shown = pictures.THUMBNAILS[note]
    assert shown | state != shown
    monkeypatch.setitem(pictures.THUMBNAILS, note, (explorer, shown | state))
    assert pictures.difference(note) > pictures.SAME


def test_the_front_page_shows_the_whole_ledger():
    assert "verdicts()" in INDEX
    assert all_claims()


def test_the_moving_picture_moves_and_is_small():
    path = pictures.path_of("moving")
    assert path.stat().st_size < 1_500_000
    frames = pictures._frames(path)
    assert len(frames) > 10
    assert abs(frames[0] - frames[len(frames) // 2]).max() > 50
