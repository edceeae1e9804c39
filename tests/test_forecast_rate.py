"""Which speed a mailing may expect, by what this engine has seen and what it may."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.domain.message import Event
from engine.ports import Record
from engine.provider_window import ProviderWindow
from engine.service import Control

SECOND_US = 1_000_000


def speed(*, full: float = 0, call_seconds: float = 0, limit: float = 0, workers: int = 10, others: int = 0) -> float:
    """``full``: seen at full speed; ``call_seconds``: how long the provider takes; ``others``: workers elsewhere."""
    window = ProviderWindow()
    if call_seconds:
        window.add([Record(1, 1, 1, 1, Event.ACCEPT, 0, round(call_seconds * SECOND_US), 200, "", 0)])
    delivery: Any = SimpleNamespace(
        provider_rate=limit,
        queue=SimpleNamespace(workers=workers),
        sent_rate=SimpleNamespace(full_speed=lambda number: full if number == workers else 0),
        engines=[SimpleNamespace(workers=number) for number in (workers, others) if number],
    )
    return Control(delivery, window).forecast_rate()


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, 0),  # nobody knows
        ({"limit": 50}, 50),
        ({"full": 300}, 300),
        ({"full": 300, "limit": 50}, 50),
        ({"full": 300, "limit": 500}, 300),
        ({"full": 300, "others": 10}, 600),
        ({"full": 300, "others": 10, "limit": 500}, 500),
        ({"full": 300, "call_seconds": 0.9}, 300),  # what was seen counts, and not what should be
        ({"call_seconds": 0.1}, 10 / 0.084),  # the middle of the bucket
        ({"call_seconds": 0.001}, 1000),  # so fast a provider does not make an engine as fast
        ({"call_seconds": 0.001, "limit": 20}, 20),
    ],
)
def test_the_speed_to_expect(known: dict[str, float], expected: float) -> None:
    assert speed(**known) == pytest.approx(expected)  # type: ignore[arg-type]
