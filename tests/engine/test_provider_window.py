"""The last minutes of calls to the provider, as the dashboard shows them."""

from __future__ import annotations

import pytest

from engine.api.control import ProviderCalls
from engine.domain.cost import Charge
from engine.domain.latency import quantile
from engine.domain.message import Event
from engine.ports import Record
from engine.provider_window import WINDOW_SECONDS, ProviderWindow

SECOND_US = 1_000_000
NOW_US = 1_800_000_000 * SECOND_US


def ended(event: Event, finished_us: int, seconds: float = 0.02) -> Record:
    return Record(1, 1, 1, 1, event, finished_us - round(seconds * SECOND_US), finished_us, None, "", 0)


def test_before_the_first_call_nothing_is_known() -> None:
    window = ProviderWindow()
    window.add([])
    assert window.calls(NOW_US) == ProviderCalls()


def test_calls_and_errors_are_counted_over_the_window() -> None:
    window = ProviderWindow()
    window.add([ended(Event.ACCEPT, NOW_US), ended(Event.DEFER, NOW_US, 30.0)])
    window.add([ended(Event.REJECT, NOW_US + SECOND_US)])
    window.add([ended(Event.DEFER, NOW_US + 10 * SECOND_US)])
    found = window.calls(NOW_US + 20 * SECOND_US)
    assert (found.calls, found.errors) == (4, 2)
    assert found.window_seconds == pytest.approx(20.0)
    assert sum(found.latency.values()) == 4
    slowest = quantile(found.latency, 0.99)
    assert slowest is not None
    assert slowest > 20


def test_what_may_be_billed_is_summed_up() -> None:
    window = ProviderWindow()
    prices = {Event.ACCEPT: 3, Event.MISS: 5, Event.DEFER: 7, Event.REJECT: 11}
    window.add([ended(event, NOW_US)._replace(cost=price, charge=Charge(0, 20)) for event, price in prices.items()])
    window.add([ended(Event.ACCEPT, NOW_US + 10 * SECOND_US)._replace(cost=2, charge=Charge(0, 2))])
    assert window.calls(NOW_US + 20 * SECOND_US).cost == 10


def test_what_is_older_than_the_window_is_forgotten() -> None:
    window = ProviderWindow()
    for step in range(100):
        window.add([ended(Event.ACCEPT, NOW_US + step * 10 * SECOND_US)])
    last_us = NOW_US + 990 * SECOND_US
    assert window.calls(last_us).calls == WINDOW_SECONDS // 10
    assert window.calls(last_us + 100 * SECOND_US).calls == WINDOW_SECONDS // 10 - 10
    assert window.calls(last_us + WINDOW_SECONDS * SECOND_US) == ProviderCalls()


def test_a_batch_that_comes_late_is_counted_with_the_newest() -> None:
    window = ProviderWindow()
    window.add([ended(Event.ACCEPT, NOW_US + 60 * SECOND_US)])
    window.add([ended(Event.ACCEPT, NOW_US)])
    assert window.calls(NOW_US + 60 * SECOND_US).calls == 2
