"""The lifecycle of a message as SQL. Every status and reason in the store's statements is made here, from the table
in ``domain/message.py``.

The conditions are worded as those of the partial indexes of ``message`` are: SQLite uses such an index only for a
statement that repeats its condition.
"""

from __future__ import annotations

from functools import cache

from engine.domain.message import Event, Reason, Status, Step, outcome_of, statuses_before
from engine.domain.receipt import NO_RECEIPT, Delivery


def in_status(*statuses: Status, of: str = "") -> str:
    """The condition that a message has one of these statuses; ``of``: the table's name in the statement."""
    column = f"{of}.status" if of else "status"
    numbers = sorted(int(status) for status in statuses)
    if len(numbers) == 1:
        return f"{column} = {numbers[0]}"
    if numbers == list(range(len(numbers))):  # one comparison costs less than a list
        return f"{column} <= {numbers[-1]}"
    return f"{column} IN ({', '.join(map(str, numbers))})"


@cache
def open_to(event: Event, of: str = "") -> str:
    """The condition that the event can happen to a message."""
    return in_status(*statuses_before(event), of=of)


@cache
def set_by(event: Event) -> str:
    """What UPDATE sets when the event happens to messages, for an event that makes the same of all of them."""
    return set_to(outcome_of(event))


def set_to(step: Step) -> str:
    """What UPDATE sets when messages make this step."""
    return f"status = {int(step.status)}" + ("" if step.reason is None else f", reason = {int(step.reason)}")


@cache
def is_waiting(of: str = "") -> str:
    """Nobody has the message: it waits for its time. The condition of the indexes ``message_due`` and
    ``message_unsure``."""
    return in_status(Status.PENDING, of=of)


@cache
def is_taken(of: str = "") -> str:
    """An engine has the message. The condition of the index ``message_lease``."""
    return in_status(*(status for status in Status if status.is_taken), of=of)


@cache
def is_not_final(of: str = "") -> str:
    """Something can still happen to the message."""
    return in_status(*(status for status in Status if not status.is_final), of=of)


@cache
def is_final(of: str = "") -> str:
    """Nothing can happen to the message any more."""
    return in_status(*(status for status in Status if status.is_final), of=of)


@cache
def shown_as(word: str, of: str = "") -> str:
    """The API shows the status of the message as ``word``. For ``not_sent`` the condition of the index
    ``message_not_sent``."""
    return in_status(*(status for status in Status if status.public == word), of=of)


def any_reason() -> str:
    """All reasons, for ``reason IN``: so SQLite takes each as a range of an index."""
    return f"({', '.join(str(int(reason)) for reason in Reason)})"


def delivery_is(word: str, of: str = "") -> str:
    """Receipts say this of a message, whatever became of it: a word of ``Delivery``; or it is sent and has no receipt:
    ``NO_RECEIPT``."""
    column = f"{of}.delivery" if of else "delivery"
    numbers = {delivery.public: int(delivery) for delivery in Delivery}
    return f"({shown_as('sent', of)} AND {column} IS NULL)" if word == NO_RECEIPT else f"{column} = {numbers[word]}"
