"""Fields as JSON has them: no number out of a text, no text out of a number, and words that people understand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Range, Regexp, Validator

from common.contract.values import time_proto
from gateway.http.problems import ERRORS_MAX

INT64_MAX: Final = 2**63 - 1
PAGE_SIZE_DEFAULT: Final = 50
PAGE_SIZE_MAX: Final = 1000

_MESSAGES: Final[dict[str, Any]] = {"required": "is required", "null": "must not be null", "invalid": "must be text"}
STORABLE: Final = (r"^[^\u0000]*$", "must not contain the character U+0000")
"""A pattern: what a database can hold."""
_UNKNOWN_KEYS_MAX: Final = ERRORS_MAX
_DIGITS: Final = re.compile(r"[0-9]+")


class Input(Schema):
    """A body or a query: a key that is not known is an error."""

    error_messages = {"unknown": "is not a known field", "type": "must be an object"}  # noqa: RUF012 - marshmallow's

    class Meta:
        unknown = RAISE

    def load(self, data: Any, **options: Any) -> Any:
        """See marshmallow, which looks at each key: far more than there are fields are one error."""
        if isinstance(data, Mapping) and len(data) > len(self.fields) + _UNKNOWN_KEYS_MAX:
            raise ValidationError(f"must have at most {len(self.fields)} fields, not {len(data)}")
        return super().load(data, **options)


class Output(Schema):
    """What REST shows. For the document only: answers are mapped by hand."""

    class Meta:
        unknown = EXCLUDE


class Text(fields.String):
    """A JSON string."""

    default_error_messages = _MESSAGES


class Moment(Text):
    """An RFC 3339 time with an offset; it stays the text that it was."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            time_proto(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        return text


class Whole(fields.Integer):
    """A JSON number without a fraction."""

    default_error_messages = {**_MESSAGES, "invalid": "must be a whole number"}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise self.make_error("invalid", input=value)
        return int(value)


class Real(fields.Float):
    """A JSON number."""

    default_error_messages = {**_MESSAGES, "invalid": "must be a number"}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        return float(value)


class QueryWhole(fields.Integer):
    """A whole number in a query, where all is text: digits only."""

    default_error_messages = {**_MESSAGES, "invalid": "must be a whole number, 0 or more"}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not isinstance(value, str) or not _DIGITS.fullmatch(value):
            raise self.make_error("invalid", input=value)
        return int(value[-20:]) if not value[:-20].strip("0") else INT64_MAX + 1


class QueryFlag(fields.Boolean):
    """True or false in a query: these two words."""

    default_error_messages = {**_MESSAGES, "invalid": "must be true or false"}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise self.make_error("invalid", input=value)
        return bool(value == "true")


