"""Rule 9: a budget for the provider and one per mailing, changeable live. Never N+1.

Here is seen that no second has too many calls and that each budget lets calls through, however starved the machine is.
That 95 % of a rate are used is measured in virtual time (tests/delivery/rates.py), slow marks and freezes included.

Engine, HTTP client and sandbox share one process here. A machine that starves the client's threads and not the event
loop may see calls bunch up: only when something stood still is a measurement taken again, twice at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from engine.delivery.shares import REST_SECONDS
from engine.ports import Claim
from mailing.v1 import engine_service_pb2, mailing_pb2, mailing_service_pb2
from scripts.sandbox import Sandbox
from tests.patience import standstills
from tests.rules.arrivals import Phases, arrivals, grown, message_ids, now_us
from tests.rules.rig import Rig, running, until

pytestmark = pytest.mark.alone


class Budget:
    """The provider's budget, or a mailing's, as it is changed in a test."""

    def __init__(self, rig: Rig, rate: float, mailing: mailing_pb2.Mailing | None = None) -> None:
        self._rig, self._mailing, self._phases = rig, mailing, Phases()
        self._phases.add(0, rate)

    async def change(self, rate: float, rig: Rig | None = None) -> None:
        rig, asked_us = rig or self._rig, now_us()
        if self._mailing is None:
            await rig.engine.SetRate(engine_service_pb2.SetRateRequest(rate_limit=rate))
        else:
            mailing = mailing_pb2.Mailing(id=self._mailing.id, rate_limit=rate)
            await rig.mailings.UpdateMailing(
                mailing_service_pb2.UpdateMailingRequest(mailing=mailing, update_mask=FieldMask(paths=["rate_limit"]))
            )
        self._phases.add(asked_us, rate)

    async def faults(self, *sandboxes: Sandbox) -> list[str]:
        mailings = await self._rig.mailings.ListMailings(mailing_service_pb2.ListMailingsRequest())
        ids = [
            message_id
            for mailing in mailings.mailings
            if self._mailing is None or mailing.id == self._mailing.id
            for message_id in await message_ids(self._rig, mailing.id)
        ]
        times = arrivals(ids, *sandboxes)
        name = "provider" if self._mailing is None else f"mailing {self._mailing.id}"
        return [f"{name}: {fault}" for fault in self._phases.excesses(times)]


async def calls_at(rate: float, *sandboxes: Sandbox) -> None:
    """Wait until as many calls have come as this rate allows in a second and a half: more than one second is seen."""
    await grown(lambda: sum(sandbox.requests for sandbox in sandboxes), int(1.5 * rate))


async def measured(measure: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """What ``measure`` found, on a machine that did not stand still (of ten tries)."""
    faults: list[str] = []
    for _ in range(10):
        async with standstills() as stalls:
            faults = await measure()

        if not faults or not stalls:
            break
    return faults


async def test_rule_09_no_second_has_more_calls_than_a_budget(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async def measure() -> list[str]:
        folder = tmp_path_factory.mktemp("rates")
        async with (
            await Sandbox.start(keep=10_000) as sandbox,
            running(folder, sandbox, provider_rate=80, retry_max_seconds=0.3) as rig,
        ):
            # Calls are counted, not messages: repeated ones use up the budget too.
            sandbox.set_faults(latency_seconds=[0.001, 0.005], share_5xx=0.2)
            await rig.add_clients(700)
            await asyncio.sleep(REST_SECONDS)  # before the first call that has a rate, after a start
            provider = Budget(rig, 80)
            await rig.register()
            fast = Budget(rig, 30, await rig.register(rate_limit=30))
            marked = Budget(rig, 20, await rig.register(rate_limit=20, on_uncertain="ON_UNCERTAIN_NOT_SENT"))
            slow = Budget(rig, 1, await rig.register(rate_limit=1))
            await calls_at(80, sandbox)
            await provider.change(200)
            await fast.change(60)
            await calls_at(200, sandbox)
            await provider.change(60)
            await fast.change(12)
            await calls_at(60, sandbox)
            return [fault for budget in (provider, fast, marked, slow) for fault in await budget.faults(sandbox)]

    assert await measured(measure) == []


async def test_rule_09_no_second_has_more_calls_when_the_mark_before_a_call_takes_its_time(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measure() -> list[str]:
        async with (
            await Sandbox.start(keep=10_000) as sandbox,
            running(tmp_path_factory.mktemp("marks"), sandbox) as rig,
        ):
            begin = rig.service.store.begin

            async def slowly(claims: Sequence[Claim], *, owner: int) -> set[int]:
                await asyncio.sleep(0.02)  # a disk that is not the fastest
                return await begin(claims, owner=owner)

            monkeypatch.setattr(rig.service.store, "begin", slowly)
            await rig.add_clients(200)
            marked = Budget(rig, 40, await rig.register(rate_limit=40, on_uncertain="ON_UNCERTAIN_NOT_SENT"))
            await until(lambda: sandbox.requests > 0)
            await marked.change(50)
            await calls_at(50, sandbox)
            return await marked.faults(sandbox)

    assert await measured(measure) == []


async def test_rule_09_no_limit_means_no_limit_and_one_can_be_set_and_lifted(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=10_000) as sandbox, running(tmp_path, sandbox, provider_rate=1) as rig:
        await rig.add_clients(400)
        mailing = await rig.register(rate_limit=1)
        await until(lambda: sandbox.requests >= 2)
        await rig.engine.SetRate(engine_service_pb2.SetRateRequest(rate_limit=0))
        assert not (await rig.engine.GetStatus(engine_service_pb2.GetStatusRequest())).rate_limit
        await rig.mailings.UpdateMailing(
            mailing_service_pb2.UpdateMailingRequest(
                mailing=mailing_pb2.Mailing(id=mailing.id), update_mask=FieldMask(paths=["rate_limit"])
            )
        )
        # At one a second this would take six minutes.
        assert await rig.finished(mailing.id) == (0, 400, 0)


@pytest.mark.postgres
async def test_rule_09_engines_on_one_postgresql_keep_the_budgets_together(
    tmp_path: Path, postgres_url: Callable[[], str]
) -> None:
    async def measure() -> list[str]:
        url = postgres_url()
        async with (
            await Sandbox.start(keep=10_000) as sandbox,
            await Sandbox.start(keep=10_000) as other_sandbox,
            running(tmp_path, sandbox, provider_rate=61, database_url=url) as rig,
        ):
            await rig.add_clients(700)
            provider = Budget(rig, 61)
            await rig.register()
            own = Budget(rig, 25, await rig.register(rate_limit=25))
            await until(lambda: sandbox.requests > 30)
            async with running(tmp_path, other_sandbox, provider_rate=61, database_url=url) as other:
                # What counts is all of them together, from before the second one came until after it left.
                both = (sandbox, other_sandbox)
                await until(lambda: other_sandbox.requests > 0)
                await calls_at(61, *both)
                await provider.change(93, other)
                await calls_at(93, *both)
            await calls_at(31, sandbox)
            faults = await provider.faults(*both) + await own.faults(*both)
            shares = [each.requests for each in both]
            return faults + ([] if min(shares) > 30 else [f"the engines made {shares} calls"])

    assert await measured(measure) == []


async def test_rule_09_a_rate_of_one_mailing_is_no_forecast_for_the_next(tmp_path: Path) -> None:
    """The issue: the speed assumed was that of the last mailing, even if that one had a limit of 20/s."""
    async with running(tmp_path) as rig:
        await rig.add_clients(30)
        asked = mailing_service_pb2.PreviewMailingRequest(mailing=await rig.register(rate_limit=20.0))
        await rig.finished(asked.mailing.id)
        assert (await rig.mailings.PreviewMailing(asked)).forecast.rate_per_second == 20
        asked.mailing.ClearField("rate_limit")
        assert (await rig.mailings.PreviewMailing(asked)).forecast.rate_per_second > 200
