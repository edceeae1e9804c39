from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from typing import Any

import pytest

from engine.api.by_name import message_from
from engine.domain.message import Reason
from engine.store.client_rows import ClientRow
from mailing.v1.client_pb2 import Client
from mailing.v1.mailing_pb2 import AudienceFilter, LocalHours, MessageCounts
from mailing.v1.message_pb2 import NOT_SENT_REASON_EXPIRED, MessageError


def test_a_row_becomes_a_message() -> None:
    row = ClientRow(7, 79161234567, "916", "new", "UTC", 1_500_000, 2_000_001)
    message = message_from(ClientRow, Client, later=["attributes"])(row)
    assert (message.id, message.phone_number, message.phone_code, message.tag) == (7, "79161234567", "916", "new")
    assert (message.create_time.ToMicroseconds(), message.update_time.ToMicroseconds()) == (1_500_000, 2_000_001)


@dataclass
class Half:
    """A row with a property."""

    pending: int
    sent: int
    not_sent: int

    @property
    def total(self) -> int:
        """The sum."""
        return self.pending + self.sent + self.not_sent


def test_properties_are_read_as_fields_are() -> None:
    assert message_from(Half, MessageCounts)(Half(1, 2, 3)).total == 6


def test_what_is_said_otherwise() -> None:
    kind = make_dataclass("Row", [("detail", "int | None"), ("http_status", int)])
    words = {500: 5}
    make: Callable[[Any], MessageError] = message_from(kind, MessageError, http_status=words)
    assert make(kind(None, 500)) == MessageError(http_status=5, detail="")
    assert make(kind(12, 500)) == MessageError(http_status=5, detail="12")
    keyword = make_dataclass("Row", [("to", str)])
    otherwise: dict[str, Any] = {"from": lambda row: row.to}
    made = message_from(keyword, LocalHours, **otherwise)(keyword("09:00"))
    assert made == LocalHours(**{"from": "09:00"}, to="09:00")
    assert not message_from(keyword, LocalHours, later=["from"])(keyword("09:00")).ListFields()[1:]


def test_a_forgotten_field_raises_when_the_function_is_made() -> None:
    kind = make_dataclass("Row", [("pending", int), ("sent", int), ("not_sent", int)])
    with pytest.raises(TypeError, match=r"Row has no total, which mailing\.v1\.MessageCounts\.total is made of"):
        message_from(kind, MessageCounts)


def test_a_name_that_is_no_field_raises() -> None:
    with pytest.raises(TypeError, match="MessageCounts has no field whole"):
        message_from(Half, MessageCounts, whole={Reason.EXPIRED: NOT_SENT_REASON_EXPIRED})


def test_a_list_is_not_made_by_itself() -> None:
    kind = make_dataclass("Row", [("tags", list), ("phone_codes", list)])
    with pytest.raises(TypeError, match=r"AudienceFilter\.tags must be made of Row by a function"):
        message_from(kind, AudienceFilter)
