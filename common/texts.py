"""Texts that come as bytes: from standard input, from a file, from a command line in another encoding."""

from __future__ import annotations

import codecs
import re
from typing import Final

BOM: Final = "\ufeff"
UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def read_text(data: bytes, encoding: str | None = None) -> str:
    """The text that the bytes are: UTF-8 or what ``encoding`` says; UTF-16 where a byte order mark says so.

    A byte order mark is dropped, and every line ends in ``\\n``.

    Raises:
        ValueError: the bytes are not in that encoding, or there is none of that name; its words follow a name.
    """
    name = encoding or ("utf-16" if data.startswith(UTF_16_MARKS) else "utf-8")
    try:
        text = data.decode(name)
    except UnicodeDecodeError as error:
        byte = f"byte 0x{data[error.start]:02x} at {error.start + 1}" if error.start < len(data) else "it ends early"
        raise ValueError(f"is not {name.upper()} ({byte})") from None
    except (LookupError, ValueError, TypeError):
        raise ValueError(f"can't be read as {name!r}: there is no such encoding of texts") from None
    return text.removeprefix(BOM).replace("\r\n", "\n").replace("\r", "\n")


def is_text(argument: str) -> bool:
    """Whether an argument of a command line is text: Python keeps bytes that are not as halves of surrogate pairs."""
    return _SURROGATE.search(argument) is None
