"""``Fresh``: made once for all who ask, kept for a while, and never a failure."""

from __future__ import annotations

import asyncio

import pytest

from engine.api.fresh import Fresh
from tests.api.fakes import FakeClock


class Maker:
    """Makes 1, 2, 3 …, and takes ``seconds`` of the clock's time for each."""

    def __init__(self, clock: FakeClock, seconds: float = 0.0) -> None:
        self.made, self._clock, self._seconds = 0, clock, seconds
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        await self.gate.wait()
        self._clock.pass_seconds(self._seconds)
        if self.error is not None:
            raise self.error
        self.made += 1
        return self.made


async def test_an_answer_is_kept_and_then_made_anew() -> None:
    clock = FakeClock()
    make, fresh = Maker(clock), Fresh[str, int](clock, 2.0)
    assert [await fresh.get(key, make) for key in ("a", "a", "b")] == [1, 1, 2]
    clock.pass_seconds(1.9)
    assert await fresh.get("a", make) == 1
    clock.pass_seconds(0.1)
    assert await fresh.get("a", make) == 3


async def test_what_took_long_is_kept_ten_times_as_long() -> None:
    clock = FakeClock()
    make, fresh = Maker(clock, 3.0), Fresh[str, int](clock, 2.0)
    assert await fresh.get("a", make) == 1
    clock.pass_seconds(29)
    assert await fresh.get("a", make) == 1
    clock.pass_seconds(1)
    assert await fresh.get("a", make) == 2


async def test_it_is_made_once_for_all_also_when_one_of_them_goes() -> None:
    clock = FakeClock()
    make, fresh = Maker(clock), Fresh[str, int](clock, 2.0)
    make.gate.clear()
    one, two = (asyncio.create_task(fresh.get("a", make)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    make.gate.set()
    assert await two == 1
    assert one.cancelled()


async def test_a_failure_is_told_and_not_kept() -> None:
    clock = FakeClock()
    make, fresh = Maker(clock), Fresh[str, int](clock, 2.0, stale_seconds=10.0)
    make.error = RuntimeError("away")
    failed = await asyncio.gather(*(fresh.get("a", make) for _ in range(2)), return_exceptions=True)
    assert [str(each) for each in failed] == ["away", "away"]
    with pytest.raises(RuntimeError):
        await fresh.get("a", make)
    make.error = None
    assert await fresh.get("a", make) == 1


async def test_a_stale_answer_is_given_while_the_next_is_made_but_not_for_ever() -> None:
    clock = FakeClock()
    make, fresh = Maker(clock), Fresh[str, int](clock, 2.0, stale_seconds=10.0)
    assert await fresh.get("a", make) == 1
    clock.pass_seconds(5)
    make.gate.clear()
    assert [await fresh.get("a", make) for _ in range(2)] == [1, 1]
    make.gate.set()
    await asyncio.sleep(0.01)
    assert await fresh.get("a", make) == 2
    clock.pass_seconds(12.1)
    assert await fresh.get("a", make) == 3


async def test_too_many_keys_put_out_the_oldest() -> None:
    clock = FakeClock()
    make, fresh = Maker(clock), Fresh[str, int](clock, 2.0, keys_max=2)
    assert [await fresh.get(key, make) for key in ("a", "b", "c", "b", "a")] == [1, 2, 3, 2, 4]


async def test_when_all_who_wait_have_left_it_is_not_made_to_its_end() -> None:
    clock = FakeClock()
    make, fresh = Maker(clock), Fresh[str, int](clock, 2.0)
    make.gate.clear()
    waiting = [asyncio.create_task(fresh.get("a", make)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await asyncio.sleep(0)
    assert fresh._answers == {}
    make.gate.set()
    assert await fresh.get("a", make) == 1


async def test_it_is_made_before_its_time_and_who_asks_meanwhile_gets_the_old_one() -> None:
    clock = FakeClock()
    make, fresh = Maker(clock), Fresh[str, int](clock, 2.0, stale_seconds=1.0)
    await fresh.refresh("a", make)
    make.gate.clear()
    task = asyncio.create_task(fresh.refresh("a", make))
    await asyncio.sleep(0)
    assert await fresh.get("a", make) == 1
    make.gate.set()
    await task
    assert await fresh.get("a", make) == 2


async def test_it_can_be_kept_for_longer() -> None:
    clock = FakeClock()
    make, fresh = Maker(clock), Fresh[str, int](clock, 2.0)
    assert not fresh.renew("a")
    assert await fresh.get("a", make) == 1
    for _ in range(5):
        clock.pass_seconds(1.5)
        assert fresh.renew("a")
        assert await fresh.get("a", make) == 1
    clock.pass_seconds(2)
    assert await fresh.get("a", make) == 2


async def test_a_failure_is_not_kept_for_longer() -> None:
    clock = FakeClock()
    make, fresh = Maker(clock), Fresh[str, int](clock, 2.0)
    make.error = ValueError("no")
    with pytest.raises(ValueError, match="no"):
        await fresh.refresh("a", make)
    assert not fresh.renew("a")
