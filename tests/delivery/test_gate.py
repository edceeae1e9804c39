"""The gate's last look, and what a stale control record stops."""

from __future__ import annotations

from random import Random

from engine.delivery.gate import Gate
from engine.delivery.on_way import CallsOnWay
from engine.domain.breaker import Breaker
from engine.domain.outcome import Outcome, Verdict
from tests.delivery.plans import HandClock
from tests.simulation.loop import EPOCH_US

FAILED = Outcome(Verdict.RETRY, 503, "HTTP 503", None)


def a_gate() -> Gate:
    return Gate(Breaker(failure_threshold=2), 0, Random(1), CallsOnWay(HandClock()))


def test_no_call_begins_on_a_control_record_that_is_too_old() -> None:
    gate = a_gate()
    stale = [False, True, True]
    gate.watch(lambda: stale.pop(0))
    assert not gate.is_free
    assert gate.allows(1, EPOCH_US)
    assert not gate.allows(1, EPOCH_US)
    assert gate.ready_us(EPOCH_US) is None


def test_no_call_begins_while_the_store_fails() -> None:
    gate, changes = a_gate(), []
    gate.on_change = lambda: changes.append(gate.store_away)
    for answers in (True, False, False, True):
        gate.hear_store(answers)
        assert gate.is_free == gate.allows(1, EPOCH_US) == (gate.ready_us(EPOCH_US) is not None) == answers
    assert changes == [True, False]


def test_while_the_breaker_is_open_only_the_probe_may_be_called() -> None:
    gate = a_gate()
    for message_id in (1, 2):
        gate.report(message_id, FAILED, EPOCH_US)
    assert not gate.allows(3, EPOCH_US)
    later_us = EPOCH_US + 3_600_000_000
    gate.start(7, later_us)
    assert gate.allows(7, later_us)
    assert not gate.allows(8, later_us)


def test_paused_stopping_or_without_a_share_nothing_is_called() -> None:
    paused, stopping, without_share = a_gate(), a_gate(), a_gate()
    assert all(gate.allows(1, EPOCH_US) for gate in (paused, stopping, without_share))
    paused.pause(True)
    stopping.stop()
    without_share.share_rate(None)
    assert not any(gate.allows(1, EPOCH_US) for gate in (paused, stopping, without_share))


def test_while_the_provider_wants_rest_nothing_is_called() -> None:
    gate = a_gate()
    gate.report(1, Outcome(Verdict.RETRY, 429, "HTTP 429", 5.0), EPOCH_US)
    assert not gate.allows(2, EPOCH_US + 4_999_999)
    assert gate.allows(2, EPOCH_US + 5_000_000)
