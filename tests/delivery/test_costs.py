"""A mailing with a budget, and a provider with a price, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from engine.domain.cost import UNIT
from engine.domain.segments import count_segments
from engine.domain.window import PauseReason
from engine.provider.spec import ProviderSpec
from engine.store.rows import Actor
from tests.delivery.providers import LATENCY, Town
from tests.simulation.loop import VirtualLoop
from tests.simulation.world import Faults

PRICE = 0.5
LONG = "x" * 161
"""Two segments."""


def spec(name: str = "a", price: float | None = PRICE, **more: Any) -> ProviderSpec:
    return ProviderSpec(name=name, workers=4, time_out_seconds=5.0, price_per_segment=price, **more)


def run(loop: VirtualLoop, life: Coroutine[Any, Any, None]) -> None:
    loop.run_until_complete(life)


async def agreed(town: Town, mailing_id: int) -> int:
    """What the mailing costs, after counters and rows have been found to agree."""
    assert await town.store.check() == []
    row = await town.store.get_mailing(mailing_id)
    assert row.cost == sum(message.cost for message in await town.messages(mailing_id))
    return row.cost


def test_messages_cost_their_segments(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec())

    async def life() -> None:
        await town.open(tmp_path)
        mailing_id = await town.register(LONG)
        await town.until(20)
        assert await agreed(town, mailing_id) == 20 * UNIT
        await town.close()

    run(loop, life())


def test_personal_texts_cost_what_they_are_and_not_what_was_reserved(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec())

    async def life() -> None:
        await town.open(tmp_path)
        # Ten segments are reserved for each, so three are called at a time, and there is room for the last one.
        mailing_id = await town.register("to {{phone_number}}", budget=15 * UNIT)
        await town.until(20)
        assert await agreed(town, mailing_id) == 10 * UNIT
        assert not (await town.store.get_mailing(mailing_id)).paused
        await town.close()

    run(loop, life())


def test_a_mailing_pauses_itself_before_it_costs_too_much(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec())

    async def life() -> None:
        await town.open(tmp_path)
        mailing_id = await town.register(budget=5 * UNIT + 1)
        await asyncio.sleep(30)
        assert (await town.sent(), await agreed(town, mailing_id)) == (10, 5 * UNIT)
        row = await town.store.get_mailing(mailing_id)
        assert (row.paused, row.pause_reason) == (True, PauseReason.BUDGET)
        entry = town.engine.state.book.get(mailing_id)
        assert entry is not None
        assert entry.plan.paused
        await town.close()

    run(loop, life())
    assert len(town.ids("a")) == 10


def test_unknown_outcomes_are_paid_for_once(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec())

    async def life() -> None:
        town.providers["a"].faults = Faults(latency_seconds=LATENCY, lose_answer=0.3)
        await town.open(tmp_path)
        mailing_id = await town.register(budget=10 * UNIT)
        await town.until(20)
        assert await agreed(town, mailing_id) == 10 * UNIT
        await town.close()

    run(loop, life())
    assert len(town.ids("a")) > 20


def test_a_text_that_grew_since_the_claim_is_reserved_for_anew(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec())

    async def life() -> None:
        await town.open(tmp_path)
        mailing_id = await town.register(budget=10 * UNIT)
        await asyncio.sleep(LATENCY[0] / 2)
        await town.edit(mailing_id, text=LONG)
        await asyncio.sleep(30)
        texts = [request.text for request in town.providers["a"].requests]
        paid = sum(count_segments(text).segments for text in texts)
        assert await agreed(town, mailing_id) == paid * UNIT // 2 <= 10 * UNIT
        assert {len(text) for text in texts} == {5, 161}
        assert (await town.store.get_mailing(mailing_id)).pause_reason is PauseReason.BUDGET
        await town.close()

    run(loop, life())


def test_after_an_outage_of_the_cheap_provider_a_mailing_for_it_alone_goes_on(
    loop: VirtualLoop, tmp_path: Path
) -> None:
    """The rest is not enough for the dearer one, whose turn it is: the mailing pauses itself, and says so. To resume it
    is not enough, for the turns stay; to name the cheap provider is."""
    town = Town(loop, spec("a"), spec("b", 50.0), tick_seconds=1.0)

    async def life() -> None:
        works = town.providers["a"].faults
        town.providers["a"].faults = Faults(latency_seconds=LATENCY, refuse=1.0)
        await town.open(tmp_path)
        mailing_id = await town.register(budget=15 * UNIT)
        await asyncio.sleep(10)
        assert (await town.store.get_mailing(mailing_id)).pause_reason is PauseReason.BUDGET
        town.providers["a"].faults = works
        await town.edit(mailing_id, provider="a")
        await town.store.set_paused(mailing_id, False, by=Actor(), now_us=town.clock.now_us())
        await town.engine.refresh(mailing_id)
        await town.until(20)
        assert await agreed(town, mailing_id) == 10 * UNIT
        await town.close()

    run(loop, life())
    assert town.ids("b") == []


def test_the_next_provider_takes_its_own_price(loop: VirtualLoop, tmp_path: Path) -> None:
    town = Town(loop, spec("a"), spec("b", 2.0), spec("c", None))

    async def life() -> None:
        town.providers["a"].faults = Faults(latency_seconds=LATENCY, refuse=1.0)
        await town.open(tmp_path)
        mailing_id = await town.register()
        await town.until(20)
        assert {message.provider: message.cost for message in await town.messages(mailing_id)} == {"b": 2 * UNIT}
        assert await agreed(town, mailing_id) == 40 * UNIT
        town.providers["b"].faults = Faults(latency_seconds=LATENCY, refuse=1.0)
        other = await town.register()
        await town.until(40)
        assert await agreed(town, other) == 0
        await town.close()

    run(loop, life())
