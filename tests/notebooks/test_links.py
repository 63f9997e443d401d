"""Links and pictures of the pages beside the notebooks lead somewhere, and pictures have a text."""

import pytest
from nbformat import v4

import notebook_rules
from repository import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "tests").glob("*.md"), *(ROOT / "fpnlib").rglob("*.md")])


def faults(text, folder):
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell(text)])
    return notebook_rules.broken_links(notebook, folder, ROOT) + notebook_rules.missing_alt_text(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    assert faults(page.read_text(), page.parent) == []


@pytest.mark.parametrize("text", ["[x](none.md)", "[x](#no-heading)", "![](images/moving.webp)", "![x](../x.png)"])
def test_a_link_that_leads_nowhere_is_found(text):
    assert faults(text, ROOT)


def test_the_front_matter_has_links():
    assert "](" in (ROOT / "README.md").read_text()
    assert len(PAGES) >= 4
