"""What Prometheus reads after a mailing of each fate."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from mailing.v1 import mailing_service_pb2
from tests.rules.rig import running, until


async def test_every_outcome_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.sandbox.set_faults(share_400=0.3)
        await rig.add_clients(50)
        sent = await rig.finished((await rig.register()).id)
        expired = await rig.register(start_seconds=-2, end_seconds=0.1)
        cancelled = await rig.register(start_seconds=60)
        await until(lambda: rig.counts(cancelled.id))
        await rig.mailings.CancelMailing(mailing_service_pb2.CancelMailingRequest(mailing_id=cancelled.id))
        ended = await rig.finished(expired.id)
        url = f"http://{rig.service.metrics_listen}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            lines = (await answer.text()).splitlines()
        values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}
        counted = {
            name: values[f'mailing_messages_total{{outcome="{name}"}}'] for name in ("sent", "rejected", "cancelled")
        }
        assert counted == {
            "sent": sent[1] + ended[1],
            "rejected": sent[2] + values_rejected(ended, values),
            "cancelled": 50,
        }


def values_rejected(ended: tuple[int, int, int], values: dict[str, float]) -> float:
    """The second mailing's rejected ones: what is not sent there and has not expired."""
    return ended[2] - values['mailing_messages_total{outcome="expired"}']
