"""Receipts in a provider's own form: what became of texts that it had accepted.

Pure: ``engine.provider.file`` reads the description, and whoever takes the request calls ``Receiver``.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable
from urllib.parse import parse_qsl

from common.logs import mask_text
from engine.domain.units import US_PER_SECOND
from engine.provider.answers import ID_CHARACTERS_MAX
from engine.provider.patterns import Expression
from engine.provider.placeholders import Template
from engine.provider.pointer import compiled, word_of
from engine.provider.receipt_table import RFC_3339, ReceiptAnswer, Receipts
from engine.provider.reply import read_value, text_of
from engine.provider.shapes import basic

CODE_CHARACTERS_MAX: Final = 64
DETAIL_CHARACTERS_MAX: Final = 200
_ID_MAX: Final = 2**63 - 1
_DIGITS: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_UNITS_PER_SECOND: Final = {"seconds": 1, "milliseconds": 1000}
_NUMBER: Final = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,9})?", re.ASCII)
"""Seconds or milliseconds. Exponents are none: to write 1e400000 out takes many seconds."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_TIME_MAX_US: Final = 253_402_300_799 * US_PER_SECOND
"""The last second of the year 9999: a time behind it is none."""


class UnreadableReceipts(ValueError):
    """The body is not what the description says; the words name no value of it."""


class ProviderReceipt(NamedTuple):
    """What a provider says of one text."""

    message_id: int | None
    """Ours; ``None``: the provider names its own only."""
    provider_message_id: str | None
    """The provider's; one of the two is there."""
    delivered: bool
    time_us: int | None
    """When that was; ``None``: not said, or not to be read."""
    code: str
    detail: str


TakeReceipts = Callable[[Sequence[ProviderReceipt]], Awaitable[None]]
"""Stores receipts; raises ``StoreUnavailable`` when it can't just now."""


@runtime_checkable
class StandingProvider(Protocol):
    """A provider whose receipts come over a connection of its own, and not as requests to us."""

    def open(self, take: TakeReceipts) -> None:
        """Connect now, stay connected until ``close``, and hand over the receipts that come."""


class Received(NamedTuple):
    """What was in one request."""

    receipts: list[ProviderReceipt]
    ignored: int
    """Entries with a status on the way: neither delivered nor undelivered."""
    unreadable: int
    """Entries without an id that could be one of ours."""


Take = Callable[[Any], Any]


class Receiver:
    """Takes the receipts of one provider."""

    def __init__(self, receipts: Receipts, secrets: Mapping[str, str]) -> None:
        self._table = receipts
        self._list = compiled(receipts.list or "")
        self._take = {
            key: self._taker(key) for key in ("id", "provider_message_id", "status", "time", "code", "detail")
        }
        self._id_pattern = Expression(receipts.id_pattern) if receipts.id_pattern is not None else None
        self._read_time = _time_reader(receipts.time_format, receipts.zone)
        self._expected = _expected(receipts, secrets)

    @property
    def answer(self) -> ReceiptAnswer:
        """What the provider wants to hear when its receipts are taken."""
        return self._table.answer

    def is_allowed(self, headers: Mapping[str, str], query: str) -> bool:
        """Whether a request has the provider's secret; ``headers`` are by names in lower case, ``query`` is as it came.

        The comparison takes the same time however much of a guess is right.
        """
        secret = self._table.secret
        if secret.query is not None:
            given = [value for name, value in parse_qsl(query, keep_blank_values=True) if name == secret.query]
        else:
            given = [headers.get(secret.header or "authorization", "")]
        return len(given) == 1 and hmac.compare_digest(given[0].encode("utf-8", "replace"), self._expected)

    def parse(self, content_type: str, query: str, body: bytes) -> Received:
        """What the request says.

        Raises:
            UnreadableReceipts: it is not what the description says.
        """
        found: list[ProviderReceipt] = []
        ignored = unreadable = 0
        for entry in self._entries(content_type, query, body):
            status = word_of(self._take["status"](entry))
            if status not in self._table.delivered and status not in self._table.undelivered:
                ignored += 1
            elif (receipt := self._receipt(entry, status in self._table.delivered)) is not None:
                found.append(receipt)
            else:
                unreadable += 1
        return Received(found, ignored, unreadable)

    def _entries(self, content_type: str, query: str, body: bytes) -> Sequence[Any]:
        form = self._table.format
        if form == "query":
            return [self._described(_fields(query))]
        if form == "form":
            return [self._described(_fields(text_of(body, content_type)))]
        value = self._list(read_value(body, content_type)) if body.strip() else None
        if isinstance(value, dict):
            return [value]
        if isinstance(value, list):
            return value
        raise UnreadableReceipts(f"the body has no list and no object at {self._table.list or 'its top'}")

    def _described(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """The fields, if they say something of some text. The description is mistaken else, or it is no receipt."""
        table = self._table
        ids = [name for name in (table.id, table.provider_message_id) if name is not None]
        for names in ([table.status], ids):
            if fields.keys().isdisjoint(names):
                raise UnreadableReceipts(f"the {table.format} has no field {' or '.join(names)}")
        return fields

    def _receipt(self, entry: Any, delivered: bool) -> ProviderReceipt | None:
        message_id = self._message_id(_text(self._take["id"](entry)))
        name = _text(self._take["provider_message_id"](entry))
        provider_message_id = name if 0 < len(name) <= ID_CHARACTERS_MAX else None
        if message_id is None and provider_message_id is None:
            return None
        return ProviderReceipt(
            message_id,
            provider_message_id,
            delivered,
            self._read_time(_text(self._take["time"](entry))),
            mask_text(_text(self._take["code"](entry)))[:CODE_CHARACTERS_MAX],
            mask_text(_text(self._take["detail"](entry)))[:DETAIL_CHARACTERS_MAX],
        )

    def _message_id(self, text: str) -> int | None:
        if self._id_pattern is not None:
            text = self._id_pattern.all_of(text)
        return int(text) if _DIGITS.fullmatch(text) and 0 < int(text) <= _ID_MAX else None

    def _taker(self, key: str) -> Take:
        place = getattr(self._table, key)
        if place is None:
            return lambda _entry: None
        return compiled(place) if self._table.format == "json" else lambda entry: entry.get(place)


def _fields(text: str) -> Mapping[str, str]:
    """The fields of a form; of one that is there twice, the last."""
    return dict(parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace"))


def _text(value: Any) -> str:
    """A text or a number on one line; empty: it is neither."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())


def _expected(receipts: Receipts, secrets: Mapping[str, str]) -> bytes:
    secret = receipts.secret

    def filled(template: Template | None) -> str:
        return "".join(part if isinstance(part, str) else secrets[part.secret] for part in template or ())

    if secret.basic is not None:
        return basic(filled(secret.basic.user), filled(secret.basic.password)).encode()
    return filled(secret.value).encode()


def _time_reader(form: str, zone: tzinfo) -> Callable[[str], int | None]:
    units_per_second = _UNITS_PER_SECOND.get(form)

    def read(text: str) -> int | None:
        try:
            if units_per_second is not None:
                time_us = int(Decimal(text) * (US_PER_SECOND // units_per_second)) if _NUMBER.fullmatch(text) else 0
            else:
                time = datetime.fromisoformat(text) if form == RFC_3339 else datetime.strptime(text, form)
                time_us = ((time if time.tzinfo is not None else time.replace(tzinfo=zone)) - _EPOCH) // _US
        except (ValueError, OverflowError):
            return None
        return time_us if 0 < time_us <= _TIME_MAX_US else None

    return read
