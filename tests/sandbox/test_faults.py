"""The switches: what they accept, and that the seed alone decides who is hit."""

from __future__ import annotations

from collections import Counter

import pytest

from scripts.sandbox import BadSwitches, Faults
from scripts.sandbox.desk import Desk
from scripts.sandbox.faults import NO_FAULTS
from scripts.sandbox.ledger import Ledger
from scripts.sandbox.switches import draw


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"share_400": 1.5}, "share_400: should be a number from 0 to 1"),
        ({"share_400": True}, "share_400: should be a number"),
        ({"share_400": float("nan")}, "share_400: should be a number"),
        ({"share_400": 0.6, "share_5xx": 0.6}, "add up to 1.2"),
        ({"latency_seconds": [2, 1]}, "latency_seconds: the shortest"),
        ({"latency_seconds": [1, 2, 3]}, "latency_seconds: should be a number of seconds, or"),
        ({"latency_seconds": -1}, "latency_seconds: should be a number from 0 to 600"),
        ({"retry_after": "soon"}, "retry_after: should be seconds"),
        ({"retry_after": "date+x"}, "retry_after: should be seconds"),
        ({"outage": 1}, 'outage: should be one of false, true, "reset"'),
        ({"reject_token": 404}, "reject_token: should be one of"),
        ({"share_600": 0.1}, "share_600: unknown; known are latency_seconds"),
    ],
)
def test_bad_changes_are_refused_with_the_reason(changes: dict[str, object], words: str) -> None:
    with pytest.raises(BadSwitches, match=words.replace("[", r"\[")):
        NO_FAULTS.changed(changes)


def test_all_bad_fields_are_named() -> None:
    with pytest.raises(BadSwitches) as caught:
        NO_FAULTS.changed({"share_400": 2, "outage": "yes"})
    assert caught.value.errors.keys() == {"share_400", "outage"}


def test_changes_leave_the_rest_alone_and_json_goes_round() -> None:
    faults = NO_FAULTS.changed({"share_400": 0.1, "latency_seconds": [0.1, 2]}).changed({"retry_after": 3})
    assert faults == Faults(latency_seconds=(0.1, 2.0), share_400=0.1, retry_after=3.0)
    assert NO_FAULTS.changed(faults.as_json()) == faults


@pytest.mark.parametrize(
    ("value", "header"),
    [
        (None, None),
        (1.2, "2"),
        ("Fri, 31 Dec 2027 23:59:59 GMT", "Fri, 31 Dec 2027 23:59:59 GMT"),
        ("date+1.5", "Thu, 01 Jan 1970 00:00:12 GMT"),
    ],
)
def test_retry_after_header(value: object, header: str | None) -> None:
    assert NO_FAULTS.changed({"retry_after": value}).retry_after_header(10.0) == header


def test_draws_are_even() -> None:
    tenths = Counter(int(10 * draw(1, message_id, 1)) for message_id in range(20_000))
    assert all(1800 < tenths[i] < 2200 for i in range(10))


def _answers(seed: int, ids: list[int]) -> dict[int, list[str]]:
    desk = Desk("t", NO_FAULTS.changed({"share_400": 0.2, "share_5xx": 0.3, "share_reset": 0.1}), seed, Ledger(10))
    names: dict[int, list[str]] = {}
    for message_id in ids:
        body = b'{"id":%d,"phone":7,"text":"x"}' % message_id
        names.setdefault(message_id, []).append(desk.take(b"%d" % message_id, True, body).name)
    return names


def test_the_same_messages_fail_whatever_the_order() -> None:
    ids = [*range(1, 500), *range(1, 500)]
    assert _answers(7, ids) == _answers(7, ids[::-1]) == _answers(7, sorted(ids))
    assert _answers(7, ids) != _answers(8, ids)


def test_shares_are_kept() -> None:
    counts = Counter(names[0] for names in _answers(0, list(range(10_000))).values())
    assert 1850 < counts["400"] < 2150
    assert 850 < counts["reset"] < 1150
    assert all(900 < counts[status] < 1100 for status in ("500", "502", "503"))


def test_a_failed_message_is_not_doomed() -> None:
    names = _answers(0, [1] * 50)[1]
    assert {"200", "400"} <= set(names)
