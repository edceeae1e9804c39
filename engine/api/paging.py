"""Page tokens: where the next page begins (a keyset, so that inserts and deletions between two pages
neither repeat nor skip a row), and of which list. Opaque to callers, stateless, not secret."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from typing import Final

from google.protobuf.message import Message

from common.error_codes import ErrorCode
from engine.domain.errors import FieldError, InvalidInput
from engine.store.rows import MAX_PAGE_SIZE, Page

DEFAULT_PAGE_SIZE: Final = 50

_ORDERS: Final = {"": None, "id": False, "id desc": True}
"""``Page.descending`` by ``order_by``."""
_TURNING: Final = ("page_size", "page_token", "skip")
"""Fields that turn the pages; all others say of what list."""

_TOKEN: Final = struct.Struct(">q12s")
"""The id of the last row shown, and a digest of it and of the list's filters."""


def page_of(request: Message, default: int = DEFAULT_PAGE_SIZE) -> Page:
    """Read ``page_size``, ``page_token``, ``skip`` and ``order_by`` of a List request.

    Raises:
        InvalidInput: naming all of them that are bad.
    """
    errors: list[FieldError] = []
    size: int = request.page_size  # type: ignore[attr-defined]
    # An export has none of these.
    token: str = getattr(request, "page_token", "")
    skip: int = getattr(request, "skip", 0)
    order_by: str = getattr(request, "order_by", "")
    if size < 0:
        errors.append(FieldError("page_size", ErrorCode.NEGATIVE.format()))
    if skip < 0:
        errors.append(FieldError("skip", ErrorCode.NEGATIVE.format()))
    if order_by not in _ORDERS:
        errors.append(FieldError("order_by", ErrorCode.BAD_ORDER.format()))
    after = None
    if token:
        after = _read(token, request)
        if after is None:
            errors.append(FieldError("page_token", ErrorCode.BAD_PAGE_TOKEN.format()))
    if errors:
        raise InvalidInput(errors)
    return Page(min(size or default, MAX_PAGE_SIZE), after, skip, _ORDERS[order_by])


def token_after(request: Message, next_after: int | None) -> str:
    """The token of the page after the row ``next_after``; empty when there is none."""
    if next_after is None:
        return ""
    token = _TOKEN.pack(next_after, _digest(request, next_after))
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def _read(token: str, request: Message) -> int | None:
    """The row id in the token; ``None``: damaged, or made for another list or other filters."""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        after, digest = _TOKEN.unpack(data)
    except (binascii.Error, ValueError, struct.error):
        return None
    return after if digest == _digest(request, after) else None


def _digest(request: Message, after: int) -> bytes:
    """Ties a row id to the list's method, order and filters."""
    filters = type(request)()
    filters.CopyFrom(request)
    for name in _TURNING:
        if name in filters.DESCRIPTOR.fields_by_name:
            filters.ClearField(name)
    text = filters.DESCRIPTOR.full_name.encode() + b"\0" + filters.SerializeToString(deterministic=True)
    return hashlib.blake2b(text + struct.pack(">q", after), digest_size=12).digest()
