"""Every saved notebook obeys every rule, and every note has its notebook."""

import pytest

import notebooks

SOURCES = notebooks.find([])


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_notebook_is_in_order(source):
    assert notebooks.check(notebooks.notebook_of(source)) == []


def test_every_notebook_has_a_source():
    assert sorted(notebooks.NOTEBOOKS.glob("*.ipynb")) == [notebooks.notebook_of(source) for source in SOURCES]
    assert SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_pulling_a_fresh_notebook_changes_nothing(source, tmp_path):
    (tmp_path / "source").mkdir()
    copy = tmp_path / "source" / source.name
    copy.write_bytes(source.read_bytes())
    saved = notebooks.notebook_of(copy)
    saved.write_bytes(notebooks.notebook_of(source).read_bytes())
    assert not notebooks.pull(saved)
