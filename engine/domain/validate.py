"""Checks of a client and of a mailing, new or edited: every bad field is reported, not just the first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import available_timezones

from common.error_codes import ErrorCode, Fault, Unfit
from engine.domain.audience import AudienceFilter
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.phone import default_code, normalise
from engine.domain.segments import count_segments
from engine.domain.time_text import MAX_US, MIN_US
from engine.domain.window import LocalHours, parse_minute

MAX_TEXT_LENGTH: Final = 4096
SEGMENTS_MAX: Final = 10
"""Of a text, unless the settings say otherwise."""
MAX_TAG_LENGTH: Final = 64
MAX_PHONE_CODE_LENGTH: Final = 16
MAX_FILTER_ENTRIES: Final = 1000
MAX_RATE_PER_SECOND: Final = 100_000
DEFAULT_TIME_ZONE: Final = "UTC"
ON_UNCERTAIN: Final = ("resend", "not_sent")

_NO_CHOICE: Final = ErrorCode.NOT_A_CHOICE.format(choices=", ".join(ON_UNCERTAIN))
_BOM: Final = "\ufeff"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ClientInput:
    """A client as it may be stored; ``valid_client`` makes it."""

    phone_number: int
    phone_code: str
    tag: str
    time_zone: str


class ClientPatch(NamedTuple):
    """What a row of an import says of a client; ``None``: nothing. ``valid_patch`` makes it."""

    phone_number: int
    phone_code: str | None = None
    tag: str | None = None
    time_zone: str | None = None
    default_time_zone: str = DEFAULT_TIME_ZONE
    """That of a new client for whom none is said."""

    def over(self, old: ClientInput | None) -> ClientInput:
        """Return the client after the row: what it does not say stays, or is the default when there was none."""
        phone, code, tag, zone, default_zone = self
        if old is None:
            return ClientInput(
                phone,
                default_code(phone) if code is None else code,
                "" if tag is None else tag,
                default_zone if zone is None else zone,
            )
        return ClientInput(
            phone,
            old.phone_code if code is None else code,
            old.tag if tag is None else tag,
            old.time_zone if zone is None else zone,
        )


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


def valid_client(
    phone_number: str,
    phone_code: str = "",
    tag: str = "",
    time_zone: str = "",
    *,
    default_time_zone: str = DEFAULT_TIME_ZONE,
) -> ClientInput:
    """Check and complete a client: no code means digits 2 to 4 of the number, no time zone means the default.

    Raises:
        InvalidInput: with every bad field.
    """
    errors: list[FieldError] = []
    phone = _phone(phone_number, errors)
    zone = time_zone or default_time_zone
    _check(errors, "phone_code", _phone_code_problem(phone_code) if phone_code else None)
    _check(errors, "tag", _tag_problem(tag))
    _check(errors, "time_zone", _time_zone_problem(zone))
    if errors:
        raise InvalidInput(errors)
    return ClientInput(phone, phone_code or default_code(phone), tag, zone)


def valid_patch(
    phone_number: str,
    phone_code: str | None = None,
    tag: str | None = None,
    time_zone: str | None = None,
    *,
    default_time_zone: str = DEFAULT_TIME_ZONE,
) -> ClientPatch:
    """Check what a row of an import says; a field that is there but empty says the default (``valid_client``).

    Raises:
        InvalidInput: with every bad field.
    """
    whole = valid_client(
        phone_number, phone_code or "", tag or "", time_zone or "", default_time_zone=default_time_zone
    )
    return ClientPatch(
        whole.phone_number,
        None if phone_code is None else whole.phone_code,
        None if tag is None else whole.tag,
        None if time_zone is None else whole.time_zone,
        default_time_zone,
    )


def valid_change(
    tag: str | None, time_zone: str | None, default_time_zone: str = DEFAULT_TIME_ZONE
) -> tuple[str | None, str | None]:
    """Check what is to be set in many clients; ``None``: nothing. An empty time zone means the default.

    Raises:
        InvalidInput: with every bad field.
    """
    errors: list[FieldError] = []
    zone = None if time_zone is None else time_zone or default_time_zone
    _check(errors, "tag", None if tag is None else _tag_problem(tag))
    _check(errors, "time_zone", None if zone is None else _time_zone_problem(zone))
    if errors:
        raise InvalidInput(errors)
    return tag, zone


def valid_mailing(
    *,
    text: str,
    start_us: int | None,
    end_us: int | None,
    now_us: int,
    filter: AudienceFilter = AudienceFilter(),  # noqa: B008 - immutable
    local_hours: tuple[str, str] | None = None,
    rate_limit: float | None = None,
    on_uncertain: str = "",
    segments_max: int | None = SEGMENTS_MAX,
) -> MailingInput:
    """Check and complete a mailing; a repeated filter entry counts once, no ``on_uncertain`` means ``resend``.

    A byte order mark before the text is dropped: nobody sees it, and it would make the whole text UCS-2.

    Args:
        segments_max: SMS segments that the text may take; ``None``: it was accepted before, and stays so.

    Raises:
        InvalidInput: with every bad field. ``start_us``, ``end_us``: ``None`` is "not given".
    """
    errors: list[FieldError] = []
    uncertain = on_uncertain or ON_UNCERTAIN[0]
    text = text.lstrip(_BOM)
    _check(errors, "text", _text_problem(text, segments_max))
    _check_filter(filter, errors)
    start, end = _times(start_us, end_us, now_us, errors)
    hours = _local_hours(local_hours, errors)
    _check(errors, "rate_limit", _rate_problem(rate_limit))
    _check(errors, "on_uncertain", None if uncertain in ON_UNCERTAIN else _NO_CHOICE)
    if errors:
        raise InvalidInput(errors)
    audience = AudienceFilter(_distinct(filter.tags), _distinct(filter.phone_codes))
    return MailingInput(text, audience, start, end, hours, rate_limit, uncertain)


def _check(errors: list[FieldError], field: str, problem: Fault | None) -> None:
    if problem is not None:
        errors.append(FieldError(field, problem))


def _phone(text: str, errors: list[FieldError]) -> int:
    try:
        return normalise(text)
    except Unfit as error:
        errors.append(FieldError("phone_number", error.fault))
        return 0


def _phone_code_problem(code: str) -> Fault | None:
    if code.isascii() and code.isdigit() and len(code) <= MAX_PHONE_CODE_LENGTH:
        return None
    return ErrorCode.NOT_DIGITS.format(max=MAX_PHONE_CODE_LENGTH)


def _tag_problem(tag: str) -> Fault | None:
    if len(tag) > MAX_TAG_LENGTH:
        return ErrorCode.TOO_LONG.format(max=MAX_TAG_LENGTH, count=len(tag))
    return _characters_problem(tag)


def _text_problem(text: str, segments_max: int | None) -> Fault | None:
    if not 1 <= len(text) <= MAX_TEXT_LENGTH:
        return ErrorCode.BAD_LENGTH.format(min=1, max=MAX_TEXT_LENGTH, count=len(text))
    segments = count_segments(text).segments
    if segments_max is not None and segments > segments_max:
        return ErrorCode.TOO_MANY_SEGMENTS.format(max=segments_max, count=segments)
    return _characters_problem(text)


def _characters_problem(text: str) -> Fault | None:
    """Name what a database or UTF-8 can't hold."""
    if "\0" in text:
        return ErrorCode.NULL_CHARACTER.format()
    if _SURROGATE.search(text):
        return ErrorCode.HALF_CHARACTER.format()
    return None


