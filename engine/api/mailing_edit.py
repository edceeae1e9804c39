"""What an update makes of a mailing. Pure; it runs inside the store's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from common.error_codes import ErrorCode
from engine.api.convert import both, mailing_input, mailing_message
from engine.api.masks import fixed_of, merged, paths_of
from engine.api.wishes import wish_input, wish_of
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.routing import Way
from engine.domain.validate import MailingInput
from engine.store.rows import MailingRow
from mailing.v1 import mailing_pb2

_FIXED: Final = fixed_of(mailing_pb2.Mailing.DESCRIPTOR)


class Unchanged(Exception):
    """The update says what is so already: nothing is to be stored."""


def edited(
    row: MailingRow,
    mailing: mailing_pb2.Mailing,
    mask: FieldMask,
    now_us: int,
    segments_max: int,
    ways: Sequence[Way],
) -> MailingInput:
    """Return the mailing as it is to be stored. A text that stays is not held to a limit that was lowered since, and
    what stays of the wish for a provider not to ``ways``, the providers that there are now.

    Raises:
        InvalidInput: with every bad field.
        Unchanged: nothing would change.
    """
    now = mailing_message(row, now_us)
    paths = paths_of(mask, mailing)
    after = merged(now, mailing, [path for path in paths if path not in _FIXED])
    kept = wish_input(after, None) == wish_of(row)
    wanted, _ = both(
        lambda: mailing_input(after, now_us, None if after.text == row.text else segments_max, None if kept else ways),
        lambda: _check_fixed(now, mailing, _FIXED.intersection(paths)),
    )
    if wanted == _input(row):
        raise Unchanged
    return wanted


def _input(row: MailingRow) -> MailingInput:
    said = {field.name: getattr(row, field.name) for field in fields(MailingInput)}
    return MailingInput(**{**said, "on_uncertain": row.on_uncertain.value})


def _check_fixed(now: mailing_pb2.Mailing, mailing: mailing_pb2.Mailing, named: Iterable[str]) -> None:
    """They can't be changed; but a mailing as it was read may be sent back whole (PUT)."""
    unset = mailing_pb2.Mailing()
    bad = [name for name in named if getattr(mailing, name) not in (getattr(unset, name), getattr(now, name))]
    if bad:
        raise InvalidInput([FieldError(name, ErrorCode.FIXED.format()) for name in bad])
