"""The names of encodings of text: those that people give, and what Python calls them."""

from __future__ import annotations

import codecs
import re
from encodings.aliases import aliases
from typing import Final

_APART: Final = re.compile(r"[^a-z0-9]+")
_NO_FILES: Final = frozenset({"utf_7", "mbcs", "oem"})
"""Text, but nobody's table: one hides characters in others, two mean something else on each machine."""
_OTHERS: Final = {
    "koi8_u": "koi8_u", "utf_8_sig": "utf_8", "x_mac_cyrillic": "mac_cyrillic",
    "win_1251": "cp1251", "win_1252": "cp1252",
}  # fmt: skip
# Looked up here first: Python remembers each name that it has ever been asked for, those that do not exist as well.
_KNOWN: Final = {
    _APART.sub("", label): name
    for label, name in [*((name, name) for name in aliases.values()), *aliases.items(), *_OTHERS.items()]
    if name not in _NO_FILES
}
_SHOWN: Final = {
    "cp1251": "windows-1251",
    "cp1252": "windows-1252",
    "iso8859-1": "iso-8859-1",
    "iso8859-5": "iso-8859-5",
}


def encoding_of(label: str) -> str | None:
    """Return the encoding that a ``charset`` names, by one name that Python knows; ``None``: it is none of texts."""
    name = _KNOWN.get(_APART.sub("", label.lower()))
    if name is None:
        return None
    try:
        "a".encode(name)  # fails where nobody's text is made of bytes: base64, zip
    except LookupError:
        return None
    found = codecs.lookup(name).name
    return _SHOWN.get(found, found)
