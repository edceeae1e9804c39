"""What a provider says in the body of a 2xx, read leniently: the text is sent, whatever is odd about how it says so.

A body that is refused here makes an unknown outcome, and perhaps a second text to somebody. So everything passes that
real providers were seen to send: a byte order mark, another charset if it is declared, half a surrogate pair, zero
bytes at the end.
"""

from __future__ import annotations

import codecs
import json
from email.message import Message
from typing import Any, Final

import orjson

_PADDING: Final = " \t\r\n\0\ufeff"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_reply(body: bytes, content_type: str) -> dict[str, Any] | None:
    """Return the JSON object of a body, ``{}`` for an empty one; ``None``: it is something else.

    Args:
        body: as it came, unpacked.
        content_type: the header, for its charset; empty: there is none.
    """
    value = read_value(body, content_type)
    return value if isinstance(value, dict) else None


def read_value(body: bytes, content_type: str) -> Any:
    """Return the JSON value of a body, ``{}`` for an empty one; ``None``: it is a null, or no JSON."""
    text = text_of(body, content_type).strip(_PADDING)
    if not text:
        return {}
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return _loaded_by_the_library(text)


def _loaded_by_the_library(text: str) -> Any:
    """It takes half a surrogate pair and control characters in texts, which orjson does not."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def code_of(reply: dict[str, Any]) -> float:
    """Return the number that the object has as ``code``; 0 when there is none, for then the status alone speaks."""
    code = reply.get("code")
    return 0.0 if isinstance(code, bool) or not isinstance(code, int | float) else _finite(code)


def _finite(code: float) -> float:
    try:
        return float(code)
    except OverflowError:
        return float("inf")


def text_of(body: bytes, content_type: str) -> str:
    """A body as text, whatever its bytes are; half a surrogate may be in it."""
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    charset = _charset(content_type)
    try:
        return body.decode(charset, "surrogateescape" if charset == "utf-8" else "replace")
    except (LookupError, ValueError):  # no encoding of texts, or one that refuses these bytes
        return body.decode("utf-8", "surrogateescape")


def _charset(content_type: str) -> str:
    header = Message()
    header["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    return header.get_content_charset("utf-8")
