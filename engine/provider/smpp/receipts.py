"""Receipts in ``deliver_sm``: what became of a text.

There are two forms (SMPP 3.4, 4.6.1 and appendix B): optional parameters, and a text that centres write each a little
differently. The parameters say it precisely, so they are taken where they are. Everything else is read leniently: a
receipt that is not understood is lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final, NamedTuple

from engine.provider.answers import ID_CHARACTERS_MAX
from engine.provider.receipts import CODE_CHARACTERS_MAX, ProviderReceipt

RECEIPTED_MESSAGE_ID: Final = 0x001E
NETWORK_ERROR_CODE: Final = 0x0423
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427

_KIND: Final = 0x3C  # 5.2.12: what kind of message it is
_RECEIPT: Final = 0x04
_HAS_HEADER: Final = 0x40
_STATES: Final[Mapping[int, str]] = {  # 5.2.28
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}
_DELIVERED: Final = ("DELIV",)
_UNDELIVERED: Final = ("EXPIR", "DELET", "UNDELIV", "REJECT", "FAIL")
"""How the words of final states begin: many centres write them in full."""
_NAMES: Final = "id|sub|dlvrd|submit date|done date|stat|err|text"
_FIELD: Final = re.compile(rf"\b(id|stat|err|done date):[ ]?(?!(?:{_NAMES}):)(\S*)", re.IGNORECASE)
"""An empty field is followed by the next one's name."""
_DONE_DATE: Final = re.compile(r"(\d{10})(\d{2})?", re.ASCII)
_NO_ERROR: Final = re.compile(r"0*", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_STATE_CHARACTERS_MAX: Final = 16


class ReceiptIds(StrEnum):
    """How the id in a receipt's text is written, against the one that ``submit_sm_resp`` has told."""

    SAME = "same"
    DECIMAL = "decimal"
    """The response has it hexadecimal."""
    HEX = "hex"
    """The response has it decimal."""


_BASES: Final[Mapping[ReceiptIds, tuple[int, int]]] = {ReceiptIds.DECIMAL: (16, 10), ReceiptIds.HEX: (10, 16)}
"""Of the id in a response, and in the text of a receipt."""


class Delivered(NamedTuple):
    """What of a ``deliver_sm`` is looked at."""

    esm_class: int
    short_message: bytes
    tlvs: Mapping[int, bytes]


def told_id(message_id: str, ids: ReceiptIds) -> str:
    """The id of a ``submit_sm_resp``, in the form that those of receipts are turned into too; empty: it is none."""
    message_id = _visible(message_id)
    if len(message_id) > ID_CHARACTERS_MAX:
        return ""
    return _uniform(message_id, _BASES[ids][0]) if ids in _BASES else message_id


def read_receipt(
    delivered: Delivered, ids: ReceiptIds = ReceiptIds.SAME, zone: tzinfo | None = None
) -> ProviderReceipt | None:
    """Read a receipt; ``None``: it is none, or tells of a text that is still on its way.

    Args:
        delivered: what came.
        ids: how ids are written.
        zone: where the times are meant that it names; ``None``: nobody knows, so they are not taken.
    """
    if delivered.esm_class & _KIND not in (0, _RECEIPT):  # an acknowledgement, or a notice on the way
        return None
    fields = _fields(delivered)
    parameter = _visible(delivered.tlvs.get(RECEIPTED_MESSAGE_ID, b"").decode("latin-1"))
    if parameter:
        message_id = told_id(parameter, ids)
    else:
        message_id = _uniform(fields.get("id", ""), _BASES[ids][1]) if ids in _BASES else fields.get("id", "")
    state = _state(delivered, fields)
    if not 0 < len(message_id) <= ID_CHARACTERS_MAX or not state.startswith(_DELIVERED + _UNDELIVERED):
        return None
    time_us = _done_us(fields.get("done date", ""), zone)
    return ProviderReceipt(None, message_id, state.startswith(_DELIVERED), time_us, _code(delivered, fields), state)


def _fields(delivered: Delivered) -> Mapping[str, str]:
    """Fields of the text; what follows ``text:`` is a part of the message, and may say anything."""
    octets = delivered.tlvs.get(MESSAGE_PAYLOAD, delivered.short_message)
    if delivered.esm_class & _HAS_HEADER and octets:
        octets = octets[octets[0] + 1 :]
    said = re.split(r"\btext:", _visible(octets.decode("latin-1")), maxsplit=1, flags=re.IGNORECASE)[0]
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(said):
        fields.setdefault(name.lower(), value)
    return fields


def _state(delivered: Delivered, fields: Mapping[str, str]) -> str:
    number = int.from_bytes(delivered.tlvs.get(MESSAGE_STATE, b""), "big")
    return _STATES.get(number) or fields.get("stat", "").upper()[:_STATE_CHARACTERS_MAX]


def _code(delivered: Delivered, fields: Mapping[str, str]) -> str:
    network = delivered.tlvs.get(NETWORK_ERROR_CODE, b"")
    if len(network) == 3 and any(network[1:]):  # 5.3.2.31: the kind of network, and its code
        return f"{network[0]}:{int.from_bytes(network[1:], 'big')}"
    code = fields.get("err", "")
    return "" if _NO_ERROR.fullmatch(code) else code[:CODE_CHARACTERS_MAX]


def _done_us(said: str, zone: tzinfo | None) -> int | None:
    """``YYMMDDhhmm``, from many centres with seconds behind it."""
    found = _DONE_DATE.fullmatch(said)
    if zone is None or found is None:
        return None
    try:
        time = datetime.strptime(found[1] + (found[2] or "00"), "%y%m%d%H%M%S").replace(tzinfo=zone)
    except ValueError:
        return None
    return (time - _EPOCH) // _US


def _visible(text: str) -> str:
    """Without what no screen shows and no database takes."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _uniform(message_id: str, base: int) -> str:
    """A number in decimal; what is none stays as it is."""
    try:
        return str(int(message_id, base))
    except ValueError:
        return message_id
