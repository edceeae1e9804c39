"""Which event a call that was made twice is blamed on."""

from __future__ import annotations

from tests.chaos.arrivals import Call
from tests.chaos.report import Event, Report

_POWER = Event("power cut", frozenset({0}), 10.0, 14.0, is_outage=True, died=10.2)
_MOVED = Event("moved", frozenset({0}), 15.0, 18.0, is_outage=True, died=17.0)


def _report(*calls: tuple[int, float]) -> Report:
    report = Report(slots=1, latency_seconds=0.4, events=[_POWER, _MOVED])
    for message_id, at in calls:
        report.arrivals.put(Call(at, 0, message_id, 79160000000 + message_id, "hello"))
    return report


def test_what_a_restarted_engine_calls_is_cut_off_by_the_next_event() -> None:
    explained, strays = _report((1, 10.1), (1, 11.5), (2, 13.9), (2, 18.5)).repeats()
    assert (dict(explained), strays) == ({(0, 0): 1, (1, 0): 1}, [])


def test_what_a_restarted_engine_repeats_by_itself_has_no_excuse() -> None:
    explained, strays = _report((1, 11.5), (1, 12.0)).repeats()
    assert (dict(explained), [again.at for _, again in strays]) == ({}, [12.0])


def test_an_engine_that_outlives_an_outage_may_have_calls_in_flight_until_its_end() -> None:
    report = _report((1, 13.9), (1, 14.2))
    report.events = [Event("locked", frozenset({0}), 10.0, 14.0, is_outage=True)]
    assert dict(report.repeats()[0]) == {(0, 0): 1}
