"""What a client and a mailing are when they are stored: texts of people understood, and what spans fields checked.

The limits of single fields are the contract's (``common.contract.checks``): here is what needs knowledge, of phone
numbers, time zones and segments, or more than one field. Every bad field is reported, not just the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple, Protocol

from common.error_codes import NOTHING, ErrorCode, Fault, Unfit
from common.number_zones import zone_of_number
from common.shown import shows
from engine.domain.attributes import NONE, Attribute, attribute_errors, good_text, patched
from engine.domain.audience import AudienceFilter
from engine.domain.cost import DECIMALS, is_exact, micros
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.phone import default_code, digits_of, normalise
from engine.domain.segments import count_segments
from engine.domain.template import parse_template
from engine.domain.time_text import MAX_US, MIN_US
from engine.domain.window import LocalHours, parse_minute
from engine.domain.zone_names import time_zone_of

SEGMENTS_MAX: Final = 10
"""Of a text, unless the settings say otherwise."""
DEFAULT_TIME_ZONE: Final = "UTC"
DEFAULT_ON_UNCERTAIN: Final = "resend"

_BOM: Final = "\ufeff"
_EXTENSIONS: Final = re.compile("(?=-[0-9a-z]-)")


class ClientTexts(Protocol):
    """A client as people write it: as a message of the contract has it."""

    phone_number: str
    phone_code: str
    tag: str
    time_zone: str
    language: str


@dataclass(frozen=True, slots=True)
class ClientInput:
    """A client as it may be stored; ``valid_client`` makes it."""

    phone_number: int
    phone_code: str
    tag: str
    time_zone: str
    language: str = ""
    attributes: str = NONE
    """As ``attributes_text`` writes them."""


ZONE: Final = "time_zone"
_FIELDS: Final = tuple(field.name for field in fields(ClientInput))


class ClientPatch(NamedTuple):
    """A row of an import."""

    client: ClientInput
    """What it makes of a number that nobody has."""
    unsaid: tuple[str, ...] = ()
    """Fields that the row says nothing of."""
    attributes: Mapping[str, Attribute | None] = NOTHING
    """What the row says of attributes; ``None`` removes one."""
    without_zone: bool = False
    """It names no time zone."""

    @property
    def phone_number(self) -> int:
        """Whose row it is."""
        return self.client.phone_number

    def with_zone(self) -> ClientPatch:
        """The row as if it named the time zone that it makes of a new client."""
        return self._replace(unsaid=tuple(name for name in self.unsaid if name != ZONE))

    def over(self, old: ClientInput | None) -> ClientInput:
        """Return the client after the row: what it does not say stays, or is the default when there was none."""
        client, unsaid, attributes, _ = self
        if old is None or not (unsaid or attributes):
            return client
        after = ClientInput(*[getattr(old if name in unsaid else client, name) for name in _FIELDS])
        return replace(after, attributes=patched(old.attributes, attributes)) if attributes else after


@dataclass(frozen=True, slots=True)
class MailingInput:
    """A mailing as it may be stored; ``valid_mailing`` makes it."""

    text: str
    filter: AudienceFilter
    start_us: int
    end_us: int
    local_hours: LocalHours | None
    rate_limit: float | None
    """Messages a second; ``None``: no limit of its own."""
    on_uncertain: str
    """``resend`` or ``not_sent``."""
    name: str = ""
    audience_fixed: bool = False
    """Who matches at the start gets it, and nobody later."""
    provider: str | None = None
    """The name of the only provider that may send it; ``None``: whoever can."""
    sender: str | None = None
    """From whom the text is to come; ``None``: as the provider has it."""
    budget: int | None = None
    """What its messages may cost, in millionths; ``None``: there is no limit."""


def valid_client(
    client: ClientTexts,
    default_time_zone: str = DEFAULT_TIME_ZONE,
    attributes: Mapping[str, Any] = NOTHING,
    *,
    may_remove: bool = False,
    zone_by_number: bool = False,
) -> ClientInput:
    """Check and complete a client: no code means digits 2 to 4 of the number, no time zone means the default.

    Args:
        attributes: of any names and values.
        may_remove: ``None`` stands for an attribute that the client is not to have.
        zone_by_number: no time zone means that of the number's code, where that tells one.

    Raises:
        InvalidInput: with every bad field.
    """
    errors: list[FieldError] = []
    phone = _phone(client.phone_number, errors)
    told = zone_of_number(str(phone)) if zone_by_number and not client.time_zone else None
    zone = told or _zone(client.time_zone or default_time_zone, errors)
    text = good_text(attributes)
    if text is None or not may_remove:
        errors += attribute_errors(attributes, may_remove=may_remove)
    if errors:
        raise InvalidInput(errors)
    code, language = client.phone_code or default_code(phone), canonical_language(client.language)
    return ClientInput(phone, code, shown_tag(client.tag), zone, language, text or NONE)


def shown_tag(tag: str) -> str:
    """A tag as it is stored: one that shows nothing is no tag, as in ``attributes``, for it stands in texts too."""
    return tag if shows(tag) else ""


def canonical_language(tag: str) -> str:
    """A language tag in the case of RFC 5646, 2.1.1: ``zh-Hans-CN``. Regions have two letters, scripts four; neither
    comes first, or after the single letter that begins an extension."""
    head, *extensions = _EXTENSIONS.split(tag.lower())
    language, *parts = head.split("-")
    cased = [part.upper() if len(part) == 2 else part.capitalize() if len(part) == 4 else part for part in parts]
    return "-".join([language, *cased]) + "".join(extensions)


UNDERSTOOD: Final[Mapping[str, Callable[[str], Any]]] = {
    "phone_number": normalise,
    "phone_contains": digits_of,
    "language": canonical_language,
    "time_zone": lambda text: time_zone_of(text) or text,
}
"""How a filter's text is understood, by its field, where it is not taken as it is; raises Unfit."""


