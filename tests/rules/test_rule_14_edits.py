"""Rule 14: an open mailing may be changed and unsent messages follow; a closed one is read-only but may be deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio

from mailing.v1 import (
    client_service_pb2,
    mailing_pb2,
    mailing_service_pb2,
    message_pb2,
    message_service_pb2,
)
from scripts.sandbox import Sandbox
from tests.patience import undisturbed
from tests.rules.arrivals import SECOND_US, all_messages, arrivals, grown, message_ids, now_us
from tests.rules.rig import Rig, running, until


async def edit(rig: Rig, mailing_id: int, *cleared: str, **fields: Any) -> mailing_pb2.Mailing:
    """Change these fields; ``cleared`` ones go back to nothing."""
    times = {name: fields.pop(name) for name in ("start_time", "end_time") if name in fields}
    mailing = mailing_pb2.Mailing(id=mailing_id, **fields)
    for name, moment in times.items():
        getattr(mailing, name).FromDatetime(moment)
    mask = FieldMask(paths=[*fields, *times, *cleared])
    return await rig.mailings.UpdateMailing(mailing_service_pb2.UpdateMailingRequest(mailing=mailing, update_mask=mask))


async def pause(rig: Rig, mailing_id: int) -> None:
    await rig.mailings.PauseMailing(mailing_service_pb2.PauseMailingRequest(mailing_id=mailing_id))


async def resume(rig: Rig, mailing_id: int) -> None:
    await rig.mailings.ResumeMailing(mailing_service_pb2.ResumeMailingRequest(mailing_id=mailing_id))


async def cancel(rig: Rig, mailing_id: int) -> None:
    await rig.mailings.CancelMailing(mailing_service_pb2.CancelMailingRequest(mailing_id=mailing_id))


async def delete(rig: Rig, mailing_id: int) -> None:
    await rig.mailings.DeleteMailing(mailing_service_pb2.DeleteMailingRequest(mailing_id=mailing_id))


async def refused(call: Awaitable[object]) -> StatusCode:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return caught.value.code()


def texts(rig: Rig, ids: list[int]) -> Counter[str]:
    """How often each text was sent to the provider for these messages."""
    return Counter(call.text for message_id in ids for call in rig.sandbox.calls(message_id))


def hours(start: datetime, end: datetime) -> mailing_pb2.LocalHours:
    return mailing_pb2.LocalHours(**{"from": f"{start:%H:%M}", "to": f"{end:%H:%M}"})


async def test_rule_14_unsent_messages_follow_the_text(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.add_clients(10)
        mailing = await rig.register(text="before")
        assert await rig.finished(mailing.id) == (0, 10, 0)
        await pause(rig, mailing.id)
        await rig.add_clients(10, first=10)
        assert (await edit(rig, mailing.id, text="after €")).segments == 1
        await resume(rig, mailing.id)
        assert await rig.finished(mailing.id) == (0, 20, 0)
        # What was sent stays, and is not sent again.
        assert texts(rig, await message_ids(rig, mailing.id)) == {"before": 10, "after €": 10}


async def test_rule_14_a_text_that_changes_at_full_speed_is_the_new_one_from_then_on(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=5000) as sandbox, running(tmp_path, sandbox, workers=16) as rig:
        sandbox.set_faults(latency_seconds=[0.0, 0.01])
        await rig.add_clients(1500)
        mailing = await rig.register(text="0")
        changed = {"0": 0}
        for number in range(1, 5):
            await grown(lambda: sandbox.requests, 100)
            begun_us = now_us()
            await edit(rig, mailing.id, text=str(number))
            changed[str(number)] = begun_us
        returned_us = now_us()
        assert await rig.finished(mailing.id) == (0, 1500, 0)
        calls = [call for id in await message_ids(rig, mailing.id) for call in sandbox.calls(id)]
        assert len(calls) == 1500
        assert {call.text for call in calls} == set("01234")
        assert all(call.at_us >= changed[call.text] for call in calls)
        # A call that had begun may still be on its way for the blink of an eye.
        assert {call.text for call in calls if call.at_us > returned_us + SECOND_US // 20} == {"4"}


async def test_rule_14_unsent_messages_follow_the_filter(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.add_clients(5, tag="a")
        mailing = await rig.register(filter=mailing_pb2.AudienceFilter(tags=["a", "b"]))
        assert await rig.finished(mailing.id) == (0, 5, 0)
        await pause(rig, mailing.id)
        await rig.add_clients(5, first=10, tag="b")
        await rig.add_clients(5, first=20, tag="c")
        assert await rig.counts(mailing.id) == (5, 5, 0)
        unsent = [m.id for m in await all_messages(rig, mailing.id) if m.status == message_pb2.MESSAGE_STATUS_PENDING]
        await edit(rig, mailing.id, filter=mailing_pb2.AudienceFilter(tags=["c"]))
        await resume(rig, mailing.id)
        # b's are gone, c's are new, and those of a that were sent stay.
        assert await rig.finished(mailing.id) == (0, 10, 0)
        assert not set(unsent) & set(await message_ids(rig, mailing.id))
        assert arrivals(unsent, rig.sandbox) == []
        await edit(rig, mailing.id, "filter")
        assert await rig.finished(mailing.id) == (0, 15, 0)
        phones = Counter(message["phone"] for message in rig.sandbox.messages())
        assert len(phones) == rig.sandbox.requests == 15


@undisturbed
async def test_rule_14_unsent_messages_follow_the_times(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.add_clients(5)
        now = datetime.now(UTC)
        later = await rig.register(start_seconds=300)
        sooner_over = await rig.register(start_seconds=0.2)
        lasts_longer = await rig.register(start_seconds=0.2, end_seconds=1)
        for held in (sooner_over, lasts_longer):
            await pause(rig, held.id)
        await edit(rig, later.id, start_time=now)
        await edit(rig, sooner_over.id, end_time=now + timedelta(seconds=1))
        await edit(rig, lasts_longer.id, end_time=now + timedelta(seconds=300))
        assert await rig.finished(later.id) == (0, 5, 0)
        assert await rig.finished(sooner_over.id) == (0, 0, 5)
        await until(lambda: now_us() > lasts_longer.end_time.ToMicroseconds() + 50_000)
        assert await rig.counts(lasts_longer.id) == (5, 0, 0)
        await resume(rig, lasts_longer.id)
        assert await rig.finished(lasts_longer.id) == (0, 5, 0)
        # A start that is put off holds too.
        put_off = await rig.register(start_seconds=0.3)
        await edit(rig, put_off.id, start_time=now + timedelta(seconds=300))
        witness = await rig.register(start_seconds=0.3)
        assert await rig.finished(witness.id) == (0, 5, 0)
        assert await rig.counts(put_off.id) == (5, 0, 0)


@undisturbed
async def test_rule_14_unsent_messages_follow_the_local_hours_and_the_rate(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.add_clients(5)
        now = datetime.now(UTC)
        closed = hours(now + timedelta(hours=2), now + timedelta(hours=3))
        waiting = await rig.register(local_hours=closed)
        opened = await rig.register(local_hours=closed)
        limited = await rig.register(rate_limit=0.01)
        witness = await rig.register()
        assert await rig.finished(witness.id) == (0, 5, 0)
        assert await rig.counts(opened.id) == await rig.counts(waiting.id) == (5, 0, 0)
        await edit(rig, opened.id, local_hours=hours(now - timedelta(hours=2), now + timedelta(hours=2)))
        assert await rig.finished(opened.id) == (0, 5, 0)
        await edit(rig, waiting.id, "local_hours")
        assert await rig.finished(waiting.id) == (0, 5, 0)
        # At one in a hundred seconds four still wait: without a limit they don't.
        assert (await rig.counts(limited.id))[0] >= 4
        await edit(rig, limited.id, "rate_limit")
        assert await rig.finished(limited.id) == (0, 5, 0)
        # And closed hours hold what has not gone out yet.
        held = await rig.register(start_seconds=0.3)
        await edit(rig, held.id, local_hours=closed)
        witness = await rig.register(start_seconds=0.3)
        assert await rig.finished(witness.id) == (0, 5, 0)
        assert await rig.counts(held.id) == (5, 0, 0)


@undisturbed
async def test_rule_14_an_ended_or_cancelled_mailing_is_read_only_but_may_be_deleted(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.add_clients(3)
        ended = await rig.register(end_seconds=0.3)
        cancelled = await rig.register(start_seconds=60)
        await cancel(rig, cancelled.id)

        async def over() -> bool:
            return (await rig.get(ended.id)).state == mailing_pb2.MAILING_STATE_ENDED

        await until(over)
        assert (await rig.get(cancelled.id)).state == mailing_pb2.MAILING_STATE_CANCELLED
        soon = datetime.now(UTC) + timedelta(hours=1)
        for closed in (ended, cancelled):
            before = await rig.get(closed.id)
            for call in (
                edit(rig, closed.id, text="another"),
                edit(rig, closed.id, end_time=soon),
                edit(rig, closed.id, filter=mailing_pb2.AudienceFilter(tags=["x"])),
                edit(rig, closed.id, rate_limit=1),
                edit(rig, closed.id, local_hours=hours(soon, soon + timedelta(hours=1))),
                pause(rig, closed.id),
                resume(rig, closed.id),
            ):
                assert await refused(call) is StatusCode.FAILED_PRECONDITION
            # Its audience is closed as well.
            await rig.add_client(100 + closed.id)
            assert await rig.get(closed.id) == before
        assert await refused(cancel(rig, ended.id)) is StatusCode.FAILED_PRECONDITION
        for closed in (ended, cancelled):
            await delete(rig, closed.id)
            assert await refused(rig.get(closed.id)) is StatusCode.NOT_FOUND


async def test_rule_14_deleting_a_mailing_deletes_its_messages_and_stops_it(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=5000) as sandbox, running(tmp_path, sandbox, workers=64) as rig:
        sandbox.set_faults(latency_seconds=[0.0, 0.02], share_5xx=0.1)
        await rig.add_clients(1500)
        kept = await rig.register(text="kept")
        gone = await rig.register(text="gone")

        async def complete() -> bool:
            return (await rig.get(gone.id)).audience_state == mailing_pb2.AUDIENCE_STATE_READY

        await until(complete)
        ids = await message_ids(rig, gone.id)
        await until(lambda: len(arrivals(ids, sandbox)) > 100)
        await delete(rig, gone.id)
        returned_us = now_us()
        assert await refused(rig.get(gone.id)) is StatusCode.NOT_FOUND
        assert await refused(delete(rig, gone.id)) is StatusCode.NOT_FOUND
        assert await rig.finished(kept.id) == (0, 1500, 0)
        assert max(arrivals(ids, sandbox)) < returned_us
        assert len(arrivals(ids, sandbox)) < 1500
        for message_id in (ids[0], ids[-1]):
            request = message_service_pb2.GetMessageRequest(message_id=message_id)
            assert await refused(rig.messages.GetMessage(request)) is StatusCode.NOT_FOUND
        found = await rig.messages.ListMessages(message_service_pb2.ListMessagesRequest())
        assert found.total_size == 1500
        assert await rig.service.store.check() == []


async def test_rule_14_deleting_a_client_leaves_its_history_without_a_phone_number(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=5000) as sandbox, running(tmp_path, sandbox, workers=8) as rig:
        leaver = await rig.add_client(1)
        await rig.add_client(2)
        sent = await rig.register(text="sent")
        assert await rig.finished(sent.id) == (0, 2, 0)
        sandbox.set_faults(share_400=1)
        rejected = await rig.register(text="rejected")
        assert await rig.finished(rejected.id) == (0, 0, 2)
        waiting = await rig.register(text="waiting", start_seconds=60)
        sandbox.set_faults(share_400=0, latency_seconds=0.4)
        before = sandbox.requests
        in_flight = await rig.register(text="in flight")
        await until(lambda: sandbox.requests == before + 2)
        assert await rig.counts(waiting.id) == (2, 0, 0)
        await rig.clients.DeleteClient(client_service_pb2.DeleteClientRequest(client_id=leaver.id))
        # Pending: gone. Sent and not sent: history. A call in flight counts as its answer says.
        assert await rig.counts(waiting.id) == (1, 0, 0)
        assert await rig.finished(in_flight.id) == (0, 2, 0)
        assert await rig.counts(sent.id) == (0, 2, 0)
        assert await rig.counts(rejected.id) == (0, 0, 2)
        for mailing in (sent, rejected, in_flight):
            messages = await all_messages(rig, mailing.id)
            assert sorted(message.phone_number for message in messages) == ["", "79160000002"]
            assert {message.phone_number == "" for message in messages if not message.HasField("client_id")} == {True}
        by_client = message_service_pb2.ListMessagesRequest(client_id=leaver.id)
        assert (await rig.messages.ListMessages(by_client)).total_size == 0
        assert await rig.service.store.check() == []
        # The number may come back as another client, with messages of its own for what is open and has not told it.
        assert (await rig.add_client(1)).id != leaver.id
        assert await rig.counts(waiting.id) == (2, 0, 0)
        assert (await rig.finished(sent.id))[1:] == (2, 0)
        assert (await rig.finished(in_flight.id))[1:] == (2, 0)


async def test_rule_14_a_message_of_a_deleted_client_is_not_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.add_client()
        rig.sandbox.set_faults(share_429=1, latency_seconds=0.3)
        mailing = await rig.register()
        await until(lambda: rig.sandbox.requests == 1)
        await rig.clients.DeleteClient(client_service_pb2.DeleteClientRequest(client_id=client.id))
        assert await rig.finished(mailing.id) == (0, 0, 0)
        await rig.add_client(9)
        rig.sandbox.clear_faults()
        assert await rig.finished(mailing.id) == (0, 1, 0)
        assert rig.sandbox.messages(phone=79160000000)[0]["count"] == 1
