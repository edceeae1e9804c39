"""Whether a text shows anything to a person."""

from __future__ import annotations

import re
from typing import Final

UNSEEN: Final = (
    "\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Characters that show nothing, as the inside of a class in a regular expression: spaces, controls, format characters,
what Unicode calls default ignorable, and three more that are drawn as nothing (U+2800, U+1D159, U+FFF9 to U+FFFB).
Written out: to ask ``unicodedata`` for all code points takes longer than a command's start."""

_SEEN: Final = re.compile(f"[^{UNSEEN}]").search


def shows(text: str) -> bool:
    """True if some character of the text is seen. Most texts begin with a letter of one of two alphabets, and an import
    asks for each value: so that is asked first, in half of the time."""
    first = text[:1]
    return "!" <= first <= "~" or "\u0400" <= first <= "\u04ff" or _SEEN(text) is not None
