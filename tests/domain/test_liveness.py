"""engine/domain/liveness.py: nothing that waits without a reason stays unseen, and nothing else is called a stall."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from engine.domain.liveness import STALL_SECONDS, Need, Stall, View, Watch, needs

SECOND_US = 1_000_000
CALL_SECONDS, TICK_SECONDS = 4.0, 5.0
WELL = View(call_seconds=CALL_SECONDS, tick_seconds=TICK_SECONDS)
CALL_PATIENCE, TICK_PATIENCE = CALL_SECONDS + STALL_SECONDS, TICK_SECONDS + STALL_SECONDS
# What waits; which part is stuck; after how long; what is its progress; what explains it.
KINDS: dict[str, tuple[dict[str, Any], str, float, str, str | None]] = {
    "store": ({}, "database", STALL_SECONDS, "changes", None),
    "question": ({"asked": 7}, "database", STALL_SECONDS, "asked", None),
    "outcomes": ({"outcomes": 3}, "recorder", STALL_SECONDS, "stored", None),
    "queue": ({"queued": 3}, "workers", STALL_SECONDS, "taken", "calls_held"),
    "calls": ({"calls": 3}, "workers", CALL_PATIENCE, "taken", None),
    "ticker_answers": ({}, "ticker", TICK_PATIENCE, "ticker_answers", None),
    "due": ({"due": True, "due_since_us": 5}, "ticker", STALL_SECONDS, "claimed", "claims_held"),
    "ended": ({"ended": True}, "ticker", STALL_SECONDS, "swept", None),
    "audience": ({"building": True}, "audience_builder", TICK_PATIENCE, "built", None),
    "forgotten": ({"forgotten": True}, "leases", STALL_SECONDS, "forgotten", None),
}
COUNTED = ("changes", "ticker_answers", "stored", "taken", "claimed", "swept", "built")
kinds = pytest.mark.parametrize(("waits", "part", "seconds", "progress", "reason"), KINDS.values(), ids=KINDS)


def moving(view: View, second: float) -> View:
    """``view`` with everything moving that may."""
    steps = int(second * 10)
    counts: dict[str, Any] = dict.fromkeys(COUNTED, steps)
    return replace(view, **counts, asked=None if view.asked is None else steps)


def stalls(view: View, but: str, until_seconds: float, every_seconds: float = 0.25) -> dict[float, list[Stall]]:
    """What is said in each view, while all moves but the field ``but``."""
    watch, said = Watch(), {}
    for step in range(int(until_seconds / every_seconds) + 1):
        second = step * every_seconds
        now = replace(moving(view, second), **({but: getattr(view, but)} if but else {}))
        said[second] = watch.follow(now, int(second * SECOND_US))
    return said


@kinds
def test_what_does_not_move_is_said_in_time(
    waits: dict[str, Any], part: str, seconds: float, progress: str, reason: str | None
) -> None:
    said = stalls(replace(WELL, **waits), progress, 40)
    first = next(second for second, found in said.items() if found)
    assert seconds <= first <= seconds + 1
    assert {stall.part for stall in said[first]} == {part}
    assert all(found for second, found in said.items() if second >= first), "and it stays so"
    assert str(said[first][0]).endswith(f"for {seconds:.0f} s")


@kinds
def test_what_moves_is_none(
    waits: dict[str, Any], part: str, seconds: float, progress: str, reason: str | None
) -> None:
    if progress == "forgotten":
        waits = {}  # it has no progress
    assert not any(stalls(replace(WELL, **waits), "", 60).values())


@kinds
def test_what_is_explained_is_none_and_begins_anew_afterwards(
    waits: dict[str, Any], part: str, seconds: float, progress: str, reason: str | None
) -> None:
    view, watch = replace(WELL, **waits), Watch()
    why: dict[str, Any] = {"stopping": True} if reason is None else {reason: "a rate"}
    held = replace(view, **why)
    watch.follow(moving(view, 0), 0)
    for second in range(1, 60):
        found = watch.follow(replace(moving(held, second), **{progress: getattr(view, progress)}), second * SECOND_US)
        assert found == []
    free = replace(moving(view, 60), **{progress: getattr(view, progress)})
    assert watch.follow(free, 60 * SECOND_US) == []


def test_every_kind_is_in_the_table() -> None:
    assert len({need.words for need in needs(WELL)}) == len(KINDS)
    reasons = {need.held for need in needs(replace(WELL, claims_held="claims", calls_held="calls"))}
    assert reasons == {"", "claims", "calls"}
    counted = {field.name for field in fields(View)} - {"call_seconds", "tick_seconds", "stopping"}
    told = {name for waits, _, _, progress, reason in KINDS.values() for name in (*waits, progress, reason)}
    assert counted <= told


def test_what_moved_between_two_views_has_not_stalled() -> None:
    watch = Watch()
    assert watch.follow(WELL, 0) == []
    assert watch.follow(moving(replace(WELL, outcomes=1), 100), 100 * SECOND_US) == [], "they may have come just now"
    assert watch.follow(moving(replace(WELL, outcomes=1), 101), 111 * SECOND_US) == []


def test_calls_that_end_are_progress_though_none_begins() -> None:
    watch = Watch()
    for second in range(60):
        assert watch.follow(replace(moving(WELL, second), calls=60 - second, taken=60), second * SECOND_US) == []


def test_one_that_goes_on_does_not_hide_another() -> None:
    view = replace(WELL, outcomes=5, calls=5)
    found = stalls(view, "stored", 12)[12.0]
    assert [(stall.part, stall.words) for stall in found] == [("recorder", "outcomes have waited for the database")]
    assert isinstance(next(iter(needs(view))), Need)
