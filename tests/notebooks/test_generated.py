"""The README's tables and the front page's glossary are what the code makes of the ledger and the notes."""

import re

import pytest
from markdown_it import MarkdownIt

import generated
from fpnlib.claims import ledger


@pytest.mark.parametrize("path", generated.FILES, ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(path):
    assert generated.filled(path) == path.read_text()


@pytest.mark.parametrize("path", generated.FILES, ids=lambda path: path.name)
def test_a_block_whose_marks_are_gone_is_missed(path, tmp_path):
    mark = re.compile(r"<!-- begin: ([^>]*) -->")
    for name in mark.findall(path.read_text()):
        copy = tmp_path / path.name
        copy.write_text(path.read_text().replace(f"<!-- begin: {name} -->", ""))
        with pytest.raises(ValueError, match=f"the block “{name}” are gone"):
            generated.filled(copy)


def test_every_note_and_every_claim_is_counted():
    table = generated.note_table()
    assert len(generated.notes()) == 9
    assert sum(map(int, re.findall(r"(\d+) (?:hold|fail|depend|not shown|check)", table))) == len(ledger())


def test_findings_are_the_claims_that_do_not_hold():
    against = [row.claim.id for row in ledger() if row.verdict != "holds"]
    assert sorted(re.findall(r"^\| \[([A-Z]+-\d+)\]", generated.findings(), re.MULTILINE)) == sorted(against)


def test_each_note_has_terms_in_the_glossary():
    words = generated.glossary()
    assert {stem[:2] for _, _, where in words.values() for stem in where} == {
        number for number, _, _ in generated.notes()
    }
    assert words["receptive field"][0] == "感受野"
    assert len(words["receptive field"][2]) > 1


def test_the_front_page_has_each_note():
    text = generated.INDEX.read_text()
    for number, _, _ in generated.notes():
        entry = re.split(r"^# ### ", text.split(f"# ### [{number} ·", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
        assert entry


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (generated.note_table(), len(generated.notes())),
        (generated.findings(), sum(row.verdict != "holds" for row in ledger())),
        (generated.size_table(), len(generated.notes())),
        (re.sub(r"^# ?", "", generated.glossary_table(), flags=re.MULTILINE), len(generated.glossary())),
    ],
    ids=["notes", "findings", "sizes", "glossary"],
)
def test_a_table_is_one_for_markdown_too(text, rows):
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert sum(token.type == "tr_open" for token in tokens) == rows + 1
