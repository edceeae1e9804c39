"""Rule 1: while a mailing is open it has one message for each client that matches, and a sent one stays."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from mailing.v1 import client_pb2, client_service_pb2, mailing_pb2, mailing_service_pb2
from tests.patience import undisturbed
from tests.rules.evidence import PENDING, SENT, receivers
from tests.rules.rig import Rig, running, until

VIP: dict[str, Any] = {"filter": mailing_pb2.AudienceFilter(tags=["vip"])}
LATER: dict[str, Any] = {"start_seconds": 300.0, **VIP}


def never() -> mailing_pb2.LocalHours:
    """Local hours in which no client is now; none is beyond two hours of UTC."""
    hour = (datetime.now(UTC).hour + 12) % 24
    return mailing_pb2.LocalHours(**{"from": f"{hour:02}:00", "to": f"{hour:02}:30"})


async def edit(rig: Rig, client: client_pb2.Client, **fields: str) -> None:
    changed = client_pb2.Client(id=client.id)
    for name, value in fields.items():
        setattr(changed, name, value)
    mask = FieldMask(paths=list(fields))
    await rig.clients.UpdateClient(client_service_pb2.UpdateClientRequest(client=changed, update_mask=mask))


async def audience_is_ready(rig: Rig, mailing: mailing_pb2.Mailing) -> None:
    async def ready() -> bool:
        return (await rig.get(mailing.id)).audience_state == mailing_pb2.AUDIENCE_STATE_READY

    await until(ready)


async def test_rule_01_an_open_mailing_follows_its_clients(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        first = await rig.add_client(1, tag="vip")
        other = await rig.add_client(2, tag="new")
        mailing = await rig.register(**LATER)
        await audience_is_ready(rig, mailing)
        assert await receivers(rig, mailing) == [first.id]

        created = await rig.add_client(3, tag="vip")
        await rig.add_client(4, tag="new")
        assert await receivers(rig, mailing) == [first.id, created.id]

        await edit(rig, other, tag="vip")
        assert await receivers(rig, mailing) == [first.id, other.id, created.id]

        await edit(rig, first, tag="new")
        assert await receivers(rig, mailing) == [other.id, created.id]

        await rig.add_clients(3, first=2, tag="new")  # an import edits 2 and 3 (4 is as it was)
        assert await receivers(rig, mailing) == []
        await rig.add_clients(7, first=1, tag="vip")  # and this one edits 1 to 4 and creates 5 to 7
        assert len(await receivers(rig, mailing)) == len(set(await receivers(rig, mailing))) == 7
        assert await rig.counts(mailing.id) == (7, 0, 0)

        await edit(rig, first, time_zone="Asia/Omsk")  # matches as before: still one message
        await rig.clients.DeleteClient(client_service_pb2.DeleteClientRequest(client_id=other.id))
        assert len(await receivers(rig, mailing)) == 6
        assert await rig.counts(mailing.id) == (6, 0, 0)
        assert rig.sandbox.requests == 0


async def test_rule_01_a_fixed_audience_is_whoever_matches_at_the_start(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        first = await rig.add_client(1, tag="vip")
        mailing = await rig.register(audience=mailing_pb2.AUDIENCE_MODE_FIXED, **LATER)
        await audience_is_ready(rig, mailing)
        second = await rig.add_client(2, tag="vip")
        assert await receivers(rig, mailing) == [first.id, second.id]

        begun = await rig.register(audience=mailing_pb2.AUDIENCE_MODE_FIXED, local_hours=never(), **VIP)
        await audience_is_ready(rig, begun)
        third = await rig.add_client(3, tag="vip")
        await edit(rig, first, tag="new")
        await rig.add_clients(2, first=4, tag="vip")
        assert await receivers(rig, begun) == [first.id, second.id]
        assert third.id in await receivers(rig, mailing)
        await rig.clients.DeleteClient(client_service_pb2.DeleteClientRequest(client_id=second.id))
        assert await receivers(rig, begun) == [first.id]

        changed = mailing_pb2.Mailing(id=begun.id)
        mask = FieldMask(paths=["audience", "local_hours"])
        await rig.mailings.UpdateMailing(mailing_service_pb2.UpdateMailingRequest(mailing=changed, update_mask=mask))
        assert await rig.finished(begun.id) == (0, 3, 0)  # live again: those who match now


async def test_rule_01_a_new_match_gets_its_text_while_the_mailing_is_active(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        changing = await rig.add_client(1, tag="new")
        mailing = await rig.register(**VIP)
        await audience_is_ready(rig, mailing)
        assert await rig.counts(mailing.id) == (0, 0, 0)
        await rig.add_client(2, tag="vip")
        await until(lambda: rig.sandbox.accepted == 1)
        await edit(rig, changing, tag="vip")
        await until(lambda: rig.sandbox.accepted == 2)
        await rig.add_clients(3, first=3, tag="vip")
        assert await rig.finished(mailing.id) == (0, 5, 0)
        phones = [text["phone"] for text in rig.sandbox.messages()]
        assert len(phones) == 5
        assert set(phones) == {79160000000 + number for number in range(1, 6)}


async def test_rule_01_a_sent_message_stays_and_is_never_sent_again(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.add_client(1, tag="vip")
        mailing = await rig.register(**VIP)
        assert await rig.finished(mailing.id) == (0, 1, 0)
        before = await rig.list_messages(mailing.id)
        await edit(rig, client, tag="new")
        assert await rig.list_messages(mailing.id) == before
        await edit(rig, client, tag="vip")
        await rig.add_clients(1, first=1, tag="vip", time_zone="Asia/Omsk")
        await rig.add_client(2, tag="vip")  # what comes after it is sent: the engine has looked again
        await until(lambda: rig.sandbox.accepted == 2)
        messages = await rig.list_messages(mailing.id)
        assert [m.id for m in messages if m.client_id == client.id] == [before[0].id]
        assert rig.sandbox.count(before[0].id) == 1


async def test_rule_01_a_client_that_stops_matching_is_not_called_again(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.sandbox.set_faults(outage=True)
        leaver, stayer = await rig.add_client(1, tag="vip"), await rig.add_client(2, tag="vip")
        mailing = await rig.register(**VIP)
        await until(lambda: len(rig.sandbox.messages()) == 2)
        messages = {m.client_id: m for m in await rig.list_messages(mailing.id)}
        rig.sandbox.set_faults(latency_seconds=0.05)
        await edit(rig, leaver, tag="new")
        calls = rig.sandbox.count(messages[leaver.id].id)
        rig.sandbox.clear_faults()
        await until(lambda: rig.sandbox.accepted_count(messages[stayer.id].id) == 1)
        assert await rig.finished(mailing.id) == (0, 1, 0)
        assert await receivers(rig, mailing) == [stayer.id]
        assert rig.sandbox.count(messages[leaver.id].id) <= calls + 1  # one may have been on its way


async def test_rule_01_a_call_in_flight_counts_when_its_client_stops_matching(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.sandbox.set_faults(latency_seconds=1.5)  # longer than an edit waits for a call that has begun
        client = await rig.add_client(1, tag="vip")
        mailing = await rig.register(**VIP)
        await until(lambda: rig.sandbox.requests == 1)
        await edit(rig, client, tag="new")
        assert [m.status for m in await rig.list_messages(mailing.id)] == [PENDING]
        assert await rig.finished(mailing.id) == (0, 1, 0)
        assert [m.status for m in await rig.list_messages(mailing.id)] == [SENT]


async def delete(rig: Rig, client: client_pb2.Client) -> None:
    await rig.clients.DeleteClient(client_service_pb2.DeleteClientRequest(client_id=client.id))


def phones(rig: Rig) -> Counter[int]:
    """How many messages went to each number, by its last digits; each was called once."""
    assert rig.sandbox.requests == rig.sandbox.accepted
    return Counter(int(str(text["phone"])) - 79160000000 for text in rig.sandbox.messages())


@pytest.mark.parametrize("how", ["created", "imported", "given to another client"])
async def test_rule_01_a_number_that_got_the_text_does_not_get_it_again(tmp_path: Path, how: str) -> None:
    async with running(tmp_path) as rig:
        first, moving = await rig.add_client(1, tag="vip"), await rig.add_client(2, tag="vip")
        another = await rig.add_client(3, tag="new")
        mailing = await rig.register(**VIP)
        assert await rig.finished(mailing.id) == (0, 2, 0)
        await delete(rig, first)
        await edit(rig, moving, phone_number="79160000009")  # keeps its message
        if how == "created":
            await rig.add_client(1, tag="vip")
            await rig.add_client(2, tag="vip")
        elif how == "imported":
            await rig.add_clients(2, first=1, tag="vip")
        else:
            await edit(rig, another, phone_number="79160000001", tag="vip")
            await rig.add_client(2, tag="vip")
        await rig.add_client(4, tag="vip")  # what comes after them is sent
        await until(lambda: rig.sandbox.accepted == 3)
        assert await rig.finished(mailing.id) == (0, 3, 0)
        assert phones(rig) == {1: 1, 2: 1, 4: 1}
        other = await rig.register(**VIP)  # has told nobody
        assert (await rig.finished(other.id))[1] == 4


async def test_rule_01_a_call_in_flight_decides_for_who_has_the_number_now(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.sandbox.set_faults(latency_seconds=0.5)
        one, two = await rig.add_client(1, tag="vip"), await rig.add_client(2, tag="vip")
        mailing = await rig.register(**VIP)
        await until(lambda: rig.sandbox.requests == 2)
        await delete(rig, one)
        await edit(rig, two, phone_number="79160000009")
        await rig.add_clients(2, first=1, tag="vip")
        assert await rig.finished(mailing.id) == (0, 2, 0)
        await rig.add_client(3, tag="vip")
        assert await rig.finished(mailing.id) == (0, 3, 0)
        assert phones(rig) == {1: 1, 2: 1, 3: 1}


async def test_rule_01_a_number_that_surely_got_nothing_gets_the_text_when_it_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.sandbox.set_faults(share_5xx=1.0)
        client = await rig.add_client(1, tag="vip")
        mailing = await rig.register(**VIP)
        await until(lambda: rig.sandbox.requests >= 1)
        await delete(rig, client)
        again = await rig.add_client(1, tag="vip")
        rig.sandbox.clear_faults()
        assert await rig.finished(mailing.id) == (0, 1, 0)
        assert await receivers(rig, mailing) == [again.id]
        assert rig.sandbox.accepted == 1


@pytest.mark.parametrize("how", ["ended", "cancelled"])
@undisturbed
async def test_rule_01_a_mailing_that_is_not_open_gets_nobody_new(tmp_path: Path, how: str) -> None:
    async with running(tmp_path) as rig:
        changing = await rig.add_client(1, tag="new")
        if how == "ended":
            mailing = await rig.register(end_seconds=0.2, **VIP)
            await until(lambda: is_in(rig, mailing, mailing_pb2.MAILING_STATE_ENDED))
        else:
            mailing = await rig.register(**LATER)
            await rig.mailings.CancelMailing(mailing_service_pb2.CancelMailingRequest(mailing_id=mailing.id))
        open_one = await rig.register(**LATER)
        await rig.add_client(2, tag="vip")
        await rig.add_clients(1, first=3, tag="vip")
        await edit(rig, changing, tag="vip")
        await audience_is_ready(rig, open_one)
        assert len(await receivers(rig, open_one)) == 3
        assert await receivers(rig, mailing) == []
        assert rig.sandbox.requests == 0


async def is_in(rig: Rig, mailing: mailing_pb2.Mailing, state: int) -> bool:
    return (await rig.get(mailing.id)).state == state
