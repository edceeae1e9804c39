"""What became of messages, as lines of CSV or NDJSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from common.contract.codec import json_of
from common.contract.values import Json
from mailing.v1.message_pb2 import Message

COLUMNS: Final = (
    "id", "mailing_id", "client_id", "phone_number", "status", "reason", "attempts", "create_time", "sent_time",
    "final_time", "next_attempt_time", "text_version", "http_status", "detail",
)  # fmt: skip
"""The columns of a CSV, and the keys of an NDJSON object: those of a message; the last two are its last error."""


def cells_of(message: Message) -> Sequence[str]:
    """A message's cells, one for each of COLUMNS; what is not set is empty."""
    return ["" if value is None else str(value) for value in _said(message).values()]


def ndjson_row(message: Message) -> str:
    """An NDJSON line with its line end."""
    return orjson.dumps(_said(message)).decode() + "\n"


def _said(message: Message) -> Json:
    said = json_of(message)
    said |= said.pop("last_error") or {}
    return {name: said.get(name) for name in COLUMNS}
