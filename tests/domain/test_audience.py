from __future__ import annotations

import pytest

from engine.domain.audience import AudienceFilter


@pytest.mark.parametrize(
    ("tags", "codes", "tag", "code", "expected"),
    [
        ((), (), "new", "916", True),
        ((), (), "", "916", True),
        (("new",), (), "new", "916", True),
        (("new", "vip"), (), "vip", "916", True),
        (("new",), (), "old", "916", False),
        (("",), (), "", "916", True),
        (("",), (), "new", "916", False),
        ((), ("916",), "new", "916", True),
        ((), ("916",), "new", "917", False),
        (("new",), ("916",), "new", "916", True),
        (("new",), ("916",), "new", "917", False),
        (("new",), ("916",), "old", "916", False),
    ],
)
def test_a_client_must_be_in_both_lists_and_an_empty_one_does_not_restrict(
    tags: tuple[str, ...], codes: tuple[str, ...], tag: str, code: str, expected: bool
) -> None:
    assert AudienceFilter(tags, codes).matches(tag, code) is expected
