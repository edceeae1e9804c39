"""gateway/http/accepting.py: what an Accept header wants (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import pytest

from gateway.http.accepting import best_type

OFFERED = ("text/csv", "application/x-ndjson")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/csv"),
        ("*/*", "text/csv"),
        ("APPLICATION/X-NDJSON", "application/x-ndjson"),
        ("text/csv;q=0.1, application/*", "application/x-ndjson"),
        ("text/csv;q=0, */*", "application/x-ndjson"),
        ("*/*;q=0", None),
        ("application/json", None),
        ("text/csv;q=nonsense", None),
        ("nonsense", None),
        ("nonsense, text/*;level=1;q=0.5", "text/csv"),
        ("text/csv;q=7, application/x-ndjson", "text/csv"),
    ],
)
def test_best_type(accept: str, expected: str | None) -> None:
    assert best_type(accept, OFFERED) == expected
