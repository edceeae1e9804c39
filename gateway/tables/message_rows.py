"""What became of messages, as lines of CSV or NDJSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from common.contract.codec import json_of
from mailing.v1.message_pb2 import Message

_WHOLE: Final = ("id", "mailing_id", "client_id", "attempts", "text_version", "http_status")
_KINDS: Final[Mapping[str, type]] = {**dict.fromkeys(_WHOLE, int), "cost": float}
"""What is no text."""
COLUMNS: Final = (
    "id", "mailing_id", "client_id", "phone_number", "status", "reason", "attempts", "create_time", "sent_time",
    "final_time", "next_attempt_time", "text_version", "http_status", "detail", "delivery", "delivery_time",
    "delivery_code", "delivery_detail", "provider", "provider_message_id", "cost",
)  # fmt: skip
"""The columns of a CSV, and the keys of an NDJSON object: those of a message, of its last error (``http_status``,
``detail``) and of its delivery, whose status is ``delivery``."""


def cells_of(message: Message) -> Sequence[str]:
    """A message's cells, one for each of COLUMNS; what is not set is empty."""
    said = json_of(message)
    said |= said.pop("last_error") or {}
    delivery = said.pop("delivery") or {}
    said |= {f"delivery_{name}": value for name, value in delivery.items()} | {"delivery": delivery.get("status")}
    values = [said.get(name) for name in COLUMNS]
    return ["" if value is None else str(value) for value in values]


def ndjson_row(cells: Sequence[str]) -> str:
    """An NDJSON line with its line end."""
    pairs = zip(COLUMNS, cells, strict=True)
    said = {name: _KINDS.get(name, str)(cell) if cell else None for name, cell in pairs}
    return orjson.dumps(said).decode() + "\n"
