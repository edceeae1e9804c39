"""What an update makes of a mailing. Pure; it runs inside the store's transaction."""

from __future__ import annotations

from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from common.error_codes import ErrorCode
from engine.api.convert import both, mailing_input, mailing_message
from engine.api.masks import merged, paths_of
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.validate import MailingInput
from engine.store.rows import MailingRow
from mailing.v1 import mailing_pb2

EDITABLE: Final = frozenset({"text", "filter", "start_time", "end_time", "local_hours", "rate_limit"})
_FIXED: Final = "on_uncertain"


class Unchanged(Exception):
    """The update says what is so already: nothing is to be stored."""


def edited(
    row: MailingRow, mailing: mailing_pb2.Mailing, mask: FieldMask, now_us: int, segments_max: int
) -> MailingInput:
    """Return the mailing as it is to be stored. A text that stays is not held to a limit that was lowered since.

    Raises:
        InvalidInput: with every bad field.
        Unchanged: nothing would change.
    """
    now = mailing_message(row, now_us)
    paths = paths_of(mask, mailing, EDITABLE | {_FIXED})
    after = merged(now, mailing, [path for path in paths if path != _FIXED])
    wanted, _ = both(
        lambda: mailing_input(after, now_us, None if after.text == row.text else segments_max),
        lambda: _check_fixed(now, mailing, _FIXED in paths),
    )
    if wanted == _input(row):
        raise Unchanged
    return wanted


def _input(row: MailingRow) -> MailingInput:
    return MailingInput(
        row.text, row.filter, row.start_us, row.end_us, row.local_hours, row.rate_limit, row.on_uncertain.value
    )


def _check_fixed(now: mailing_pb2.Mailing, mailing: mailing_pb2.Mailing, named: bool) -> None:
    """It can't be changed; but a mailing as it was read may be sent back whole (PUT)."""
    if named and mailing.on_uncertain not in (mailing_pb2.ON_UNCERTAIN_UNSPECIFIED, now.on_uncertain):
        raise InvalidInput([FieldError(_FIXED, ErrorCode.FIXED.format())])