def valid_change(
    client: ClientTexts, names: Collection[str], default_time_zone: str = DEFAULT_TIME_ZONE
) -> dict[str, str]:
    """What is to be set in many clients, of the fields ``names``. An empty time zone means the default.

    Raises:
        InvalidInput: the time zone is none.
    """
    values = {name: getattr(client, name) for name in names}
    if "tag" in values:
        values["tag"] = shown_tag(values["tag"])
    if ZONE in values:
        values[ZONE] = valid_zone(values[ZONE] or default_time_zone)
    return values


def bare_text(text: str) -> str:
    """A text without the byte order mark before it: nobody sees it, and it would make the whole text UCS-2."""
    return text.lstrip(_BOM)


def valid_zone(text: str) -> str:
    """The tz database's name of a time zone as people write it. Raises InvalidInput."""
    errors: list[FieldError] = []
    zone = _zone(text, errors)
    if errors:
        raise InvalidInput(errors)
    return zone


def valid_mailing(
    *,
    text: str,
    start_us: int | None,
    end_us: int | None,
    now_us: int,
    filter: AudienceFilter = AudienceFilter(),  # noqa: B008 - immutable
    local_hours: tuple[str, str] | None = None,
    rate_limit: float | None = None,
    on_uncertain: str = DEFAULT_ON_UNCERTAIN,
    name: str = "",
    audience_fixed: bool = False,
    budget: float | None = None,
    segments_max: int | None = SEGMENTS_MAX,
) -> MailingInput:
    """Check and complete a mailing; a repeated filter entry counts once.

    Args:
        budget: money; ``None``: no limit.
        segments_max: SMS segments that the text may take; ``None``: the text was accepted before, and stays so.

    Raises:
        InvalidInput: with every bad field. ``start_us``, ``end_us``: ``None`` is "not given".
    """
    errors: list[FieldError] = []
    if segments_max is not None:
        _check(errors, "text", text_problem(text, segments_max))
    start, end = _times(start_us, end_us, now_us, errors)
    hours = _local_hours(local_hours, errors)
    if budget is not None and not is_exact(budget):
        errors.append(FieldError("budget", ErrorCode.TOO_MANY_DECIMALS.format(max=DECIMALS)))
    if errors:
        raise InvalidInput(errors)
    said = (text, filter.distinct(), start, end, hours, rate_limit, on_uncertain, name, audience_fixed)
    return MailingInput(*said, budget=None if budget is None else micros(budget))


def _check(errors: list[FieldError], field: str, problem: Fault | None) -> None:
    if problem is not None:
        errors.append(FieldError(field, problem))


def _phone(text: str, errors: list[FieldError]) -> int:
    try:
        return normalise(text)
    except Unfit as error:
        errors.append(FieldError("phone_number", error.fault))
        return 0


def _zone(text: str, errors: list[FieldError]) -> str:
    zone = time_zone_of(text)
    if zone is None:
        errors.append(FieldError(ZONE, ErrorCode.NOT_TIME_ZONE.format()))
    return zone or ""


def text_problem(text: str, segments_max: int) -> Fault | None:
    """What is wrong with a text, placeholders counted as they are written; ``None``: nothing."""
    try:
        template = parse_template(text)
    except Unfit as error:
        return error.fault
    if not (template.is_personal or shows(template.plain)):
        return ErrorCode.TEXT_UNSEEN.format()
    segments = count_segments(text).segments
    return None if segments <= segments_max else ErrorCode.TOO_MANY_SEGMENTS.format(max=segments_max, count=segments)


def _times(start_us: int | None, end_us: int | None, now_us: int, errors: list[FieldError]) -> tuple[int, int]:
    start, end = _time("start_time", start_us, errors), _time("end_time", end_us, errors)
    if start is not None and end is not None and end <= start:
        errors.append(FieldError("end_time", ErrorCode.NOT_AFTER_START.format()))
    elif end is not None and end <= now_us:
        errors.append(FieldError("end_time", ErrorCode.NOT_IN_FUTURE.format()))
    return start or 0, end or 0


def _time(field: str, us: int | None, errors: list[FieldError]) -> int | None:
    if us is None:
        errors.append(FieldError(field, ErrorCode.REQUIRED.format()))
        return None
    if not MIN_US <= us <= MAX_US:
        errors.append(FieldError(field, ErrorCode.YEAR_OUT_OF_RANGE.format()))
        return None
    return us


def _local_hours(hours: tuple[str, str] | None, errors: list[FieldError]) -> LocalHours | None:
    if hours is None:
        return None
    minutes = [_minute(f"local_hours.{end}", text, errors) for end, text in zip(("from", "to"), hours, strict=True)]
    if None in minutes:
        return None
    if minutes[0] == minutes[1]:
        errors.append(FieldError("local_hours", ErrorCode.SAME_HOURS.format()))
        return None
    return LocalHours.parse(*hours)


def _minute(field: str, text: str, errors: list[FieldError]) -> int | None:
    try:
        return parse_minute(text)
    except Unfit as error:
        errors.append(FieldError(field, error.fault))
        return None
