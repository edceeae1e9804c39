"""What the placeholders of a text stood for when it went out. It is kept for as long as the client is: see
docs/decisions/rendered-texts.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from common.logs import masked_phone
from engine.domain.template import PHONE_NUMBER, template_of
from engine.store.database import Tx

_PRESENT_NUMBER: Final = f'"{PHONE_NUMBER}":null'
"""In JSON: the number that the client has. No other text has this: quotes within a value are escaped."""


async def forget_values(tx: Tx, client_ids: Iterable[int]) -> None:
    """These clients are being deleted: nothing of what was said to them stays. Their messages are locked."""
    await tx.run(
        f"UPDATE message SET rendered = NULL WHERE client_id {tx.dialect.in_list()} AND rendered IS NOT NULL",
        tx.dialect.list_arg(client_ids),
    )


async def mask_number(tx: Tx, client_id: int, phone_number: int) -> None:
    """The client leaves this number: texts that went out had it, and not the next one. Its messages are locked."""
    await tx.run(
        "UPDATE message SET rendered = replace(rendered, ?, ?) WHERE client_id = ? AND rendered IS NOT NULL",
        _PRESENT_NUMBER,
        f'"{PHONE_NUMBER}":"{masked_phone(phone_number)}"',
        client_id,
    )


def text_that_went_out(text: str, rendered: str | None, phone_number: int | None) -> str:
    """Make a text again.

    Args:
        text: the mailing's text, of the version that went out.
        rendered: as it is stored.
        phone_number: the client's.
    """
    template = template_of(text)
    if not template.is_personal:
        return template.plain
    if rendered is None:
        return text
    values = orjson.loads(rendered)
    if values.get(PHONE_NUMBER, "") is None:
        values[PHONE_NUMBER] = phone_number
    return template.with_values(values)
