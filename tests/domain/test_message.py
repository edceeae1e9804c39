"""Invariant: a message leaves a final status never, and no event but those of the table changes it. One that is not
sent for another reason than ``uncertain`` certainly never reached the provider."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.domain.message import (
    TABLE,
    UNCERTAIN,
    Event,
    IllegalTransition,
    Reason,
    Status,
    Step,
    heard,
    outcome_of,
    statuses_before,
    step,
    withdraw,
)

PAIRS = list(product(Status, Event))


def test_the_numbers_in_the_database_stay_as_they_are() -> None:
    assert [(status.name, int(status)) for status in Status] == [
        ("PENDING", 0),
        ("CLAIMED", 1),
        ("CALLING", 2),
        ("SENT", 3),
        ("NOT_SENT", 4),
    ]
    assert [(reason.name, int(reason)) for reason in Reason] == [
        ("EXPIRED", 1),
        ("REJECTED", 2),
        ("CANCELLED", 3),
        ("UNCERTAIN", 4),
        ("SUPPRESSED", 5),
        ("INCOMPLETE", 6),
    ]


def test_the_public_words() -> None:
    assert [status.public for status in Status] == ["pending", "pending", "pending", "sent", "not_sent"]
    assert [reason.public for reason in Reason] == [
        "expired",
        "rejected",
        "cancelled",
        "uncertain",
        "suppressed",
        "incomplete",
    ]
    assert [status for status in Status if status.is_final] == [Status.SENT, Status.NOT_SENT]


@pytest.mark.parametrize(("status", "event"), PAIRS)
def test_each_pair_is_in_the_table_or_raises(status: Status, event: Event) -> None:
    if (status, event) in TABLE:
        result = step(status, event)
        assert result == TABLE[status, event]
        assert (result.reason is not None) == (result.status is Status.NOT_SENT)
        return
    with pytest.raises(IllegalTransition) as caught:
        step(status, event)
    assert (caught.value.status, caught.value.event) == (status, event)
    assert str(caught.value) == f"{event.name} can't happen to a message that is {status.name}"


def test_the_table_is_this_and_no_more() -> None:
    in_hand = {Event.RELEASE, Event.ACCEPT, Event.REJECT, Event.DEFER, Event.MISS, Event.LOSE, Event.CONFIRM}
    allowed = {status: {event for s, event in TABLE if s is status} for status in Status}
    assert allowed == {
        Status.PENDING: {Event.CLAIM, Event.EXPIRE, Event.CANCEL, Event.SUPPRESS, Event.CONFIRM},
        Status.CLAIMED: in_hand | {Event.BEGIN, Event.LACK},
        Status.CALLING: in_hand,
        Status.SENT: set(),
        Status.NOT_SENT: set(),
    }


@pytest.mark.parametrize("event", Event)
def test_what_an_event_makes_of_all_messages(event: Event) -> None:
    before = statuses_before(event)
    assert before == tuple(status for status in Status if (status, event) in TABLE)
    outcomes = {step(status, event) for status in before}
    if len(outcomes) == 1:
        assert {outcome_of(event)} == outcomes
        return
    assert event in (Event.MISS, Event.LOSE)
    with pytest.raises(ValueError, match=event.name):
        outcome_of(event)


def test_every_status_but_the_first_is_reached_and_every_reason_given() -> None:
    assert {result.status for result in TABLE.values()} == set(Status)
    assert {result.reason for result in TABLE.values()} == {None, *Reason}


@pytest.mark.parametrize("event", [Event.LOSE, Event.MISS])
def test_an_unknown_outcome_ends_a_message_only_when_the_mark_was_stored(event: Event) -> None:
    assert step(Status.CLAIMED, event) == Step(Status.PENDING, unsure=True)
    assert step(Status.CALLING, event) == UNCERTAIN


@pytest.mark.parametrize(("status", "event"), TABLE)
def test_an_unsure_message_stays_so_until_it_is_accepted_or_ends_as_uncertain(status: Status, event: Event) -> None:
    sure, unsure = step(status, event), step(status, event, unsure=True)
    assert unsure.status is sure.status
    if sure.status is Status.NOT_SENT:
        assert unsure == UNCERTAIN
    else:
        assert unsure == Step(sure.status, None, sure.status is not Status.SENT)


LETTING_GO = [event for status, event in TABLE if status is Status.CLAIMED and event is not Event.BEGIN]


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("event", LETTING_GO)
def test_a_message_with_a_receipt_is_sent_whatever_becomes_of_the_call(event: Event, attempt: int) -> None:
    """But for one that was never called: its receipt is about nothing that was done."""
    result = step(Status.CLAIMED, heard(event, attempt), unsure=attempt > 1)
    if attempt == 1 and event in (Event.RELEASE, Event.LACK):
        assert heard(event, attempt) is event
        assert result.status is not Status.SENT
    else:
        assert result == Step(Status.SENT)


def test_who_matches_no_longer_is_forgotten_unless_the_text_may_have_arrived() -> None:
    assert withdraw(unsure=False) is None
    assert withdraw(unsure=True) == UNCERTAIN


def test_whose_number_is_on_the_stop_list_is_not_sent_and_never_forgotten() -> None:
    assert withdraw(unsure=False, listed=True) == Step(Status.NOT_SENT, Reason.SUPPRESSED)
    assert withdraw(unsure=True, listed=True) == UNCERTAIN


class Life(RuleBasedStateMachine):
    """Any events in any order, against the rules of docs/behaviour.md told in another way than by a table."""

    def __init__(self) -> None:
        super().__init__()
        self.status = Status.PENDING
        self.reason: Reason | None = None
        self.marked = False
        self.unsure = False
        self.may_have_arrived = False
        self.ended_by: Event | None = None

    @precondition(lambda self: not self.status.is_final)
    @rule(event=st.sampled_from(Event))
    def something_happens(self, event: Event) -> None:
        in_hand = self.status is not Status.PENDING
        from_outside = event in (Event.CLAIM, Event.EXPIRE, Event.CANCEL, Event.SUPPRESS)
        if (in_hand == from_outside and event is not Event.CONFIRM) or (
            event in (Event.BEGIN, Event.LACK) and self.marked
        ):
            with pytest.raises(IllegalTransition):
                step(self.status, event)
            return
        self.status, self.reason, self.unsure = step(self.status, event, unsure=self.unsure)
        self.may_have_arrived |= event in (Event.MISS, Event.LOSE)
        self.marked = self.status is Status.CALLING
        if self.status.is_final:
            self.ended_by = event

    @precondition(lambda self: self.status.is_final)
    @rule(event=st.sampled_from(Event))
    def nothing_happens_after_the_end(self, event: Event) -> None:
        with pytest.raises(IllegalTransition):
            step(self.status, event)

    @invariant()
    def sent_means_that_the_provider_says_so(self) -> None:
        assert (self.status is Status.SENT) == (self.ended_by in (Event.ACCEPT, Event.CONFIRM))

    @invariant()
    def unsure_is_who_may_have_arrived(self) -> None:
        assert self.unsure == (self.may_have_arrived and not self.status.is_final)

    @invariant()
    def the_reason_tells_what_ended_it(self) -> None:
        expected = {
            Event.REJECT: Reason.REJECTED,
            Event.EXPIRE: Reason.EXPIRED,
            Event.CANCEL: Reason.CANCELLED,
            Event.SUPPRESS: Reason.SUPPRESSED,
            Event.LACK: Reason.INCOMPLETE,
        }
        if self.status is Status.NOT_SENT and self.may_have_arrived:
            assert self.reason is Reason.UNCERTAIN
        else:
            assert self.reason == (expected.get(self.ended_by) if self.ended_by else None)


TestLife = Life.TestCase
TestLife.settings = settings(stateful_step_count=20)


def test_an_engine_has_what_is_claimed_or_being_called() -> None:
    assert {status for status in Status if status.is_taken} == {Status.CLAIMED, Status.CALLING}
