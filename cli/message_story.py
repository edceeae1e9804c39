"""What became of a message, in sentences, made of what the engine knows of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from cli import show
from mailing.v1.message_pb2 import Attempt, AttemptOutcome, Delivery, DeliveryStatus, Message, MessageStatus
from mailing.v1.message_pb2 import NotSentReason as Reason

_ENDS: Final[Mapping[int, str]] = {
    Reason.NOT_SENT_REASON_EXPIRED: "It was not sent: its mailing ended first. It certainly did not reach the "
    "provider.",
    Reason.NOT_SENT_REASON_REJECTED: "It was not sent: the provider refused it for good.",
    Reason.NOT_SENT_REASON_CANCELLED: "It was not sent: its mailing was cancelled. It certainly did not reach the "
    "provider.",
    Reason.NOT_SENT_REASON_UNCERTAIN: "It is not tried again, and nobody knows whether the provider has sent it.",
    Reason.NOT_SENT_REASON_SUPPRESSED: "It was not sent: the number was put on the stop list.",
    Reason.NOT_SENT_REASON_INCOMPLETE: "It was not sent: the client lacks an attribute that the text asks for, or the "
    "text became too long.",
}
_CALLS: Final[Mapping[int, str]] = {
    AttemptOutcome.ATTEMPT_OUTCOME_SENT: "took it",
    AttemptOutcome.ATTEMPT_OUTCOME_REJECTED: "refused it for good",
    AttemptOutcome.ATTEMPT_OUTCOME_DEFERRED: "did not take it",
    AttemptOutcome.ATTEMPT_OUTCOME_LOST: "may have taken it, nobody knows",
}
_ARRIVED: Final[Mapping[int, str]] = {
    DeliveryStatus.DELIVERY_STATUS_DELIVERED: "A receipt says that it arrived",
    DeliveryStatus.DELIVERY_STATUS_UNDELIVERED: "A receipt says that it did not arrive",
}


class Sentence(NamedTuple):
    """What happened, and when; ``None``: nobody knows when, or it is so now."""

    time: Timestamp | None
    words: str


def story(message: Message) -> list[Sentence]:
    """From the making of a message to what is known last."""
    return [*_making(message), *map(_call, message.attempt_history), *_end(message), *_receipt(message)]


def _making(m: Message) -> Iterator[Sentence]:
    whom = f"client {m.client_id}" if m.HasField("client_id") else "a client that has been deleted since"
    number = f" ({m.phone_number})" if m.phone_number else ""
    yield Sentence(m.create_time, f"Message {m.id} of mailing {m.mailing_id} was made for {whom}{number}.")


def _call(a: Attempt) -> Sentence:
    took = ""
    if a.HasField("start_time") and a.HasField("end_time"):
        took = f" after {(a.end_time.ToNanoseconds() - a.start_time.ToNanoseconds()) / 1e6:,.0f} ms"
    said = answer(a.http_status if a.HasField("http_status") else None, a.detail)
    words = f"Call {a.number}: {a.provider or 'the provider'} {_CALLS.get(a.outcome, 'answered')}{took}"
    return Sentence(a.start_time if a.HasField("start_time") else a.end_time, f"{words}{f' ({said})' if said else ''}.")


def _end(m: Message) -> Iterator[Sentence]:
    final = m.final_time if m.HasField("final_time") else None
    if m.status == MessageStatus.MESSAGE_STATUS_SENT:
        name = f", which calls it {m.provider_message_id}" if m.provider_message_id else ""
        version = f" Version {m.text_version} of the text went out." if m.HasField("text_version") else ""
        yield Sentence(final, f"It is sent by {m.provider or 'the provider'}{name}.{version}")
    elif m.status == MessageStatus.MESSAGE_STATUS_NOT_SENT:
        yield Sentence(final, _ENDS.get(m.reason, "It was not sent."))
    elif m.attempts > len(m.attempt_history):
        yield Sentence(None, f"Call {m.attempts} is being made, or is about to be.")
    elif m.HasField("next_attempt_time"):
        again = "It waits to be tried again" if m.attempts else "It waits"
        yield Sentence(m.next_attempt_time, f"{again}, at this time at the earliest.")
    else:
        yield Sentence(None, "It waits for its turn.")


def _receipt(m: Message) -> Iterator[Sentence]:
    if m.HasField("delivery"):
        said: Delivery = m.delivery
        words = " ".join(filter(None, (said.code, show.cut(said.detail, 200))))
        yield Sentence(
            said.time if said.HasField("time") else None,
            f"{_ARRIVED.get(said.status, 'A receipt came')}{f' ({words})' if words else ''}.",
        )


def answer(http_status: int | None, detail: str) -> str:
    """What the provider answered. Most details begin with the status themselves ("HTTP 400: …"): say it once."""
    if http_status is None:
        return show.cut(detail, 90)
    status = f"HTTP {http_status}"
    known = re.match(rf"{status}\b", detail) is not None
    return show.cut(detail if known or not detail else f"{status}: {detail}", 90) or status
