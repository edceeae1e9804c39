"""Nothing secret gets into the words, whatever the provider echoes."""

from __future__ import annotations

import json
import string

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.provider.wording import EXCERPT_CHARACTERS, excerpt, timed_out

TOKEN = "s3cret-token"
PHONE = 79161234567
TEXT = 'Скидка "20 %"\nтолько 😀 на https://a.b/c'


def _excerpt(body: str) -> str:
    return excerpt(body.encode(), secrets=(TOKEN,), phone_number=PHONE, text=TEXT)


@pytest.mark.parametrize(
    "phone", ["79161234567", "+79161234567", "89161234567", "9161234567", "+7 (916) 123-45-67", "8 916 123 45 67"]
)
def test_phone_number_in_any_writing(phone: str) -> None:
    assert _excerpt(f"number {phone} is bad") == "number *** is bad"


def test_other_numbers_stay() -> None:
    assert _excerpt("message 1234567890123 of 2026-11-23 07:00, +7 916 765-43-21") == (
        "message 1234567890123 of 2026-11-23 07:00, +7 916 765-43-21"
    )


@pytest.mark.parametrize(
    "echo", [TEXT, orjson.dumps(TEXT).decode(), json.dumps(TEXT), json.dumps(TEXT).replace("/", "\\/")]
)
def test_text_plain_or_as_json(echo: str) -> None:
    assert _excerpt(f"bad text: {echo}!").strip('"!') in ("bad text: ***", 'bad text: "***')


def test_token() -> None:
    assert _excerpt(f"Bearer {TOKEN} is not known") == "Bearer *** is not known"


def test_one_line_that_is_cut() -> None:
    assert _excerpt("a\r\n\tb\x00\x1b[31m\u2028c") == "a b [31m c"
    assert len(_excerpt("x" * 1000)) == EXCERPT_CHARACTERS


@given(body=st.binary(), text=st.text())
def test_any_bytes_make_one_printable_line(body: bytes, text: str) -> None:
    line = excerpt(body, secrets=(), phone_number=PHONE, text=text)
    assert len(line) <= EXCERPT_CHARACTERS
    assert line.isprintable()


@given(text=st.text(alphabet=string.ascii_letters + 'йцук"\\\n😀', min_size=4, max_size=40))
def test_no_text_survives_an_echo(text: str) -> None:
    for echo in (text, json.dumps(text), orjson.dumps(text).decode()):
        assert text not in excerpt(f"<<{echo}>>".encode(), secrets=(), phone_number=PHONE, text=text)


def test_timed_out() -> None:
    assert timed_out(10.0) == "timed out after 10 s"
