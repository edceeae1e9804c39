"""The words for what went wrong with a call: short, on one line, with nothing secret in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

import orjson

EXCERPT_CHARACTERS: Final = 200
"""How much of the provider's body is shown to people."""
_SECRET_CHARACTERS_MIN: Final = 4
"""Shorter secrets and texts can't be told from ordinary words, and hide nothing when shown."""
_PHONE_LIKE: Final = re.compile(r"\+?\d[\d\s().\-]{6,}\d")
_NATIONAL_DIGITS: Final = 10
"""A Russian number without its country code; echoed as 7916…, 8916… or 916… alike."""


def timed_out(timeout_seconds: float) -> str:
    """The call took longer than it was given."""
    return f"timed out after {timeout_seconds:g} s"


def excerpt(body: bytes, *, secrets: Iterable[str], phone_number: int, text: str) -> str:
    """The beginning of a body, on one line, in which a provider that echoes what it was sent gives
    away neither a secret nor the phone number nor the text."""
    shown = body.decode("utf-8", "replace")
    for secret in (*secrets, *_writings(text)):
        if len(secret) >= _SECRET_CHARACTERS_MIN:
            shown = shown.replace(secret, "***")
    shown = _without_phone(shown, phone_number)
    line = " ".join("".join(c if c.isprintable() else " " for c in shown).split())
    return line if len(line) <= EXCERPT_CHARACTERS else line[: EXCERPT_CHARACTERS - 1] + "…"


def _writings(text: str) -> tuple[str, ...]:
    """The text as it is, as JSON encoders write it (beyond ASCII escaped, as in Python and PHP, or not; with slashes
    escaped, as in PHP, or not), and as it stands in forms and addresses."""
    utf8, ascii_only = orjson.dumps(text)[1:-1].decode(), json.dumps(text)[1:-1]
    in_json = (utf8, ascii_only, utf8.replace("/", "\\/"), ascii_only.replace("/", "\\/"))
    return text, *in_json, quote(text, safe=""), quote_plus(text)


def _without_phone(shown: str, phone_number: int) -> str:
    national = str(phone_number)[-_NATIONAL_DIGITS:]

    def hide(found: re.Match[str]) -> str:
        digits = "".join(filter(str.isdigit, found[0]))
        return "***" if national in digits else found[0]

    return _PHONE_LIKE.sub(hide, shown)
