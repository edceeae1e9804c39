from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.segments import GSM7_ALPHABET, GSM7_EXTENSION_CODES, count_segments
from engine.provider.smpp.texts import LongTexts, Octets, octets_of, validity_of

GSM7_TEXTS = st.text(
    st.sampled_from([*GSM7_ALPHABET.replace("\x1b", ""), *GSM7_EXTENSION_CODES]), min_size=1, max_size=700
)
TEXTS = st.one_of(GSM7_TEXTS, st.text(min_size=1, max_size=400), st.text("Я😀a€", min_size=1, max_size=400))
HEADER_OCTETS = 6


def _read(octets: Octets) -> str:
    """What a telephone makes of it: parts put together by their headers, decoded."""
    pieces = []
    for number, part in enumerate(octets.parts, 1):
        if octets.esm_class & 0x40:
            assert part[:3] == b"\5\0\3"
            assert tuple(part[4:6]) == (len(octets.parts), number)
            part = part[HEADER_OCTETS:]
        pieces.append(_decode(part, octets.data_coding))
    return "".join(pieces)


def _decode(octets: bytes, data_coding: int) -> str:
    if data_coding == 8:
        return octets.decode("utf-16-be")  # strict: fails on half a pair
    assert data_coding == 0
    extension = {code: char for char, code in GSM7_EXTENSION_CODES.items()}
    codes = iter(octets)
    return "".join(extension[next(codes)] if code == 0x1B else GSM7_ALPHABET[code] for code in codes)


@pytest.mark.parametrize(
    ("text", "data_coding", "octets"),
    [
        ("hi", 0, b"hi"),
        ("@£$¥", 0, b"\0\1\2\3"),
        ("é_Δ ÉÄñüà", 0, b"\x05\x11\x10 \x1f\x5b\x7d\x7e\x7f"),
        ("a€[b]^~|\\{}", 0, b"a\x1be\x1b<b\x1b>\x1b\x14\x1b=\x1b@\x1b/\x1b(\x1b)"),
        ("Да", 8, b"\x04\x14\x04\x30"),
        ("😀", 8, b"\xd8\x3d\xde\x00"),
        ("`", 8, b"\0`"),
    ],
)
def test_octets_of_short_texts(text: str, data_coding: int, octets: bytes) -> None:
    """By the tables of 3GPP TS 23.038."""
    assert octets_of(text, LongTexts.UDH, 1) == Octets(data_coding, 0, (octets,), False)


@given(TEXTS, st.integers(0, 2**63 - 1))
def test_parts_are_what_was_counted_and_give_the_text_back(text: str, reference: int) -> None:
    octets = octets_of(text, LongTexts.UDH, reference)
    assert len(octets.parts) == count_segments(text).segments
    assert _read(octets) == text
    # Unpacked septets: 160 octets of them fit where 140 do.
    assert all(len(part) <= (160 if octets.data_coding == 0 else 140) for part in octets.parts)
    if len(octets.parts) > 1:
        assert {part[3] for part in octets.parts} == {reference & 0xFF}


@given(TEXTS)
def test_a_payload_is_one_part(text: str) -> None:
    octets = octets_of(text, LongTexts.PAYLOAD, 1)
    assert len(octets.parts) == 1
    assert octets.esm_class == 0
    assert octets.is_payload == (count_segments(text).segments > 1)
    assert _read(octets) == text


def test_half_a_pair_is_replaced() -> None:
    assert octets_of("Я\ud83d", LongTexts.UDH, 1).parts == (b"\x04\x2f\x00?",)


def test_more_parts_than_the_header_counts() -> None:
    assert len(octets_of("Я" * 67 * 255, LongTexts.UDH, 1).parts) == 255
    with pytest.raises(ValueError, match="256 parts"):
        octets_of("Я" * (67 * 255 + 1), LongTexts.UDH, 1)


def test_more_octets_than_a_payload_counts() -> None:
    assert len(octets_of("a" * 65535, LongTexts.PAYLOAD, 1).parts[0]) == 65535
    with pytest.raises(ValueError, match="65536 octets"):
        octets_of("Я" * 32768, LongTexts.PAYLOAD, 1)


@pytest.mark.parametrize(
    ("seconds", "form"),
    [
        (0, ""),
        (0.3, "000000000001000R"),
        (59.9, "000000000059000R"),
        (3600, "000000010000000R"),
        (90061, "000001010101000R"),
        (30 * 86400, "000030000000000R"),
        (400 * 86400, "000030000000000R"),
    ],
)
def test_validity(seconds: float, form: str) -> None:
    """Never longer than asked for, and never "no limit" where there is one."""
    assert validity_of(seconds) == form
