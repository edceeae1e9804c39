"""`mailing messages log`: what became of a message, in sentences."""

from __future__ import annotations

import json

import pytest

from cli.message_story import story
from mailing.v1.message_pb2 import AttemptOutcome, Delivery, DeliveryStatus, Message, MessageStatus, NotSentReason
from tests.cli.conftest import Run

STORY = """\
2026-01-01 00:00:00Z  Message 5000000001 of mailing 7 was made for client 1 (79160000001).
2026-01-01 00:00:01Z  Call 1: acme did not take it after 120 ms (time-out after 10 s).
2026-01-01 00:00:02Z  Call 2: fbrq refused it for good after 120 ms (HTTP 400: bad phone).
now  It was not sent: the provider refused it for good.
2026-01-01 00:00:09Z  A receipt says that it did not arrive (9).
"""


def test_a_message_is_told_from_its_making_on(run: Run) -> None:
    assert run("--utc", "messages", "log", "5000000001") == (0, STORY, "")
    told = json.loads(run("messages", "log", "5000000001", "--json")[1])
    assert told[0]["time"] == "2026-01-01T00:00:00.000000Z"
    assert [line["words"] for line in told] == [line.partition("  ")[2] for line in STORY.splitlines()]


def waiting(attempts: int = 0, calls: int = 0, next_seconds: int = 0) -> Message:
    message = Message(id=1, mailing_id=2, status=MessageStatus.MESSAGE_STATUS_PENDING, attempts=attempts)
    for number in range(1, calls + 1):
        message.attempt_history.add(number=number, outcome=AttemptOutcome.ATTEMPT_OUTCOME_LOST)
    if next_seconds:
        message.next_attempt_time.FromSeconds(next_seconds)
    return message


@pytest.mark.parametrize(
    ("message", "last"),
    [
        (waiting(), "It waits for its turn."),
        (waiting(next_seconds=9), "It waits, at this time at the earliest."),
        (waiting(1, 1, 9), "It waits to be tried again, at this time at the earliest."),
        (waiting(2, 1), "Call 2 is being made, or is about to be."),
        (
            Message(
                status=MessageStatus.MESSAGE_STATUS_SENT, provider="beta", provider_message_id="SM1", text_version=2
            ),
            "It is sent by beta, which calls it SM1. Version 2 of the text went out.",
        ),
        (Message(status=MessageStatus.MESSAGE_STATUS_SENT), "It is sent by the provider."),
        (
            Message(
                status=MessageStatus.MESSAGE_STATUS_SENT,
                delivery=Delivery(status=DeliveryStatus.DELIVERY_STATUS_DELIVERED),
            ),
            "A receipt says that it arrived.",
        ),
    ],
)
def test_the_last_sentence_says_how_it_stands(message: Message, last: str) -> None:
    assert story(message)[-1].words == last


def test_each_reason_has_a_sentence() -> None:
    for reason in filter(None, NotSentReason.values()):
        message = Message(status=MessageStatus.MESSAGE_STATUS_NOT_SENT, reason=reason)
        assert story(message)[-1].words != "It was not sent."


def test_each_outcome_of_a_call_has_words() -> None:
    for outcome in filter(None, AttemptOutcome.values()):
        message = waiting()
        message.attempt_history.add(number=1, outcome=outcome)
        assert "answered" not in story(message)[1].words
