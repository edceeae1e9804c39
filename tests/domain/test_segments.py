"""Invariant: the number of segments is the smallest into which the text can be cut between characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.segments import GSM7_ALPHABET, GSM7_BASIC, GSM7_EXTENSION, Segments, count_segments


def fewest_parts(costs: list[int], single: int, part: int) -> int:
    """Try every way to cut: ``best[i]`` is the fewest parts that hold the first ``i`` characters."""
    if sum(costs) <= single:
        return 1 if costs else 0
    best = [0] + [len(costs)] * len(costs)
    for end in range(1, len(costs) + 1):
        size = 0
        for begin in range(end - 1, -1, -1):
            size += costs[begin]
            if size > part:
                break
            best[end] = min(best[end], best[begin] + 1)
    return best[-1]


def runs(*alphabets: str) -> st.SearchStrategy[str]:
    """Texts long enough for several segments: a few runs of a character, so that cuts fall anywhere."""
    run = st.builds(lambda char, times: char * times, st.sampled_from("".join(alphabets)), st.integers(1, 90))
    return st.lists(run, max_size=8).map("".join)


@given(runs("aZ @\n", "€[{\f"))
def test_gsm7_against_every_way_to_cut(text: str) -> None:
    costs = [2 if char in "€[{\f" else 1 for char in text]
    assert count_segments(text) == Segments("gsm7", sum(costs), fewest_parts(costs, 160, 153))


@given(runs("aЯж€", "😀𝄞"))
def test_ucs2_against_every_way_to_cut(text: str) -> None:
    text += "ы"
    costs = [len(char.encode("utf-16-le")) // 2 for char in text]
    assert count_segments(text) == Segments("ucs2", sum(costs), fewest_parts(costs, 70, 67))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments("gsm7", 0, 0)),
        ("a", Segments("gsm7", 1, 1)),
        ("a" * 160, Segments("gsm7", 160, 1)),
        ("a" * 161, Segments("gsm7", 161, 2)),
        ("a" * 306, Segments("gsm7", 306, 2)),
        ("a" * 307, Segments("gsm7", 307, 3)),
        ("€" * 80, Segments("gsm7", 160, 1)),
        # 153 is odd: one septet of each part is left empty, 76 € in each.
        ("€" * 152, Segments("gsm7", 304, 2)),
        ("€" * 153, Segments("gsm7", 306, 3)),
        ("a" * 152 + "€" + "a" * 151, Segments("gsm7", 305, 2)),
        ("a" * 152 + "€" + "a" * 152, Segments("gsm7", 306, 3)),
        ("Я" * 70, Segments("ucs2", 70, 1)),
        ("Я" * 71, Segments("ucs2", 71, 2)),
        ("Я" * 134, Segments("ucs2", 134, 2)),
        ("Я" * 135, Segments("ucs2", 135, 3)),
        ("😀" * 35, Segments("ucs2", 70, 1)),
        ("😀" * 66, Segments("ucs2", 132, 2)),
        ("😀" * 67, Segments("ucs2", 134, 3)),
        # One letter outside the alphabet and the whole text is UCS-2.
        ("a" * 159 + "ç", Segments("ucs2", 160, 3)),
        ("`", Segments("ucs2", 1, 1)),
    ],
)
def test_known_counts(text: str, expected: Segments) -> None:
    assert count_segments(text) == expected


def test_the_alphabet_is_complete() -> None:
    """TS 23.038: 128 codes, one of them the escape; ten printable or page-breaking ones after it."""
    assert len(GSM7_ALPHABET) == 128
    assert len(GSM7_BASIC) == 127
    assert len(GSM7_EXTENSION) == 10
    assert not GSM7_BASIC & GSM7_EXTENSION
    for text in ("".join(sorted(GSM7_BASIC)), "".join(sorted(GSM7_EXTENSION))):
        assert count_segments(text).encoding == "gsm7"


def test_ascii_outside_the_alphabet() -> None:
    ascii_characters = {chr(code) for code in range(128)}
    assert {c for c in ascii_characters - GSM7_BASIC - GSM7_EXTENSION if c.isprintable()} == {"`"}
