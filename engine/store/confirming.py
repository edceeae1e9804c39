"""Messages that are sent because a receipt says that the provider took them (CONFIRM), and what the receipt says.

While an engine has a message its receipt is kept on the row and nothing else follows: when the engine lets go of it,
in whatever way, the message is sent (``domain.message.heard``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from engine.domain.message import Event, outcome_of
from engine.domain.receipt import Delivery
from engine.domain.routing import FBRQ_ID
from engine.store.counters import Tally
from engine.store.database import Tx
from engine.store.lifecycle import set_by
from engine.store.outbox import tell_messages
from engine.store.verbs import update_messages

_CONFIRMED: Final = outcome_of(Event.CONFIRM)
LAST_CALLED: Final = (
    f"coalesce((SELECT coalesce(a.provider_id, {FBRQ_ID}) FROM attempt AS a WHERE a.message_id = message.id"
    " ORDER BY a.number DESC LIMIT 1), message.provider_id)"
)
"""Who was called last for a message. After a known failure its row names another one, or nobody."""
_SENT: Final = (
    f"{set_by(Event.CONFIRM)}, owner = NULL, stale = FALSE, due_us = 0, http_status = NULL, detail = '',"
    f" provider_id = {LAST_CALLED}"
)
SAID: Final = ("delivery", "delivery_us", "heard_us", "delivery_code", "delivery_detail")
"""What a message keeps of its receipt."""
DROPPED: Final = ", ".join(f"{name} = NULL" for name in SAID)
"""What an UPDATE sets for messages that turn out never to have been called: what was said of them is about nothing that
was done."""
UNUSED: Final = ", attempt = attempt - 1"
"""What it sets besides when they were claimed, and go back without a call: the attempt is not used up."""


class Heard(NamedTuple):
    """What the latest receipt of a message in an engine's hands says."""

    delivery: Delivery
    delivery_us: int
    """The time that it names."""
    text_version: int | None
    """Of the message, when the receipt was read."""


def heard_of(delivery: int | None, delivery_us: Any, text_version: int | None) -> Heard | None:
    """The receipt of a row; ``None``: there is none."""
    return None if delivery is None else Heard(Delivery(delivery), delivery_us, text_version)


async def confirm(tx: Tx, messages: Mapping[int, tuple[int, Heard]], now_us: int, tally: Tally, more: str = "") -> None:
    """CONFIRM: these messages are sent.

    Args:
        tx: the transaction, which holds these rows.
        messages: the mailing of each, and its receipt, by message id.
        now_us: the time.
        tally: gets what changes in the counters.
        more: what the UPDATE sets besides.
    """
    if not messages:
        return
    await update_messages(tx, f"{_SENT}, finished_us = ?{more}", messages, now_us)
    await tell_messages(tx, messages)
    for mailing_id, receipt in messages.values():
        tally.move(mailing_id, _CONFIRMED, now_us, text_version=receipt.text_version)
        tally.heard(mailing_id, None, receipt.delivery, [(receipt.delivery_us, None)], now_us)
