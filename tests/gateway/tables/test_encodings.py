"""gateway/tables/encodings.py: names that people give to encodings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tables.encodings import encoding_of


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
