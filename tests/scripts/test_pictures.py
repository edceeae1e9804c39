"""The diagrams of the docs: nothing of the lifecycle is missing, and a reader can tell the words apart."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from engine.domain.message import TABLE, Reason, Status
from scripts import pictures
from tests.style.tree import ROOT

PICTURES = {"lifecycle": pictures.lifecycle, "flow": pictures.flow}
NAMESPACE = "{http://www.w3.org/2000/svg}"
LETTER_WIDTH = 7.0


def words_of(svg: str) -> list[tuple[str, float, float]]:
    """Each line of words in a picture, with the middle of its base line."""
    spans = ElementTree.fromstring(svg).iter(f"{NAMESPACE}tspan")
    return [(span.text or "", float(span.attrib["x"]), float(span.attrib["y"])) for span in spans]


def test_the_table_has_every_row_and_how_a_message_comes_and_goes() -> None:
    rows = pictures.rows()
    assert (rows[0].before, rows[0].after) == ("—", "PENDING")
    assert (rows[-1].before, rows[-1].after) == ("PENDING", "—")
    told = [(row.before, row.after, row.event) for row in rows[1:-1]]
    for (status, event), result in TABLE.items():
        assert any((status.name, result.status.name) == pair[:2] and pair[2].startswith(event.value) for pair in told)
    assert len(set(told)) == len(TABLE)
    assert {reason.public for reason in Reason} == set(re.findall(r"\(`(\w+)`\)", pictures.lifecycle_table()))


def test_the_picture_has_each_state_and_the_number_of_each_row() -> None:
    words = [text for text, _, _ in words_of(pictures.lifecycle())]
    assert {status.name for status in Status} <= set(words)
    numbers = [int(each) for text in words for each in re.findall(r"\d+", text)]
    assert sorted(numbers) == list(range(1, len(pictures.rows()) + 1))


@pytest.mark.parametrize("name", PICTURES)
def test_no_words_lie_on_others(name: str) -> None:
    for (one, x, y), (other, at_x, at_y) in combinations(words_of(PICTURES[name]()), 2):
        reach = (len(one) + len(other)) * LETTER_WIDTH / 2
        assert abs(x - at_x) >= reach or abs(y - at_y) >= pictures.LINE_HEIGHT, f"{one!r} lies on {other!r}"


def test_no_page_has_a_diagram_that_only_a_script_would_draw() -> None:
    """The site loads nothing from elsewhere: it would show the diagram's text."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert [
        page.name for page in pages if re.search(r"^ *```\s*(mermaid|plantuml|dot)\b", page.read_text(), re.M)
    ] == []
