r"""Texts with placeholders: ``{{name}}`` stands for what the client has, ``{{name|instead}}`` says what else.

``\{{`` is a literal ``{{``. A text is read once, from left to right; values are put in between its pieces and never
read again, so whatever a value contains, it can't become a placeholder. What is made for a client is either a whole
text or a ``lack``, in words: there is no text with a hole. A value that shows nothing, such as spaces, is no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from common.error_codes import ErrorCode, Unfit
from common.shown import shows
from engine.domain.segments import SURE_LENGTH, count_segments

LENGTH_MAX: Final = 4096
"""Characters of a text, as the contract has it; a text with a client's values in it may not be longer either."""
PHONE_NUMBER: Final = "phone_number"
TAG: Final = "tag"
_NO_NAMES: Final = frozenset({"id", "phone_code", "time_zone"})
"""They look like names, and no attribute may be called so."""

_OPENING: Final = re.compile(r"\\\{\{|\{\{")
_CLOSING: Final = "}}"
_NAME: Final = re.compile("[a-z][a-z0-9_]{0,31}")
_SHOWN_MAX: Final = 40
_TEMPLATES: Final = 1000
_BOM: Final = "\ufeff"

Values = Mapping[str, Any]
"""What a client has, by name: texts, numbers, true or false."""


class Hole(NamedTuple):
    """A placeholder."""

    name: str
    instead: str | None
    """For a client that has nothing by this name; ``None``: there is no text for such a client."""


class Filled(NamedTuple):
    """A text made for one client."""

    text: str
    """Empty if something lacks."""
    values: dict[str, str]
    """What was put in, by name, as it stands in the text; without what stands there instead."""
    lack: str
    """Why there is no text, in words; empty: there is one."""
    lacking: tuple[str, ...] = ()
    """Names that the client has nothing by. Empty although there is no text: the text can't be sent as it is."""


class Template:
    """A text as its pieces."""

    def __init__(self, literals: list[str], holes: list[Hole]) -> None:
        """A hole follows each literal but the last."""
        self.holes = tuple(holes)
        self.names = tuple(dict.fromkeys(hole.name for hole in holes))
        """Each name once, in the order of the text."""
        self.needed = tuple(dict.fromkeys(hole.name for hole in holes if hole.instead is None))
        """Those of them that a client must have."""
        self.plain = "" if holes else literals[0]
        """The whole text, if it is the same for everyone."""
        self.has_attributes = not {*self.names} <= {PHONE_NUMBER, TAG}
        """Some name may be an attribute's."""
        self._places = tuple((2 * index + 1, *hole) for index, hole in enumerate(holes))
        self._pieces = [literals[0]]
        for literal in literals[1:]:
            self._pieces += ("", literal)

    @property
    def is_personal(self) -> bool:
        """Each client gets a text of its own."""
        return bool(self.holes)

    def fill(self, values: Values, segments_max: int) -> Filled:
        """Make the text for a client who has these values."""
        text, used, lacking = self._put_in(values)
        if not lacking and len(text) <= SURE_LENGTH * segments_max and shows(text):  # nearly all: nothing else is asked
            return tuple.__new__(Filled, (text, used, "", ()))
        if lacking:
            return Filled("", {}, f"the client lacks {', '.join(lacking)}", tuple(lacking))
        if lack := _unfit(text, segments_max):
            return Filled("", {}, lack)
        return Filled(text, used, "")

    def with_values(self, values: Values) -> str:
        """Make the text again that was once made with these values. A name that is in neither place stands as it is
        written."""
        text, _, lacking = self._put_in(values, bool)  # spaces went out as they were when they were taken for a value
        return self._put_in({**values, **{name: f"{{{{{name}}}}}" for name in lacking}}, bool)[0] if lacking else text

    def _put_in(self, values: Values, is_value: Callable[[str], bool] = shows) -> tuple[str, dict[str, str], list[str]]:
        """The text, what was put in, and which names have neither a value nor an ``instead``."""
        pieces = self._pieces.copy()
        used: dict[str, str] = {}
        lacking: list[str] = []
        for place, name, instead in self._places:
            value = values.get(name)
            if type(value) is not str and value is not None:
                value = in_words(value)
            if value is not None and is_value(value):
                pieces[place] = used[name] = value
            elif instead is not None:
                pieces[place] = instead
            elif name not in lacking:
                lacking.append(name)
        return "".join(pieces).lstrip(_BOM), used, lacking


def in_words(value: Any) -> str:
    """A value as it stands in a text: a number without a needless ``.0`` and without an exponent, true or false as a
    word."""
    if type(value) is not float:
        return str(value).lower()  # of True, and of a whole number
    text = repr(value) if value else "0"
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def parse_template(text: str) -> Template:
    """Take a text apart.

    Raises:
        Unfit: the first placeholder that is none, with its position, counted from 1.
    """
    literals, holes, literal, done = [], [], [], 0
    while opening := _OPENING.search(text, done):
        literal.append(text[done : opening.start()])
        if opening[0][0] == "\\":
            literal.append("{{")
            done = opening.end()
            continue
        hole, done = _hole(text, opening.start())
        holes.append(hole)
        literals.append("".join(literal))
        literal = []
    literals.append("".join(literal) + text[done:])
    return Template(literals, holes)


@lru_cache(maxsize=_TEMPLATES)
def template_of(text: str) -> Template:
    """A stored text as its pieces. One that was stored before there were placeholders may be no good as a template: it
    goes out as it stands."""
    try:
        return parse_template(text)
    except Unfit:
        return Template([text], [])


def _hole(text: str, opening: int) -> tuple[Hole, int]:
    """The placeholder that begins at ``opening``, and where it ends."""
    closing, position = text.find(_CLOSING, opening), opening + 1
    if closing < 0:
        raise Unfit(ErrorCode.PLACEHOLDER_OPEN.format(position=position))
    name, bar, instead = text[opening + 2 : closing].partition("|")
    name = name.strip()
    if "{{" in instead:
        raise Unfit(ErrorCode.PLACEHOLDER_INSIDE.format(position=position))
    if not _NAME.fullmatch(name) or name in _NO_NAMES:
        raise Unfit(ErrorCode.PLACEHOLDER_NAME.format(position=position, name=name[:_SHOWN_MAX]))
    return Hole(name, instead.strip() if bar else None), closing + 2


def _unfit(text: str, segments_max: int) -> str:
    """Why a text can't be sent, in words; empty: it can."""
    length = len(text)
    if not shows(text):
        return "the text is empty for this client"
    if length > LENGTH_MAX:
        return f"the text has {length} characters for this client, and may have {LENGTH_MAX}"
    segments = count_segments(text).segments
    if segments > segments_max:
        return f"the text takes {segments} SMS segments for this client, and may take {segments_max}"
    return ""
