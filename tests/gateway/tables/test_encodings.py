"""gateway/tables/encodings.py: names that people give to encodings."""

from __future__ import annotations

from contextlib import suppress
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tables.encodings import encoding_of
from gateway.tables.text_lines import LineReader, UnreadableInput


@pytest.mark.parametrize(
    ("label", "encoding"),
    [
        *(("utf-8", "utf-8"), ("UTF8", "utf-8"), ("utf_8", "utf-8"), ("utf-8-sig", "utf-8"), ("UTF-16LE", "utf-16-le")),
        *(("windows-1251", "windows-1251"), ("CP1251", "windows-1251"), ("cp-1251", "windows-1251")),
        *(("koi8-r", "koi8-r"), ("KOI8_U", "koi8-u"), ("windows-1252", "windows-1252"), ("latin1", "iso-8859-1")),
        *(("cp866", "cp866"), ("IBM866", "cp866"), ("iso-8859-5", "iso-8859-5"), ("x-mac-cyrillic", "mac-cyrillic")),
        *(("us-ascii", "ascii"), ("gb18030", "gb18030"), ("win1251", "windows-1251")),
    ],
)
def test_names_of_encodings_of_text(label: str, encoding: str) -> None:
    assert encoding_of(label) == encoding


NONE = "nonsense utf-9 base64 zip bz2 hex rot13 uu quopri idna punycode unicode_escape undefined utf-7"


@pytest.mark.parametrize("label", [*NONE.split(), "", "..", "é"])
def test_what_is_no_encoding_of_files(label: str) -> None:
    assert encoding_of(label) is None


@given(st.text(max_size=30))
def test_any_label_is_an_encoding_that_python_reads_or_none(label: str) -> None:
    found = encoding_of(label)
    assert found is None or "a".encode(found)


NAMED = sorted({found for found in map(encoding_of, aliases.values()) if found})


def texts_of(data: bytes, named: str) -> list[str]:
    reader = LineReader(named)
    return [line.text for line in [*reader.feed(data[:3]), *reader.feed(data[3:]), *reader.finish()]]


@given(st.sampled_from(NAMED), st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
def test_any_bytes_in_any_encoding_that_is_named_are_lines_or_one_sentence(named: str, data: bytes) -> None:
    with suppress(UnreadableInput):
        assert all(isinstance(text, str) for text in texts_of(data, named))


@pytest.mark.parametrize("width", [16, 32])
@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_an_order_of_bytes_that_the_name_leaves_open_is_told_by_the_mark_or_the_text(
    width: int, order: str, mark: str
) -> None:
    data = (mark + "phone_number,tag\n79161234567,Друзья").encode(f"utf-{width}-{order}")
    assert texts_of(data, f"utf-{width}") == ["phone_number,tag", "79161234567,Друзья"]