class PageSize(QueryWhole):
    """How many at most; more than 1,000 is lowered."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        return min(super()._deserialize(value, attr, data, **kwargs), PAGE_SIZE_MAX)


class Nested(fields.Nested):
    """An object in an object."""

    default_error_messages = {**_MESSAGES, "type": "must be an object"}  # noqa: RUF012 - marshmallow's


class ListOf(fields.List[Any]):
    """A JSON array. One that is too long is one error, and nobody looks at its entries; nor at those after many bad
    ones (marshmallow looks at all, and keeps an error for each)."""

    default_error_messages = {**_MESSAGES, "invalid": "must be an array"}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        for each in self.validators:
            if isinstance(each, Length):
                each(value)
        found, bad = [], {}
        for index, entry in enumerate(value):
            try:
                found.append(self.inner.deserialize(entry, **kwargs))
            except ValidationError as error:
                bad[index] = error.messages
                if len(bad) == ERRORS_MAX:
                    bad[index + 1] = ["and what follows was not looked at: too many entries are bad"]
                    break
        if bad:
            raise ValidationError(bad, valid_data=found)
        return found


class _Pattern(Regexp):
    """Matches the whole text: ``$`` alone would let a line end pass."""

    def __call__(self, value: Any) -> Any:
        if self.regex.fullmatch(value) is None:
            raise ValidationError(self.error)
        return value


def _metadata(description: str, example: Any, **more: Any) -> dict[str, Any]:
    return {"description": description} | ({} if example is None else {"example": example}) | more


def _lengths(least: int | None, most: int | None) -> Length:
    if least is None:
        return Length(max=most, error="must have at most {max} characters")
    return Length(min=least, max=most, error="must have {min} to {max} characters")


def text(
    description: str,
    example: str | None = None,
    *,
    least: int | None = None,
    most: int | None = None,
    pattern: tuple[str, str] | None = None,
    **options: Any,
) -> Text:
    """A string of ``least`` to ``most`` characters; ``pattern``: an expression, and what to say if it fails."""
    validators: list[Validator | Callable[[Any], Any]] = []
    if least is not None or most is not None:
        validators.append(_lengths(least, most))
    if pattern is not None:
        validators.append(_Pattern(pattern[0], error=pattern[1]))
    return Text(validate=validators, metadata=_metadata(description, example), **options)


def word(description: str, choices: Mapping[int, str], example: str | None = None, **options: Any) -> Text:
    """One of the words of an enum."""
    names = list(choices.values())
    validate = OneOf(names, error="must be one of " + ", ".join(names))
    return Text(validate=validate, metadata=_metadata(description, example), **options)


def moment(description: str, example: str | None = "2026-01-31T06:00:00.000000Z", **options: Any) -> Moment:
    """A time."""
    return Moment(metadata=_metadata(description, example, format="date-time"), **options)


def whole(
    description: str, example: int | None = None, *, least: int = 0, most: int = INT64_MAX, **options: Any
) -> Whole:
    """A whole number between two others, both included."""
    bounds = Range(min=least, max=most, error="must be {min} to {max}")
    more = {"format": "int64"} if most > 2**31 - 1 else {"format": "int32"}
    return Whole(validate=bounds, metadata=_metadata(description, example, **more), **options)


def real(description: str, example: float | None = None, **options: Any) -> Real:
    """A number; ``validate`` is the caller's."""
    return Real(metadata=_metadata(description, example, format="double"), **options)


def rate(description: str, *, zero: bool, **options: Any) -> Real:
    """Calls a second: at most 100,000 and above 0, or 0 as well (``zero``)."""
    error = "must be 0 to {max}" if zero else "must be above 0 and at most {max}"
    bounds = Range(min=0, max=100_000, min_inclusive=zero, error=error)
    more = {} if zero else {"exclusiveMinimum": True}
    metadata = _metadata(description, 50.0, format="double", **more)
    return Real(validate=bounds, metadata=metadata, allow_none=True, **options)


def query_id(description: str) -> QueryWhole:
    """An id in a query."""
    bounds = Range(min=1, max=INT64_MAX, error="must be {min} to {max}")
    return QueryWhole(validate=bounds, metadata=_metadata(description, None, format="int64"))


def query_flag(description: str) -> QueryFlag:
    """True or false in a query; false when it is not there."""
    return QueryFlag(metadata={"description": description, "default": False})


def flag(description: str) -> fields.Boolean:
    """True or false, in an answer."""
    return fields.Boolean(required=True, metadata={"description": description})


class Page(Input):
    """Which page of a list."""

    page_size = PageSize(
        validate=Range(min=1, error="must be at least {min}"),
        metadata={
            "description": f"How many at most; more than {PAGE_SIZE_MAX}, or what the service has set, is lowered.",
            "default": PAGE_SIZE_DEFAULT,
        },
    )
    page_token = text("`next_page_token` of the page before; empty: the first page.")


class Listed(Output):
    """A page of a list."""

    next_page_token = text("Pass it as `page_token` for the next page; empty on the last one.", "", required=True)
    total_size = whole("How many match in all, now.", 1, required=True)
