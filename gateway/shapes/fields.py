"""Fields as JSON has them: no number out of a text, no text out of a number, and words that people understand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sized
from functools import cached_property, partial
from typing import Any, Final

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, missing
from marshmallow.validate import Length, OneOf, Range, Regexp

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
IGNORED: Final = "Ignored."
"""What is said of a field of a body that only the engine writes."""
ERRORS_MAX: Final = 100
"""Bad fields that are named; of more it is said how many."""
_UNKNOWN_KEYS_MAX: Final = ERRORS_MAX
_DIGITS: Final = re.compile(r"[0-9]+")
Fits = Callable[[Any], bool]
"""Tells of a value that a field would take it and leave it as it is. False: ask the field, which says what is wrong."""


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


class Flag(fields.Boolean):
    """JSON's true or false; the text "no" is neither."""

    default_error_messages = {**_MESSAGES, "invalid": ErrorCode.NOT_BOOLEAN}  # noqa: RUF012 - marshmallow's

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


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

    @cached_property
    def _fits(self) -> Fits:
        return fits_of(self.inner) or _never

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        for each in self.validators:
            if isinstance(each, Length):
                each(value)
        found, bad, fits = [], {}, self._fits
        for index, entry in enumerate(value):
            if fits(entry):
                found.append(entry)
                continue
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


# -- values that are loaded as they are ----------------------------------------------------------


def _never(_: Any) -> bool:
    return False


def _is_null(value: Any) -> bool:
    return value is None


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_moment(value: Any) -> bool:
    try:
        return type(value) is str and time_proto(value) is not None
    except Unfit:
        return False


_KINDS: Final[Mapping[type[fields.Field[Any]], Fits]] = {Text: _is_text, Whole: _is_whole, Moment: _is_moment}


def fits_of(field: fields.Field[Any]) -> Fits | None:
    """What tells of values; ``None``: not of this kind of field. An object of four keys takes 4 us, where marshmallow
    takes 19, and there may be a thousand in a list."""
    if isinstance(field, Nested):
        fits = _object_fits(field.schema)
    else:
        is_kind = _KINDS.get(type(field))
        fits = None if is_kind is None else _all_fit(is_kind, field)
    return _either(_is_null, fits) if fits is not None and field.allow_none else fits


def _object_fits(schema: Schema) -> Fits | None:
    """Of an object whose keys all have fields, among them those that it must have."""
    by_key: dict[str, Fits] = {}
    for name, field in schema.fields.items():
        fits = None if field.data_key or field.attribute or field.dump_only else fits_of(field)
        if fits is None or field.load_default is not missing:
            return None
        by_key[name] = fits
    required = frozenset(name for name, field in schema.fields.items() if field.required)

    def object_fits(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for key, inner in value.items():
            fits = by_key.get(key)
            if fits is None or not fits(inner):
                return False
        return True

    return object_fits


def _all_fit(first: Fits, field: fields.Field[Any]) -> Fits | None:
    """A value of a type that passes the field's validators, which are of the kinds that ours are made of."""
    fits = first
    for validator in field.validators:
        if isinstance(validator, OneOf):
            fits = _both(fits, frozenset(validator.choices).__contains__)
        elif isinstance(validator, Lengths | Bounds | Pattern):
            fits = _both(fits, partial(_passes, validator))
        else:
            return None
    return fits


def _both(first: Fits, second: Fits) -> Fits:
    return lambda value: first(value) and second(value)


def _either(first: Fits, second: Fits) -> Fits:
    return lambda value: first(value) or second(value)


def _passes(validator: Callable[[Any], Any], value: Any) -> bool:
    try:
        validator(value)
    except ValidationError:
        return False
    return True
