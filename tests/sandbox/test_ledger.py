"""What is remembered, and that a million messages fit."""

from __future__ import annotations

import tracemalloc

from scripts.sandbox.ledger import CALLS_KEPT, Ledger


def test_counts_tell_repeated_calls_from_repeated_acceptance() -> None:
    ledger = Ledger(keep=10)
    for message_id, answer in ((1, "200"), (1, "200"), (2, "503"), (2, "200"), (3, "503"), (4, "200")):
        ledger.note(message_id, 7, "x", answer, answer == "200", 1_000_000)
    stats = ledger.stats(1_000_000)
    assert (stats["requests"], stats["accepted"], stats["unique_ids"], stats["accepted_ids"]) == (6, 4, 4, 3)
    assert (stats["repeated_ids"], stats["repeated_calls"]) == (2, 2)
    assert (stats["accepted_again_ids"], stats["accepted_again_calls"]) == (1, 1)
    assert (ledger.calls(1), ledger.accepted_calls(1), ledger.calls(2), ledger.accepted_calls(2)) == (2, 2, 2, 1)
    assert ledger.accepted_ids() == [1, 2, 4]
    assert ledger.calls(99) == 0


def test_latest_messages_keep_text_and_calls() -> None:
    ledger = Ledger(keep=2)
    for message_id in (1, 2, 1, 3):
        ledger.note(message_id, 70 + message_id, f"text {message_id}", "200", True, message_id)
    assert [m["id"] for m in ledger.find(None, None, 10)] == [3, 1]
    assert ledger.find(2, None, 10) == []
    assert [m["id"] for m in ledger.find(None, 71, 10)] == [1]
    assert [m["id"] for m in ledger.find(None, None, 1)] == [3]


def test_calls_of_one_message_are_bounded() -> None:
    ledger = Ledger(keep=2)
    for at_us in range(CALLS_KEPT + 50):
        ledger.note(1, 7, "x", "503", False, at_us)
    found = ledger.find(1, None, 1)[0]
    assert found["count"] == CALLS_KEPT + 50
    assert len(ledger.latest[1].calls) == CALLS_KEPT


def test_rate_is_of_whole_seconds() -> None:
    ledger = Ledger(keep=2)
    for at_us in range(100_000_000, 102_500_000, 100_000):
        ledger.note_request("200", at_us)
    assert ledger.rate_per_second(102_500_000) == 20 / 5
    assert ledger.rate_per_second(200_000_000) == 0


def test_the_last_minute_has_what_came_and_what_was_accepted_in_each_second() -> None:
    ledger = Ledger(keep=2)
    assert ledger.last_minute(100_000_000) == [(0, 0)] * 60
    for number, second in enumerate((100, 100, 101, 101, 103)):
        ledger.note(number, 7, "x", "200" if number % 2 else "503", bool(number % 2), second * 1_000_000)
    assert ledger.last_minute(104_000_000)[-4:] == [(2, 1), (2, 1), (0, 0), (1, 0)]
    assert ledger.last_minute(103_500_000)[-3:] == [(2, 1), (2, 1), (0, 0)]  # a second that is not over counts later
    assert sum(requests for requests, _ in ledger.last_minute(160_500_000)) == 5
    assert ledger.last_minute(170_000_000) == [(0, 0)] * 60


def test_memory_for_each_message_is_small() -> None:
    ledger = Ledger(keep=100)
    tracemalloc.start()
    try:
        for message_id in range(2**30, 2**30 + 100_000):
            ledger.note(message_id, 79161234567, "text " * 20, "200", True, 1)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / 100_000 < 120  # bytes: 120 MB for a million
