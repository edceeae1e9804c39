"""Fields as JSON has them: no number out of a text, no text out of a number, and words that people understand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sized
from typing import Any, Final

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields
from marshmallow.validate import Length, Range, Regexp

from common.contract.values import time_proto
from common.error_codes import ErrorCode, Unfit

INT64_MAX: Final = 2**63 - 1
PAGE_SIZE_DEFAULT: Final = 50
PAGE_SIZE_MAX: Final = 1000

_MESSAGES: Final[dict[str, Any]] = {
    "required": ErrorCode.REQUIRED,
    "null": ErrorCode.NULL,
    "invalid": ErrorCode.NOT_TEXT,
}
ERRORS_MAX: Final = 100
"""Bad fields that are named; of more it is said how many."""
_UNKNOWN_KEYS_MAX: Final = ERRORS_MAX
_DIGITS: Final = re.compile(r"[0-9]+")


class Input(Schema):
    """A body or a query: a key that is not known is an error."""

    error_messages = {"unknown": ErrorCode.UNKNOWN_FIELD.format(), "type": ErrorCode.NOT_OBJECT.format()}  # noqa: RUF012 - marshmallow's

    class Meta:
        unknown = RAISE

    def load(self, data: Any, **options: Any) -> Any:
        """See marshmallow, which looks at each key: far more than there are fields are one error."""
        if isinstance(data, Mapping) and len(data) > len(self.fields) + _UNKNOWN_KEYS_MAX:
            raise ValidationError(ErrorCode.TOO_MANY_KEYS.format(max=len(self.fields), count=len(data)))
        return super().load(self._gathered(data), **options)

    def _gathered(self, data: Any) -> Any:
        """The data with what belongs to a ``Keyed`` field in one object."""
        starts = [field.data_key for field in self.fields.values() if isinstance(field, Keyed) and field.data_key]
        if not starts or not isinstance(data, Mapping):
            return data
        gathered: dict[str, Any] = {}
        for key, value in data.items():
            start = next((each for each in starts if key.startswith(each)), None)
            if start is None:
                gathered[key] = value
            else:
                gathered.setdefault(start, {})[key.removeprefix(start)] = value
        return gathered


class Output(Schema):
    """What REST shows. For the document only: ``common.contract.codec`` makes answers."""

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
        except Unfit as error:
            raise ValidationError(error.fault) from None
        return text


class Whole(fields.Integer):
    """A JSON number without a fraction."""

    default_error_messages = {**_MESSAGES, "invalid": ErrorCode.NOT_WHOLE}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise self.make_error("invalid", input=value)
        return int(value)


class Real(fields.Float):
    """A JSON number."""

    default_error_messages = {**_MESSAGES, "invalid": ErrorCode.NOT_NUMBER}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        return float(value)


class QueryWhole(fields.Integer):
    """A whole number in a query, where all is text: digits only."""

    default_error_messages = {**_MESSAGES, "invalid": ErrorCode.NOT_WHOLE_FROM_0}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not isinstance(value, str) or not _DIGITS.fullmatch(value):
            raise self.make_error("invalid", input=value)
        return int(value[-20:]) if not value[:-20].strip("0") else INT64_MAX + 1


class QueryFlag(fields.Boolean):
    """True or false in a query: these two words."""

    default_error_messages = {**_MESSAGES, "invalid": ErrorCode.NOT_BOOLEAN}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise self.make_error("invalid", input=value)
        return bool(value == "true")


class PageSize(QueryWhole):
    """How many at most; more than 1,000 is lowered."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        return min(super()._deserialize(value, attr, data, **kwargs), PAGE_SIZE_MAX)


class ObjectOf(fields.Dict):
    """A JSON object of any keys."""

    default_error_messages = {**_MESSAGES, "invalid": ErrorCode.NOT_OBJECT}  # noqa: RUF012 - marshmallow's


class Anything(fields.Raw):
    """Whatever JSON has; the engine says what may be there."""

    default_error_messages = _MESSAGES


class Keyed(fields.Dict):
    """Texts by names in a query: ``attributes.city=Omsk`` for the field ``attributes``, whose ``data_key`` ends in a
    dot. ``example_key`` is the name that the document shows."""

    default_error_messages = {**_MESSAGES, "invalid": ErrorCode.NOT_OBJECT}  # noqa: RUF012 - marshmallow's

    def __init__(self, *, example_key: str, **options: Any) -> None:
        super().__init__(**options)
        self.example_key = example_key


class Nested(fields.Nested):
    """An object in an object."""

    default_error_messages = {**_MESSAGES, "type": ErrorCode.NOT_OBJECT}  # noqa: RUF012 - marshmallow's


class ListOf(fields.List[Any]):
    """A JSON array. One that is too long is one error, and nobody looks at its entries; nor at those after many bad
    ones (marshmallow looks at all, and keeps an error for each)."""

    default_error_messages = {**_MESSAGES, "invalid": ErrorCode.NOT_ARRAY}  # noqa: RUF012 - marshmallow's

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
                    bad[index + 1] = [ErrorCode.NOT_LOOKED_AT.format()]
                    break
        if bad:
            # Objects are left out together: the engine would name what else is wrong with them by other places.
            raise ValidationError(bad, valid_data=[] if isinstance(self.inner, Nested) else found)
        return found


class Pattern(Regexp):
    """Matches the whole text: ``$`` alone would let a line end pass."""

    def __call__(self, value: Any) -> Any:
        if self.regex.fullmatch(value) is None:
            is_empty = not value and self.error == ErrorCode.NULL_CHARACTER.format()
            raise ValidationError(ErrorCode.EMPTY.format() if is_empty else self.error)
        return value


class Lengths(Length):
    """Lengths of a text or a list; a violation says how long it is, too."""

    def _format_error(self, value: Sized, message: str) -> str:
        if isinstance(value, list):
            code = ErrorCode.TOO_MANY_ENTRIES if value else ErrorCode.EMPTY
        else:
            code = ErrorCode.TOO_LONG if self.min is None else ErrorCode.BAD_LENGTH
        return code.format(min=self.min, max=self.max, count=len(value))


class Bounds(Range):
    """A range of numbers, with one sentence for all that is outside."""

    def _format_error(self, value: Any, message: str) -> str:
        return self.error or ErrorCode.OUT_OF_RANGE.format(min=self.min, max=self.max)
