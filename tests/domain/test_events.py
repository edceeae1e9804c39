"""What is to be told of a mailing: each thing once, in order, and nothing that is not so."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from engine.domain.events import (
    MESSAGES_MAX,
    OF_MESSAGES,
    TO_CHOOSE,
    EventKind,
    Happening,
    Milestone,
    Standing,
    due,
    joined,
    milestones_after,
)

STARTED, FINISHED = EventKind.MAILING_STARTED, EventKind.MAILING_FINISHED
ENDED, AT_RISK = EventKind.MAILING_ENDED, EventKind.MAILING_AT_RISK
SENT, NOT_SENT = EventKind.MESSAGES_SENT, EventKind.MESSAGES_NOT_SENT
DELIVERED, UNDELIVERED = EventKind.MESSAGES_DELIVERED, EventKind.MESSAGES_UNDELIVERED
START, END = 100, 200


def standing(
    milestones: int = 0,
    finished_count: int | None = None,
    *,
    cancelled: bool = False,
    ready: bool = True,
    pending: int = 0,
    final: int = 0,
    undone: int = 0,
) -> Standing:
    return Standing(milestones, finished_count, START, END, cancelled, ready, pending, final, undone)


@pytest.mark.parametrize(
    ("mailing", "now_us", "told"),
    [
        (standing(pending=3), 99, []),
        (standing(pending=3), 100, [STARTED]),
        (standing(Milestone.STARTED, pending=3), 150, []),
        (standing(Milestone.STARTED, pending=1, final=2), 150, []),
        (standing(Milestone.STARTED, final=3), 150, [FINISHED]),
        (standing(final=3), 150, [STARTED, FINISHED]),
        (standing(ready=False), 150, [STARTED]),
        (standing(Milestone.STARTED, 3, final=3), 150, []),
        (standing(Milestone.STARTED, 3, final=4), 150, [FINISHED]),
        (standing(), 150, [STARTED, FINISHED]),
        (standing(Milestone.STARTED, pending=3), 200, []),
        (standing(Milestone.STARTED, final=3, undone=1), 200, [ENDED]),
        (standing(Milestone.STARTED, final=3), 200, [FINISHED, ENDED]),
        (standing(Milestone.STARTED, 3, final=3), 200, [ENDED]),
        (standing(Milestone.STARTED, ready=False, final=3, undone=3), 200, []),
        (standing(pending=1, final=2, undone=2), 200, [STARTED]),
        (standing(cancelled=True, pending=1), 50, []),
        (standing(cancelled=True, final=1, undone=1), 50, [ENDED]),
        (standing(cancelled=True, ready=False), 150, [ENDED]),
        (standing(Milestone.STARTED | Milestone.AT_RISK, cancelled=True, final=3, undone=2), 150, [ENDED]),
        (standing(Milestone.STARTED | Milestone.ENDED, final=9), 300, []),
    ],
)
def test_what_is_told(mailing: Standing, now_us: int, told: list[EventKind]) -> None:
    assert list(due(mailing, now_us)) == told


def test_nothing_is_told_twice() -> None:
    for cancelled, ready, pending, final, undone in product((False, True), (False, True), (0, 2), (0, 3), (0, 1)):
        for now_us in (50, 150, 250):
            mailing = standing(cancelled=cancelled, ready=ready, pending=pending, final=final, undone=undone)
            told = list(due(mailing, now_us))
            count = final if FINISHED in told else None
            again = mailing._replace(milestones=milestones_after(0, told), finished_count=count)
            assert list(due(again, now_us)) == []


def test_milestones_are_kept() -> None:
    assert milestones_after(Milestone.AT_RISK, [STARTED, FINISHED]) == Milestone.AT_RISK | Milestone.STARTED
    assert milestones_after(0, [AT_RISK, ENDED, ENDED]) == Milestone.AT_RISK | Milestone.ENDED
    assert max(Milestone) is Milestone.ENDED


def test_kinds_to_choose() -> None:
    assert EventKind.WEBHOOK_TEST not in TO_CHOOSE
    assert {kind for kind in EventKind if kind.is_of_messages} == OF_MESSAGES
    assert all(kind.value == f"messages.{kind.value.partition('.')[2]}" for kind in OF_MESSAGES)


# -- messages' events are joined ------------------------------------------------------------------------


def of(kind: EventKind, mailing_id: int, *messages: int) -> Happening:
    return Happening(
        kind, messages[-1] if messages else 0, mailing_id, {"mailing_id": mailing_id, "messages": messages}
    )


def test_messages_of_one_kind_in_one_mailing_are_one_event() -> None:
    found = joined([of(SENT, 1, 1), of(NOT_SENT, 1, 7), of(SENT, 2, 2), of(SENT, 1, 3, 4), of(NOT_SENT, 1, 8)])
    said = [(each.kind, each.stream, list(each.data["messages"]), each.time_us) for each in found]
    assert said == [(SENT, 1, [1, 3, 4], 4), (NOT_SENT, 1, [7, 8], 8), (SENT, 2, [2], 2)]


def test_what_is_told_of_one_message_stays_in_order() -> None:
    """Whatever is joined, and whatever order receipts came in."""
    for story in product((SENT, DELIVERED, UNDELIVERED, ENDED, NOT_SENT), repeat=5):
        told = [of(kind, 1, place) for place, kind in enumerate(story)]
        found = joined(told)
        place_of = {message: place for place, each in enumerate(found) for message in each.data["messages"]}
        assert sorted(place_of) == list(range(5))
        for earlier, later in combinations(range(5), 2):
            pair = story[earlier], story[later]
            if (
                ENDED in pair
                or pair in ((SENT, DELIVERED), (SENT, UNDELIVERED))
                or set(pair) == {DELIVERED, UNDELIVERED}
            ):
                assert place_of[earlier] < place_of[later] or pair[0] is pair[1] is not ENDED, story


def test_other_events_are_never_joined() -> None:
    ended = Happening(ENDED, 1, 1, {"mailing_id": 1})
    down = Happening(EventKind.PROVIDER_DOWN, 1, -1, {})
    assert joined([ended, ended, down, down, of(SENT, 1, 1), ended, of(SENT, 1, 2)]) == [
        ended,
        ended,
        down,
        down,
        of(SENT, 1, 1),
        ended,
        of(SENT, 1, 2),
    ]
    assert joined([]) == []


def test_an_event_has_so_many_messages_at_most() -> None:
    whole = of(SENT, 1, *range(MESSAGES_MAX))
    assert [len(each.data["messages"]) for each in joined([whole, of(SENT, 1, 1), of(SENT, 1, 2)])] == [MESSAGES_MAX, 2]
