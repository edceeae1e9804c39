"""What Prometheus reads after mailings of every fate: the same as their counters (docs/behaviour.md, section 9)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio

from engine.domain.suppression import SuppressionInput
from engine.metrics import MESSAGE_OUTCOMES
from engine.store.rows import Actor
from mailing.v1 import engine_service_pb2, mailing_pb2, mailing_service_pb2, mailing_stats_pb2
from mailing.v1.engine_pb2 import SENDING_STATE_PAUSED, SENDING_STATE_RUNNING
from tests.rules.evidence import us
from tests.rules.rig import Rig, running, until


async def metrics(rig: Rig) -> dict[str, float]:
    url = f"http://{rig.service.metrics_listen}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        lines = (await answer.text()).splitlines()
    values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}
    return {name: values[f'mailing_messages_total{{outcome="{name}"}}'] for name in MESSAGE_OUTCOMES}


async def counters(rig: Rig) -> Counter[str]:
    """The same from the statistics of all mailings."""
    found: Counter[str] = Counter()
    for mailing in (await rig.mailings.ListMailings(mailing_service_pb2.ListMailingsRequest())).mailings:
        asked = mailing_service_pb2.GetMailingStatsRequest(mailing_id=mailing.id)
        stats: mailing_stats_pb2.MailingStats = await rig.mailings.GetMailingStats(asked)
        found["sent"] += stats.message_counts.sent
        found["deferred"] += sum(point.deferred for point in stats.timeline)
        for field in stats.reasons.DESCRIPTOR.fields:
            found[field.name] += getattr(stats.reasons, field.name)
    return found


async def lose(rig: Rig, mailing: mailing_pb2.Mailing, number: int) -> None:
    """An engine dies while it calls, and this one takes back what it had."""
    store = rig.service.store
    dead = await store.register_engine("dead", 1, us(datetime.now(UTC)), 0)
    claims = await store.claim(
        mailing.id, number, owner=dead, now_us=us(datetime.now(UTC)), lease_until_us=us(datetime.now(UTC))
    )
    await store.begin(claims, owner=dead)
    assert len(claims) == number
    await store.recover(us(datetime.now(UTC)), number, expired_only=True)  # unless this engine has done it already
    await rig.engine.UpdateEngine(engine_service_pb2.UpdateEngineRequest(sending=SENDING_STATE_RUNNING))


async def deferred(rig: Rig, mailing_id: int) -> bool:
    return any(message.HasField("next_attempt_time") for message in await rig.list_messages(mailing_id))


async def end(rig: Rig, mailing: mailing_pb2.Mailing) -> None:
    """Move its end to now: not before the engine reads it, or it is refused."""
    request = mailing_service_pb2.UpdateMailingRequest(mailing=mailing, update_mask=FieldMask(paths=["end_time"]))
    while True:
        request.mailing.end_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=0.2))
        try:
            await rig.mailings.UpdateMailing(request)
            break
        except aio.AioRpcError as error:
            assert error.code() is StatusCode.INVALID_ARGUMENT  # noqa: PT017 - this process stood still meanwhile


async def suppress(rig: Rig, phone_number: int) -> None:
    """Put a number on the stop list, and take it off again."""
    now_us = us(datetime.now(UTC))
    await rig.service.store.add_suppression(SuppressionInput(phone_number), by=Actor(), now_us=now_us)
    await rig.service.store.delete_suppression(phone_number, by=Actor(), now_us=now_us)


async def test_every_outcome_and_reason_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.add_clients(40)
        rig.sandbox.set_faults(share_400=0.3, share_5xx=0.05)
        await rig.finished((await rig.register()).id)
        rig.sandbox.set_faults(share_400=0, share_5xx=1)
        expires = await rig.register(end_seconds=60)
        await until(lambda: deferred(rig, expires.id))
        await end(rig, expires)
        await rig.finished(expires.id)
        rig.sandbox.clear_faults()
        cancelled = await rig.register(start_seconds=60)
        await until(lambda: built(rig, cancelled.id, 40))
        await suppress(rig, int((await rig.list_messages(cancelled.id))[0].phone_number))
        await rig.mailings.CancelMailing(mailing_service_pb2.CancelMailingRequest(mailing_id=cancelled.id))
        await rig.finished((await rig.register(text="Hello, {{nickname}}")).id)
        await rig.engine.UpdateEngine(engine_service_pb2.UpdateEngineRequest(sending=SENDING_STATE_PAUSED))
        lost = await rig.register(on_uncertain=mailing_pb2.ON_UNCERTAIN_NOT_SENT)
        await until(lambda: built(rig, lost.id, 40))
        await lose(rig, lost, 7)
        await rig.finished(lost.id)
        found = await counters(rig)
        assert await metrics(rig) == {name: found[name] for name in MESSAGE_OUTCOMES}
        assert all(found[name] > 0 for name in MESSAGE_OUTCOMES)


async def built(rig: Rig, mailing_id: int, number: int) -> bool:
    return sum(await rig.counts(mailing_id)) == number
