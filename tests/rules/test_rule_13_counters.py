"""Rule 13: total = pending + sent + not_sent, at any instant."""

from __future__ import annotations

from pathlib import Path

from tests.rules.rig import running


async def test_rule_13_the_sum_holds_at_any_instant_and_equals_the_rows(tmp_path: Path) -> None:
    async with running(tmp_path, workers=8) as rig:
        rig.sandbox.set_faults(latency_seconds=[0.001, 0.01], share_400=0.2, share_5xx=0.3)
        await rig.add_clients(600)
        mailing = await rig.register()
        seen = set()
        while (counts := await rig.counts(mailing.id))[0] or sum(counts) < 600:
            seen.add(counts)
        assert len(seen) > 3
        assert sum(counts) == 600
        statuses = [message.status for message in await rig.list_messages(mailing.id)]
        assert len(statuses) == 600
        assert sorted(statuses.count(status) for status in set(statuses)) == sorted(counts[1:])
        assert await rig.service.store.check() == []