def _time_zone_problem(name: str) -> Fault | None:
    if is_time_zone(name):
        return None
    return ErrorCode.NOT_TIME_ZONE.format()


def is_time_zone(name: str) -> bool:
    """Whether it is a name of the tz database."""
    return name in _time_zone_names()


@cache
def _time_zone_names() -> frozenset[str]:
    """The tz database's names, read once; without those that mean something else on each machine."""
    return frozenset(available_timezones() - {"localtime", "posixrules", "Factory"})


def _rate_problem(rate: float | None) -> Fault | None:
    if rate is None or 0 < rate <= MAX_RATE_PER_SECOND:
        return None
    return ErrorCode.BAD_RATE.format(max=MAX_RATE_PER_SECOND)


def _check_filter(filter: AudienceFilter, errors: list[FieldError]) -> None:
    for field, entries, problem_of in (
        ("filter.tags", filter.tags, _tag_problem),
        ("filter.phone_codes", filter.phone_codes, _phone_code_problem),
    ):
        if len(entries) > MAX_FILTER_ENTRIES:
            fault = ErrorCode.TOO_MANY_ENTRIES.format(max=MAX_FILTER_ENTRIES, count=len(entries))
            errors.append(FieldError(field, fault))
            continue
        for index, entry in enumerate(entries):
            _check(errors, f"{field}[{index}]", problem_of(entry))


def _distinct(entries: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entries))


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
