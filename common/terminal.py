"""Foreign text on its way to a terminal, a log or a file of JSON lines: what can't be seen becomes an escape that can.

Names, tags, paths and the provider's words come from other people. Raw, a control character in them moves the cursor
or hides a line, a bidi character turns a line around, an invisible one makes two names look the same. All exits call
``visible``: the console log, each print of our commands, their tables. Whoever writes JSON calls ``visible_json``.
"""

from __future__ import annotations

import re
import sys
from typing import Final, TextIO

_CONTROLS: Final = "\x00-\x1f\x7f"
# C1, soft hyphen, everything of the category Cf that has no shape of its own (bidi controls and zero-width characters
# among them), line and paragraph separators, fillers that look like nothing, halves of surrogate pairs, noncharacters.
_HIDDEN: Final = (
    "\x80-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
) + "".join(chr(plane << 16 | end) for plane in range(1, 17) for end in (0xFFFE, 0xFFFF))
_SELECTORS: Final = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
"""They choose one of several shapes of the character before them; only there they are ordinary text."""
_EMOJI: Final = "\u2190-\u2bff\u3030\u303d\u3297\u3299\ufe0f\U0001f000-\U0001faff"
_JOINING: Final = "\u0600-\u060b\u060d-\u061b\u061d-\u109f\u1780-\u17b3\u17b6-\u17ff"
"""Scripts whose spelling needs the two joiners: Arabic and Persian, those of India, Khmer and Burmese."""
_KEPT: Final = (
    f"(?<=[{_EMOJI}])\u200d(?=[{_EMOJI}])"  # several emoji as one: a family
    f"|(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])"
    f"|(?<=[^\\s{_CONTROLS}{_HIDDEN}{_SELECTORS}])[{_SELECTORS}]"
    "|\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"  # the flags of England, Scotland, Wales
)
_ANY: Final = re.compile(f"[{_CONTROLS}{_HIDDEN}{_SELECTORS}]")
_TEXT: Final = re.compile(f"({_KEPT})|[{_CONTROLS}{_HIDDEN}{_SELECTORS}]")
# In JSON the controls below U+0020 are escaped already, and a raw line break is between two values.
_JSON: Final = re.compile(f"({_KEPT})|[\x7f{_HIDDEN}{_SELECTORS}]")
_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_INDENT: Final = "    "


def visible(text: str) -> str:
    """A text on one line in which nothing acts and nothing hides: ``\\x1b``, ``\\n``, ``\\u202e`` as they are read."""
    if text.isascii() and text.isprintable():  # most texts: 20 times as fast
        return text
    return text if _ANY.search(text) is None else _TEXT.sub(_escaped, text)


def visible_lines(text: str) -> str:
    """A text of several lines, such as a traceback: the lines stay, indented, so that none can pass for another."""
    return "\n".join(_INDENT + visible(line) for line in text.split("\n"))


def visible_json(text: str) -> str:
    """JSON with escapes for what hides: still the same JSON."""
    return text if text.isascii() and "\x7f" not in text else _JSON.sub(_escaped_json, text)


def words_of(error: BaseException) -> str:
    """What a person is told of an error: of the system's its words, with the file and without the number."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


def say(*values: object, sep: str = " ", file: TextIO | None = None) -> None:
    """Print values on one line; ``sep`` is ours and stays as it is."""
    print(*(visible(str(value)) for value in values), sep=sep, file=file, flush=True)


def tolerate_terminal() -> None:
    """Have stdout and stderr escape what the terminal's encoding lacks: a print must not fail for a dash."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if found[1] is not None:
        return character
    code = ord(character)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return _SHORT.get(character) or (f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}")


def _escaped_json(found: re.Match[str]) -> str:
    if found[1] is not None:
        return found[0]
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
