"""What each phone got, from whichever provider, and answered."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from itertools import chain

from scripts.sandbox.ledger import Ledger, Message, time_text
from scripts.sandbox.replies import Reply


def conversations(
    ledgers: Mapping[str, Ledger],
    replies: Mapping[int, Sequence[Reply]],
    doubles: Container[int],
    digits: str,
    limit: int,
) -> list[dict[str, object]]:
    """What each number got and answered, each oldest first; numbers with doubles before the others, then the latest.

    Args:
        ledgers: what the providers received, by their names.
        replies: what people answered, by number.
        doubles: ids that two providers accepted.
        digits: only numbers that have these in a row.
        limit: of numbers.
    """
    received: dict[int, dict[int, dict[str, Message]]] = {}
    latest: dict[int, int] = {}
    for name, ledger in ledgers.items():
        for message in ledger.latest.values():
            received.setdefault(message.phone, {}).setdefault(message.message_id, {})[name] = message
            latest[message.phone] = max(latest.get(message.phone, 0), message.calls[-1].at_us)
    for phone, answered in replies.items():
        latest[phone] = max(latest.get(phone, 0), answered[-1].at_us)
    phones = [phone for phone in latest if digits in str(phone)]
    is_double = {phone: any(message_id in doubles for message_id in received.get(phone, ())) for phone in phones}
    phones.sort(key=lambda phone: (not is_double[phone], -latest[phone]))
    return [
        {
            "phone": phone,
            "last_time": time_text(latest[phone]),
            "messages": sorted(
                (_message(ledgers, found) for found in received.get(phone, {}).values()),
                key=lambda message: str(message["first_time"]),
            ),
            "replies": [reply.as_json() for reply in replies.get(phone, ())],
        }
        for phone in phones[:limit]
    ]


def _message(ledgers: Mapping[str, Ledger], found: Mapping[str, Message]) -> dict[str, object]:
    """One message, and what each provider did with it."""
    calls = sorted(
        chain.from_iterable(((call, name) for call in message.calls) for name, message in found.items()),
        key=lambda pair: pair[0].at_us,
    )
    any_of_them = next(iter(found.values()))
    message_id = any_of_them.message_id
    return {
        "id": message_id,
        "phone": any_of_them.phone,
        "text": calls[-1][0].text,
        "count": sum(ledgers[name].calls(message_id) for name in found),
        "first_time": time_text(calls[0][0].at_us),
        "last_time": time_text(calls[-1][0].at_us),
        # Whoever has forgotten the text still knows the id.
        "accepted_by": [name for name, ledger in ledgers.items() if ledger.accepted_calls(message_id)],
        "receipts": {name: message.receipt for name, message in found.items() if message.receipt},
        "calls": [call.as_json() | {"provider": name} for call, name in calls],
    }
