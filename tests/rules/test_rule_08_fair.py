"""Rule 8: active mailings share the workers round-robin, so that a huge one does not hold up a small one.

100,000 against 10: scripts/bench/fairness.py.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from mailing.v1 import engine_service_pb2, mailing_pb2
from scripts.sandbox import Sandbox
from tests.patience import undisturbed
from tests.rules.evidence import SECOND_US, arrivals, timeline
from tests.rules.rig import Rig, running, until

pytestmark = pytest.mark.alone

HUGE = 20_000
FEW = 10


async def small_one_us(rig: Rig) -> int:
    """Register a mailing for the few; microseconds until its last text arrives."""
    began_us = time.time_ns() // 1000
    mailing = await rig.register(filter=mailing_pb2.AudienceFilter(tags=["few"]))
    assert await rig.finished(mailing.id) == (0, FEW, 0)
    return arrivals(rig, await rig.list_messages(mailing.id))[-1] - began_us


@undisturbed
async def test_rule_08_a_huge_mailing_does_not_hold_up_a_small_one(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=HUGE) as sandbox, running(tmp_path, sandbox, workers=16) as rig:
        # 16 workers of 20 calls a second each: a thousand messages that wait in a queue take three seconds.
        sandbox.set_faults(latency_seconds=0.05)
        await rig.add_clients(HUGE)
        await rig.add_clients(FEW, first=HUGE, tag="few")
        huge = await rig.register()
        await until(lambda: sandbox.accepted > 100)
        for _ in range(2):
            before = sandbox.accepted
            took_us = await small_one_us(rig)
            assert took_us < SECOND_US
            others = sandbox.accepted - before - FEW
            assert others < 20 * FEW, f"{others} texts of the huge mailing for {FEW} of the small one"
        pending, sent, _ = await rig.counts(huge.id)
        assert sent > 100  # it went on, too
        assert pending > HUGE // 2


@undisturbed
async def test_rule_08_active_mailings_take_turns(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=3000) as sandbox, running(tmp_path, sandbox, workers=6) as rig:
        sandbox.set_faults(latency_seconds=0.005)
        await rig.add_clients(300)
        await rig.engine.PauseSending(engine_service_pb2.PauseSendingRequest())
        mailings = [await rig.register() for _ in range(3)]
        await until(lambda: all_rows(rig, [mailing.id for mailing in mailings]))
        await rig.engine.ResumeSending(engine_service_pb2.ResumeSendingRequest())
        messages = []
        for mailing in mailings:
            assert await rig.finished(mailing.id) == (0, 300, 0)
            messages += await rig.list_messages(mailing.id)
        order = [mailing_id for _, mailing_id in timeline(rig, messages)]
        assert len(order) == 900
        # Round and round: of any 30 calls in a row each mailing has about ten, from the first claims on to the last.
        for first in range(30, 840, 10):
            shares = Counter(order[first : first + 30])
            assert all(6 <= shares[mailing.id] <= 14 for mailing in mailings), (first, shares)


async def all_rows(rig: Rig, mailing_ids: list[int]) -> bool:
    return all([(await rig.counts(mailing_id))[0] == 300 for mailing_id in mailing_ids])
