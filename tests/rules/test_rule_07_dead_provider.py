"""Rule 7: a dead provider is not hammered, its messages keep their attempts, and other mailings don't starve."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from engine.domain.breaker import Breaker
from mailing.v1 import engine_pb2, mailing_pb2
from tests.rules.evidence import SECOND_US, health, status, timeline, use_breaker
from tests.rules.rig import Rig, running, until

WORKERS, THRESHOLD = 16, 20
PAUSE_SECONDS, LONGEST_SECONDS = 0.1, 0.4
PROBES = 8
"""Seven pauses of at least 0.05, 0.1 and five times 0.2 s: the outage lasts some two seconds."""


async def is_open_and_quiet(rig: Rig) -> bool:
    now = await status(rig)
    return now.breaker.state == engine_pb2.BREAKER_STATE_OPEN and now.in_flight == 0


@pytest.mark.parametrize("outage", [True, "reset"])
async def test_rule_07_an_outage_costs_a_few_probes_and_no_message(tmp_path: Path, outage: bool | str) -> None:
    async with running(tmp_path, workers=WORKERS) as rig:
        use_breaker(rig, Breaker(THRESHOLD, PAUSE_SECONDS, LONGEST_SECONDS))
        rig.sandbox.set_faults(outage=outage)
        await rig.add_clients(300)
        huge = await rig.register()
        await rig.add_client(1000, tag="vip")
        await until(lambda: is_open_and_quiet(rig))
        at_opening = rig.sandbox.requests
        # It opens after so many failures in a row; on top come the calls under way meanwhile, and perhaps a probe.
        assert THRESHOLD <= at_opening <= THRESHOLD + WORKERS + 1
        small = await rig.register(filter=mailing_pb2.AudienceFilter(tags=["vip"]))
        await until(lambda: rig.sandbox.requests >= at_opening + PROBES, 20)
        now = await status(rig)
        assert now.breaker.state == engine_pb2.BREAKER_STATE_OPEN
        assert now.breaker.consecutive_failures >= THRESHOLD + PROBES - 1  # probes fail, too
        assert now.queue_depth <= 1  # claimed is what a probe needs, no more
        assert await health(rig, "provider") == "NOT_SERVING"

        messages = await rig.list_messages(huge.id) + await rig.list_messages(small.id)
        calls = timeline(rig, messages)
        check_probes([at_us for at_us, _ in calls[at_opening:]])
        probed = Counter(mailing_id for _, mailing_id in calls[at_opening + 1 :])
        assert probed[small.id] >= 2, "the other mailing takes part in the probes"
        assert probed[huge.id] >= 2
        # Attempts are calls that were made: those that were not called have all of theirs.
        assert sum(m.attempts for m in messages) <= rig.sandbox.requests <= at_opening + PROBES + 2
        assert sum(m.attempts == 0 for m in messages) >= 301 - THRESHOLD - WORKERS - PROBES

        rig.sandbox.clear_faults()
        assert await rig.finished(small.id) == (0, 1, 0)
        assert await rig.finished(huge.id) == (0, 301, 0)
        assert (await status(rig)).breaker.state == engine_pb2.BREAKER_STATE_CLOSED
        await until(lambda: is_serving(rig))


def check_probes(times: list[int]) -> None:
    """After pauses that double up to the longest; each is drawn from half of it to the whole."""
    gaps = [after - before for before, after in pairwise(times)]
    assert len(gaps) >= PROBES - 1
    for number, gap in enumerate(gaps):
        # The first pause is the one before the first probe.
        pause_seconds = min(LONGEST_SECONDS, PAUSE_SECONDS * 2 ** (number + 1))
        assert gap >= pause_seconds / 2 * SECOND_US, gaps


async def is_serving(rig: Rig) -> bool:
    return await health(rig, "provider") == "SERVING"


async def test_rule_07_a_provider_that_fails_now_and_then_is_not_dead(tmp_path: Path) -> None:
    async with running(tmp_path, workers=8) as rig:
        # One in three calls fails: hard times, but nothing is held up.
        rig.sandbox.set_faults(share_5xx=0.33)
        await rig.add_clients(300)
        first, second = await rig.register(), await rig.register()
        assert await rig.finished(first.id) == await rig.finished(second.id) == (0, 300, 0)
        assert (await status(rig)).breaker.state == engine_pb2.BREAKER_STATE_CLOSED
