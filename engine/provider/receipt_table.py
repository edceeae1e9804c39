"""How a provider's receipts look, as the providers' file describes them: the table ``receipts``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StrictInt, model_validator

from engine.domain.zone_names import is_time_zone
from engine.provider.description import (
    Basic,
    HeaderName,
    IdPattern,
    Pointer,
    SecretText,
    Table,
    Words,
    conflict,
)
from engine.provider.placeholders import Template, names_in
from engine.provider.pointer import check_pointer

RFC_3339: Final = "rfc3339"
EPOCH_FORMATS: Final = ("seconds", "milliseconds")
"""Since the Unix epoch."""
_PLACES: Final = ("id", "provider_message_id", "status", "time", "code", "detail")
_SAMPLE: Final = datetime(2026, 11, 29, 15, 16, 17, tzinfo=UTC)
_KEPT: Final = (
    _SAMPLE,
    _SAMPLE.replace(second=0),
    _SAMPLE.replace(minute=0, second=0),
    _SAMPLE.replace(hour=0, minute=0, second=0),
)
"""What a form of times may keep: all of it, or less at its end, but never less than the day."""


class ReceiptSecret(Table):
    """What shows that receipts come from the provider: exactly one of the three."""

    header: HeaderName | None = None
    query: str | None = Field(None, min_length=1)
    basic: Basic | None = None
    value: SecretText | None = None

    @property
    def templates(self) -> list[Template]:
        """All of them."""
        basic = [] if self.basic is None else [self.basic.user, self.basic.password]
        return basic if self.value is None else [*basic, self.value]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if sum(each is not None for each in (self.header, self.query, self.basic)) != 1:
            raise conflict("", "should have one of header, query, basic")
        if (self.basic is None) == (self.value is None):
            raise conflict("value", "belongs to header or query, and they need it")
        if not any(name.startswith("secret.") for name in names_in(self.templates)):
            raise conflict("value" if self.basic is None else "basic", "has no {secret.NAME}")
        return self


class ReceiptAnswer(Table):
    """What the provider wants to hear."""

    status: StrictInt = Field(200, ge=200, le=299)
    body: str = ""
    content_type: str = Field("text/plain; charset=utf-8", pattern=r"^[!-~]+/[ -~]+$")


def _time_zone(value: str) -> str:
    if not is_time_zone(value):
        raise ValueError("should be an IANA time zone name, such as Europe/Moscow")
    return value


TimeZoneName = Annotated[str, AfterValidator(_time_zone)]


def _time_format(value: str) -> str:
    if value in (RFC_3339, *EPOCH_FORMATS):
        return value
    try:
        read = datetime.strptime(_SAMPLE.strftime(value), value).replace(tzinfo=UTC)
    except ValueError:
        read = None
    if read not in _KEPT:
        raise ValueError(
            'should be "rfc3339", "seconds", "milliseconds" or a form with a date such as "%d.%m.%Y %H:%M:%S"'
        )
    return value


class Receipts(Table):
    """How the provider says what became of a text."""

    format: Literal["json", "form", "query"]
    list: Pointer | None = None
    id: str | None = Field(None, min_length=1)
    id_pattern: IdPattern | None = None
    provider_message_id: str | None = Field(None, min_length=1)
    status: str = Field(min_length=1)
    delivered: Words
    undelivered: Words
    time: str | None = Field(None, min_length=1)
    time_format: Annotated[str, AfterValidator(_time_format)] = RFC_3339
    time_zone: TimeZoneName = "UTC"
    code: str | None = Field(None, min_length=1)
    detail: str | None = Field(None, min_length=1)
    secret: ReceiptSecret
    answer: ReceiptAnswer = ReceiptAnswer()

    @property
    def zone(self) -> ZoneInfo:
        """Where a time that names no zone is meant."""
        return ZoneInfo(self.time_zone)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.id is None and self.provider_message_id is None:
            raise conflict("id", "is missing, and so is provider_message_id: receipts could not be told apart")
        if self.id_pattern is not None and self.id is None:
            raise conflict("id_pattern", "needs an id")
        if both := self.delivered & self.undelivered:
            raise conflict("undelivered", f"has {min(both)!r}, and so has delivered")
        if self.format != "json" and self.list is not None:
            raise conflict("list", 'needs format = "json"')
        for key in _PLACES:
            if (place := getattr(self, key)) is not None:
                self._check_place(key, place)
        return self

    def _check_place(self, key: str, place: str) -> None:
        if self.format != "json":
            if place.startswith("/"):
                raise conflict(key, f'should be the name of a field, not a pointer: format is "{self.format}"')
            return
        try:
            check_pointer(place)
        except ValueError as error:
            raise conflict(key, str(error)) from None
