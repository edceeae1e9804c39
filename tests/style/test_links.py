"""What the documents link to is there: files, and headings in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.style.tree import ROOT, name_of

DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_CODE: Final = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_INLINE_CODE: Final = re.compile(r"`[^`\n]*`")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK: Final = re.compile(r"\]\(<?([^)>\s]+)|^\[[^\]]+\]: *(\S+)|\b(?:src|href)=\"([^\"]+)\"", re.MULTILINE)
_ELSEWHERE: Final = re.compile(r"[a-z][a-z0-9+.-]*:")
_OUR_PATH: Final = re.compile(r"`((?:admin|common|deploy|docs|engine|gateway|proto|scripts|tests)/[\w/.-]+)`")
_NOT_IN_ANCHORS: Final = re.compile(r"[^\w\- ]")


def links(text: str) -> Iterator[str]:
    """The targets in a document that are not on other machines."""
    for match in _LINK.finditer(_INLINE_CODE.sub("", _CODE.sub("", text))):
        target = next(filter(None, match.groups()))
        if not _ELSEWHERE.match(target):
            yield target


def anchors(text: str) -> Iterator[str]:
    """The names that GitHub gives to the headings of a document."""
    seen: Counter[str] = Counter()
    for heading in _HEADING.findall(_CODE.sub("", text)):
        name = _NOT_IN_ANCHORS.sub("", heading.lower()).replace(" ", "-")
        yield f"{name}-{seen[name]}" if seen[name] else name
        seen[name] += 1


@cache
def anchors_of(path: Path) -> frozenset[str]:
    return frozenset(anchors(path.read_text(encoding="utf-8")))


def broken(document: Path) -> Iterator[str]:
    """The links of a document that lead nowhere."""
    for link in links(document.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        path = (document.parent / name).resolve() if name else document
        # What is not in the repository is not there for others.
        if not path.exists() or not path.is_relative_to(ROOT) or (anchor and anchor not in anchors_of(path)):
            yield f"{name_of(document)}: {link}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(document: Path) -> None:
    assert list(broken(document)) == []


def test_every_document_is_linked_to() -> None:
    """Nobody finds a page that no other page names."""
    found = {
        (document.parent / link.partition("#")[0]).resolve()
        for document in DOCUMENTS
        for link in links(document.read_text(encoding="utf-8"))
    }
    assert {path for path in DOCUMENTS if path.parent != ROOT} <= found


def test_links_and_anchors_are_read_as_github_does() -> None:
    text = (
        "# What's `new`, in 1.0?\n\n[a\nb](x.md#y) ![i](<p.png>) [w](https://w.org) `[no](no.md)`\n"
        '[r]: ref.md\n<img src="s.svg">\n\n```sh\n# No heading\n[no](no.md)\n```\n\n## Same\n## Same\n'
    )
    assert list(links(text)) == ["x.md#y", "p.png", "ref.md", "s.svg"]
    assert list(anchors(text)) == ["whats-new-in-10", "same", "same-1"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_the_paths_that_are_named_exist(document: Path) -> None:
    named = _OUR_PATH.findall(_CODE.sub("", document.read_text()))
    assert [path for path in named if not (ROOT / path).exists()] == []
