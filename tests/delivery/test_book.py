"""The book decides what may be sent, and forgets nothing that a reload did not change."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from engine.delivery.book import Book
from engine.delivery.on_way import CallsOnWay
from engine.domain import template as templates
from engine.domain.template import Template
from engine.domain.window import LocalHours
from engine.ports import Plan
from tests.delivery.plans import HOUR_US, HandClock, a_plan
from tests.simulation.loop import EPOCH_US


def a_book() -> Book:
    return Book(CallsOnWay(HandClock()))


def test_nothing_is_sent_for_a_mailing_that_is_held_or_outside_its_window() -> None:
    book = a_book()
    held = [
        a_plan(1, paused=True),
        a_plan(2, cancelled=True),
        a_plan(3, deleted=True),
        a_plan(4, rebuilding=True),
        a_plan(5, start_us=EPOCH_US + 1),
        a_plan(6, end_us=EPOCH_US),
    ]
    book.load([*held, a_plan(7)])
    assert [entry.plan.mailing_id for entry in book if entry.may_send(EPOCH_US)] == [7]


def test_a_reload_keeps_the_pace_and_the_due_time_of_what_has_not_changed() -> None:
    book = a_book()
    book.load([a_plan(1, rate_limit=5.0)])
    entry = book.get(1)
    assert entry is not None
    entry.ask_us, bucket = [None], entry.bucket
    book.load([a_plan(1, rate_limit=5.0)])
    assert book.get(1) is entry
    assert entry.bucket is bucket
    assert entry.ask_us == [None]
    book.load([a_plan(1, rate_limit=5.0, text="edited")])
    assert entry.ask_us == [0]


def test_a_reload_takes_apart_only_texts_that_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    book, read = a_book(), list[str]()

    def template_of(text: str) -> Template:
        read.append(text)
        return templates.template_of(text)

    monkeypatch.setattr("engine.delivery.book.template_of", template_of)
    for second in ("b", "b", "{{tag}}"):
        book.load([a_plan(1, text="a"), a_plan(2, text=second)])
    assert read == ["a", "b", "{{tag}}"]
    assert [entry.letter is None for entry in book] == [False, True]


def test_a_rate_can_be_set_changed_and_lifted_live() -> None:
    book = a_book()
    for rate in (None, 5.0, 7.0, None):
        book.load([a_plan(1, rate_limit=rate)])
        entry = book.get(1)
        assert entry is not None
        assert (entry.bucket.rate_per_second if entry.bucket else None) == rate


def test_a_mailing_that_has_work_again_goes_on_at_its_old_pace() -> None:
    clock = HandClock()
    on_way = CallsOnWay(clock)
    book = Book(on_way)
    book.load([a_plan(1, rate_limit=2.0)])
    entry = book.get(1)
    assert entry is not None
    assert entry.bucket is not None
    entry.bucket.take(on_way.now_us())
    entry.bucket.arrive(1, on_way.now_us())
    book.load([])
    clock.at_us += 100_000
    book.load([a_plan(1, rate_limit=2.0)])
    again = book.get(1)
    assert again is not None
    assert again is not entry
    assert again.bucket is not None
    assert again.bucket.wait_us(on_way.now_us())
    book.load([])
    clock.at_us += 10_000_000
    book.load([])
    book.load([a_plan(1, rate_limit=2.0)])
    fresh = book.get(1)
    assert fresh is not None
    assert fresh.bucket is not entry.bucket  # nothing is remembered for ever


def test_a_mailing_with_calls_in_flight_is_not_forgotten() -> None:
    book = a_book()
    book.load([a_plan(1), a_plan(2)])
    entry = book.get(1)
    assert entry is not None
    entry.in_flight = 1
    book.load([])
    assert [entry.plan.mailing_id for entry in book] == [1]


def test_a_message_put_off_is_looked_at_when_due_but_at_the_end_at_the_latest() -> None:
    book = a_book()
    book.load([a_plan(1), a_plan(2, cancelled=True)])
    for entry in book:
        entry.ask_us = [None]
        entry.put_off(EPOCH_US + 5 * HOUR_US)
    assert [entry.ask_us for entry in book] == [[EPOCH_US + HOUR_US], [0]]


def test_local_hours_are_those_of_the_clients_zone() -> None:
    book = a_book()
    book.load([a_plan(1, local_hours=LocalHours(9 * 60, 21 * 60))])
    entry = book.get(1)
    assert entry is not None
    # 00:00 UTC is 03:00 in Moscow, 09:00 in Yakutsk.
    assert entry.opens_us("Asia/Yakutsk", EPOCH_US + 5) == EPOCH_US + 5
    assert entry.opens_us("Europe/Moscow", EPOCH_US + 5) == EPOCH_US + 6 * HOUR_US


@pytest.mark.parametrize(
    ("before", "after", "asks"),
    [
        ({"pending": 5}, {"pending": 4}, False),  # one more is final
        ({"pending": 5}, {"pending": 0}, False),
        ({"pending": 5}, {"pending": 6}, True),
        ({"pending": 5, "paused": True}, {"pending": 4}, True),
        ({"pending": 0, "paused": True}, {"pending": 0}, False),
        ({"pending": 5}, {"pending": 4, "cancelled": True}, True),
    ],
    ids=str,
)
def test_the_store_is_asked_again_where_there_may_be_more_to_send(
    before: dict[str, Any], after: dict[str, Any], asks: bool
) -> None:
    book = a_book()
    book.load([a_plan(1, **before)])
    entry = book.get(1)
    assert entry is not None
    entry.ask_us = [None]
    book.load([a_plan(1, **after)])
    assert entry.ask_us == [0 if asks else None]


@pytest.mark.parametrize(("pending", "asked"), [(0, None), (1, 0)])
def test_a_mailing_without_messages_is_asked_for_when_there_are_some(pending: int, asked: int | None) -> None:
    book = a_book()
    book.load([a_plan(1, pending=pending)])
    assert [entry.ask_us for entry in book] == [[asked]]


def test_some_plans_are_taken_over_as_all_are() -> None:
    """Whatever comes, changes and goes: the book is the one that a reading of all mailings makes, in its order."""
    chance, some, all_ = Random(7), a_book(), a_book()
    plans: dict[int, Plan] = {}
    for _ in range(300):
        ids = chance.sample(range(1, 12), 3)
        for mailing_id in ids:
            if chance.random() < 0.4:
                plans.pop(mailing_id, None)
            else:
                plans[mailing_id] = a_plan(mailing_id, paused=chance.random() < 0.3, pending=chance.randrange(3))
        if chance.random() < 0.2:
            for book in (some, all_):
                if (entry := book.get(ids[0])) is not None:
                    entry.in_flight = 1 - entry.in_flight
        some.load_some([plan for plan in plans.values() if plan.mailing_id in ids], ids)
        all_.load([plans[mailing_id] for mailing_id in sorted(plans)])
        known, found = ([each for each in book if not each.plan.deleted] for book in (some, all_))
        assert [each.plan for each in known] == [each.plan for each in found]
        assert all(one.asks(0) >= other.asks(0) for one, other in zip(known, found, strict=True))
        assert {each.plan.mailing_id for each in all_ if each.in_flight} <= {each.plan.mailing_id for each in some}
