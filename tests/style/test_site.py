"""The site of the docs reads what GitHub reads: links beside docs/, lists below a paragraph, lists in lists."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

import pytest

from scripts.docs_hooks import on_page_markdown, with_lists

FENCE: Final = "Text\n```\n- no list\n```"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Text:\n- one\n- two", "Text:\n\n- one\n- two"),
        ("- one\n  more\n- two\n  - in it", "- one\n  more\n- two\n    - in it"),
        ("1. one\n2. two", "1. one\n2. two"),
        (FENCE, FENCE),
    ],
)
def test_lists(written: str, read: str) -> None:
    assert with_lists(written) == read


@pytest.mark.parametrize(
    ("page", "written", "read"),
    [
        ("house.md", "[c](../CONTRIBUTING.md)", "[c](contributing.md)"),
        ("providers/smpp.md", "[c](../../CONTRIBUTING.md)", "[c](../contributing.md)"),
        ("providers/smpp.md", "[b](../behaviour.md#x)", "[b](../behaviour.md#x)"),
        ("operating.md", "[the rules](../deploy/monitoring/alerts.yml)", "the rules (`deploy/monitoring/alerts.yml`)"),
        ("operating.md", "[deploy/monitoring](../deploy/monitoring)", "deploy/monitoring"),
    ],
)
def test_links_out_of_the_docs(page: str, written: str, read: str) -> None:
    where: Any = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    assert on_page_markdown(written, page=where) == read
