"""Invariant: whatever the order of a message's receipts, the one with the latest time counts; a message that was called
and is not final does not wait after a receipt."""

from __future__ import annotations

from itertools import permutations

import pytest

from engine.domain.message import Status
from engine.domain.receipt import Delivery, Effect, Standing, is_called_in_vain, way_seconds, weigh


def test_the_numbers_in_the_database_and_the_public_words_stay_as_they_are() -> None:
    assert [(int(each), each.public) for each in Delivery] == [(1, "delivered"), (2, "undelivered")]


def test_a_receipt_for_no_message_is_unknown() -> None:
    assert weigh(None, 5) is Effect.UNKNOWN


@pytest.mark.parametrize("status", Status)
def test_a_message_that_was_never_called_has_no_receipt(status: Status) -> None:
    assert weigh(Standing(status, 0, None), 5) is Effect.UNKNOWN


@pytest.mark.parametrize("status", Status)
def test_the_first_receipt_of_a_message_that_was_called_is_kept(status: Status) -> None:
    """Whoever waits is sent at once. What an engine has is sent when it lets go of it. What is final stays as it is."""
    expected = Effect.CONFIRMS if status is Status.PENDING else Effect.KEPT
    assert weigh(Standing(status, 1, None), 5) is expected


@pytest.mark.parametrize(("time_us", "effect"), [(4, Effect.DUPLICATE), (5, Effect.DUPLICATE), (6, Effect.KEPT)])
def test_a_later_time_wins(time_us: int, effect: Effect) -> None:
    assert weigh(Standing(Status.SENT, 1, 5), time_us) is effect


def test_any_order_ends_with_the_latest() -> None:
    for order in permutations([3, 5, 5, 9]):
        latest_us: int | None = None
        for time_us in order:
            if weigh(Standing(Status.SENT, 1, latest_us), time_us) is Effect.KEPT:
                latest_us = time_us
        assert latest_us == 9


@pytest.mark.parametrize("status", Status)
def test_an_engine_is_told_of_a_call_that_is_not_its_messages_first(status: Status) -> None:
    assert not is_called_in_vain(Standing(status, 1, 5))
    assert not is_called_in_vain(Standing(status, 2, None))
    assert is_called_in_vain(Standing(status, 2, 5)) == (status in (Status.CLAIMED, Status.CALLING))


def test_a_way_is_never_shorter_than_nothing() -> None:
    assert way_seconds(1_000_000, 3_500_000) == 2.5
    assert way_seconds(1_000_000, 999_999) == 0
