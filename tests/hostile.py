"""Texts that other people may send to do something to a terminal, a log or its reader."""

from __future__ import annotations

import re
import unicodedata

MARKUP = (
    "[/]",
    "[bold]x",
    "[/red]",
    "[link=https://evil.example]x[/link]",
    "[red]50 %[/]",
    "[@click=app.bell]x[/]",
    "\\[x]",
    ":warning:",
)
"""What rich would take for markup."""

ACTING = (
    "\x1b[31mred\x1b[0m",  # colours
    "\x1b[2J\x1b[H",  # clears the screen
    "\x1b]0;title\x07",  # renames the window
    "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\",  # a link under another text
    "\x1b]52;c;cm0gLXJmIC8=\x07",  # writes to the clipboard
    "\x1b[6n",  # has the terminal type its answer
    "\x1bP+q544e\x1b\\",
    "\x9b31mC1",
    "\x9d0;title\x9c",
    "over\rwritten",
    "back\b\b\b\bspace",
    "two\nlines",
    "2026-01-01T00:00:00Z [info     ] forged\nline",
    "tab\tbed",
    "\x00null",
    "delete\x7f",
    "vertical\x0btab\x0cfeed\x0e\x0f",
    "next\x85line",
    "line\u2028separator",
    "paragraph\u2029separator",
)
"""Controls of C0 and C1, line breaks."""

HIDING = (
    "\u202etxt.exe",
    "a\u202ab\u202bc\u202dd\u202c",
    "a\u2066b\u2067c\u2068d\u2069",
    "a\u200eb\u200fc\u061cd",
    "zero\u200bwidth",
    "word\u2060joiner",
    "not\u200cjoined",
    "not\u200djoined",
    "soft\xadhyphen",
    "\ufeffmark",
    "tag\U000e0041\U000e0042",
    "selector\ufe0f\ufe0f\U000e0100\U000e0101",
    "filler\u3164\uffa0\u115f\u1160",
    "blank\u2800\u034f",
    "inter\ufff9linear\ufffa\ufffb",
    "non\ufffecharacter\uffff\ufdd0",
    "\u180evowel",
    "old\u206a\u206f",
    "music\U0001d173\U0001d17a",
)
"""What is not seen, or turns what is seen around."""

BROKEN = ("half\ud83d", "byte\udcd1")
"""Halves of surrogate pairs: in a file's name, on a command line; gRPC and JSON don't let them through."""

ORDINARY = (
    "Скидка 20 % завтра!",
    "Müller, Ñandú, Łódź",
    "e\u0301 и\u0306",  # combining marks
    "漢字 かな 한글",
    "葛\U000e0100城",  # a variant of an ideograph
    "עברית العربية",
    "می\u200cخواهم",  # Persian needs its joiner
    "क\u094d\u200dष",
    "❤\ufe0f 1\ufe0f\u20e3 🇷🇺",
    "👨\u200d👩\u200d👧\u200d👦 🧑🏽\u200d🚀 🏳\ufe0f\u200d🌈",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "a\xa0b\u202fc\u2009d",  # spaces
    "C:\\dir \"quoted\" 'too' <b>&amp;</b>",
    "[new] 100% {x}",
)
"""What people write, and what has to stay."""

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffe\uffff\ufdd0")
_OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What rich and structlog write themselves: colours, the movement of a live block."""


def raw(text: str) -> set[str]:
    """The characters of a text, beside line breaks, that act or hide."""
    for ordinary in ORDINARY:
        text = text.replace(ordinary, "")
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return {c for c in text if c != "\n" and (unicodedata.category(c) in kinds or c in _INVISIBLE)}


def without_colours(text: str) -> str:
    """What is written to a terminal without the sequences of our own."""
    return _OURS.sub("", text)
