"""Receipts: which there will be, when, and of what; without sockets and without a clock."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from scripts.sandbox import BadSwitches
from scripts.sandbox.ledger import Ledger
from scripts.sandbox.receipts import (
    BATCH_MAX,
    EXTRA_MOMENTS,
    MOMENT_US,
    NO_RECEIPTS,
    Receipt,
    Receipts,
)

SECOND_US = 1_000_000
IDS = range(1, 10_001)


def planned(ids: Sequence[int], *, at_us: int = SECOND_US, **switches: Any) -> tuple[Receipts, Ledger]:
    """Receipts of texts that were accepted at one moment."""
    ledger = Ledger(keep=10)
    receipts = Receipts(0, ledger)
    receipts.switches = NO_RECEIPTS.changed({"enabled": True, **switches})
    for message_id in ids:
        ledger.note(message_id, 7, "x", "200", True, at_us)
        receipts.plan(message_id, at_us)
    return receipts, ledger


def taken(receipts: Receipts, now_us: int) -> list[Receipt]:
    """All that is due, and told to have been taken."""
    found: list[Receipt] = []
    while batch := receipts.take(now_us):
        assert len(batch) <= BATCH_MAX
        receipts.note_taken(batch, {"accepted": len(batch)})
        found += batch
    return found


def test_nothing_is_due_before_its_delay_and_all_after_it() -> None:
    receipts, _ = planned(IDS, delay_seconds=[2, 5])
    assert receipts.take(3 * SECOND_US - MOMENT_US) == []
    early = taken(receipts, 4 * SECOND_US)
    assert 0.3 < len(early) / len(IDS) < 0.37
    found = early + taken(receipts, 6 * SECOND_US + MOMENT_US)
    assert Counter(each.message_id for each in found) == Counter(IDS)
    assert all(3 * SECOND_US <= each.at_us <= 6 * SECOND_US + MOMENT_US for each in found)
    assert [each.at_us for each in found] == sorted(each.at_us for each in found)
    assert (receipts.waiting, receipts.some.is_set()) == (0, False)


def test_without_a_delay_a_receipt_is_not_older_than_its_text() -> None:
    receipts, _ = planned([1], at_us=SECOND_US + 1)
    [receipt] = taken(receipts, 2 * SECOND_US)
    assert receipt == Receipt(1, "delivered", SECOND_US + MOMENT_US, "first", None)
    assert receipt.as_json() == {"id": 1, "status": "delivered", "time": "1970-01-01T00:00:01.020000Z"}


def test_shares_are_kept_and_counted() -> None:
    shares: dict[str, Any] = {
        "share_undelivered": 0.2,
        "share_lost": 0.1,
        "share_repeated": 0.1,
        "share_reordered": 0.1,
    }
    receipts, ledger = planned(IDS, **shares)
    found = taken(receipts, 9 * SECOND_US)
    first, repeated, reordered = (
        {each.message_id: each for each in found if each.kind == kind} for kind in ("first", "repeated", "reordered")
    )
    assert len(found) == len(first) + len(repeated) + len(reordered)
    stats = receipts.stats()
    assert (stats["waiting"], stats["lost"]) == (0, len(IDS) - len(first))
    assert (stats["repeated"], stats["reordered"]) == (len(repeated), len(reordered))
    assert all(900 < count < 1100 for count in (stats["lost"], len(repeated), len(reordered)) if isinstance(count, int))
    undelivered = {message_id for message_id, each in first.items() if each.status == "undelivered"}
    assert 0.18 < len(undelivered) / len(first) < 0.22
    assert (stats["delivered"], stats["undelivered"]) == (len(first) - len(undelivered), len(undelivered))
    assert all((each.reason is not None) == (each.status == "undelivered") for each in found)
    assert all(each[:3] == first[message_id][:3] for message_id, each in repeated.items())
    # What comes late and is older says the opposite: whoever goes by arrival gets it wrong.
    assert all(
        each.at_us < first[message_id].at_us and each.status != first[message_id].status
        for message_id, each in reordered.items()
    )
    assert {message.receipt for message in ledger.latest.values()} <= {"delivered", "undelivered", "lost"}


def test_what_comes_again_comes_after_the_first_has_gone() -> None:
    receipts, _ = planned([1], share_repeated=1)
    assert [each.kind for each in taken(receipts, SECOND_US)] == ["first"]
    again_us = SECOND_US + EXTRA_MOMENTS * MOMENT_US
    assert receipts.take(again_us - MOMENT_US) == []
    assert [each.kind for each in taken(receipts, again_us)] == ["repeated"]


def test_the_seed_alone_decides() -> None:
    shares: dict[str, Any] = {
        "delay_seconds": [0, 3],
        "share_undelivered": 0.3,
        "share_lost": 0.3,
        "share_reordered": 0.2,
    }
    one, other = (set(taken(planned(ids, **shares)[0], 9 * SECOND_US)) for ids in (IDS, IDS[::-1]))
    assert one == other


def test_what_waits_is_small_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(keep=10)
    receipts = Receipts(0, ledger)
    receipts.switches = NO_RECEIPTS.changed({"enabled": True, "delay_seconds": [5, 10]})
    tracemalloc.start()
    try:
        for message_id in range(2**40, 2**40 + 100_000):
            receipts.plan(message_id, SECOND_US)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / 100_000 < 12  # bytes
    monkeypatch.setattr("scripts.sandbox.receipts.WAITING_MAX", 100_001)
    for message_id in range(3):
        receipts.plan(message_id, SECOND_US)
    assert (receipts.stats()["waiting"], receipts.stats()["dropped"]) == (100_001, 2)


def test_a_service_that_is_away_for_hours_costs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.sandbox.receipts.MOMENTS_MAX", 100)
    receipts = Receipts(0, Ledger(keep=10))
    receipts.switches = NO_RECEIPTS.changed({"enabled": True, "share_repeated": 0.5, "share_reordered": 0.5})
    every_us = 2 * MOMENT_US
    for message_id in range(3600):
        receipts.plan(message_id, message_id * every_us + 1)
    found = taken(receipts, 3600 * every_us + 2 * SECOND_US)
    first = {each.message_id: each for each in found if each.kind == "first"}
    assert len(first) == len(found) / 2 == 3600
    assert all(0 < each.at_us - message_id * every_us <= SECOND_US for message_id, each in first.items())
    assert len({each.at_us for each in first.values()}) < 100 + 3600 * every_us / SECOND_US + 2
    assert all(each.at_us <= first[each.message_id].at_us for each in found)


def test_switches_may_change_while_receipts_wait_and_all_can_be_forgotten() -> None:
    receipts, _ = planned(IDS, delay_seconds=1)
    receipts.switches = receipts.switches.changed({"share_lost": 1})
    assert receipts.take(3 * SECOND_US) == []
    assert (receipts.stats()["lost"], receipts.waiting) == (len(IDS), 0)
    receipts.plan(1, SECOND_US)
    receipts.clear()
    assert (receipts.take(9 * SECOND_US), receipts.some.is_set()) == ([], False)
    assert (receipts.stats()["waiting"], receipts.stats()["lost"]) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"enabled": 1}, "enabled: should be one of false, true"),
        ({"delay_seconds": [2, 1]}, "delay_seconds: the shortest"),
        ({"share_lost": 0.6, "share_repeated": 0.6}, "the shares add up to 1.2"),
        ({"share_late": 0.1}, "share_late: unknown; known are enabled, delay_seconds"),
    ],
)
def test_bad_changes_are_refused_with_the_reason(changes: dict[str, object], words: str) -> None:
    with pytest.raises(BadSwitches, match=words):
        NO_RECEIPTS.changed(changes)
