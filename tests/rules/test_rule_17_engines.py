"""Rule 17: one engine owns a SQLite file; on one PostgreSQL any number share the work by leases.

Each engine has a sandbox of its own here, so that it is known which one made a call.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from engine.delivery import recovery
from mailing.v1 import client_pb2, client_service_pb2, engine_service_pb2, mailing_pb2, mailing_service_pb2, message_pb2
from scripts.sandbox import Sandbox
from tests.patience import PATIENT_SECONDS, undisturbed
from tests.rules.arrivals import SECOND_US, all_messages, arrivals, message_ids, now_us
from tests.rules.process import engine_process, environment
from tests.rules.rig import QUICK, Rig, running, until

_UNCERTAIN = message_pb2.NOT_SENT_REASON_UNCERTAIN


async def ready(rig: Rig, mailing: mailing_pb2.Mailing) -> list[int]:
    """The ids of all messages of a mailing, once they are there."""

    async def complete() -> bool:
        return (await rig.get(mailing.id)).audience_state == mailing_pb2.AUDIENCE_STATE_READY

    await until(complete)
    return await message_ids(rig, mailing.id)


def ids_of(sandbox: Sandbox) -> set[int]:
    """All messages that were called there."""
    return {int(str(message["id"])) for message in sandbox.messages(limit=100_000)}


async def test_rule_17_a_second_engine_on_a_sqlite_file_is_refused_in_one_line(tmp_path: Path) -> None:
    async with await Sandbox.start() as sandbox, running(tmp_path, sandbox) as rig:
        url = f"sqlite://{tmp_path / 'mailing.db'}"
        flags = {**QUICK, "database_url": url, "provider_url": sandbox.url, "fbrq_token": sandbox.token}
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine"),
            env=environment(flags),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(second.communicate(), PATIENT_SECONDS)
        finally:
            if second.returncode is None:
                second.kill()
                await second.wait()
        assert second.returncode == 1
        lines = [line for line in (out + err).decode().splitlines() if "fork_posix" not in line]
        assert len(lines) == 1
        assert "mailing.db is in use by another engine" in lines[0]
        assert f"process {os.getpid()}" in lines[0]
        # The first one has noticed nothing.
        await rig.add_clients(10)
        mailing = await rig.register()
        assert await rig.finished(mailing.id) == (0, 10, 0)
    # And when it has gone, the file is free.
    async with running(tmp_path) as rig:
        assert await rig.counts(mailing.id) == (0, 10, 0)


@pytest.mark.alone
@pytest.mark.postgres
@undisturbed
async def test_rule_17_two_and_three_engines_share_the_work_and_call_nobody_twice(
    tmp_path: Path, postgres_url: Callable[[], str]
) -> None:
    url = postgres_url()
    async with AsyncExitStack() as stack:
        sandboxes = [await stack.enter_async_context(await Sandbox.start(keep=10_000)) for _ in range(3)]
        rigs: list[Rig] = []
        ids: list[int] = []
        for engines, sandbox in enumerate(sandboxes, 1):
            sandbox.set_faults(latency_seconds=[0.005, 0.03])
            rigs.append(
                await stack.enter_async_context(running(tmp_path, sandbox, workers=8, queue_size=60, database_url=url))
            )
            if engines == 1:
                await rigs[0].add_clients(500)
                continue
            before = [each.requests for each in sandboxes]
            # Registered by the latest of them, finished by all.
            mailing = await rigs[-1].register()
            assert await rigs[0].finished(mailing.id) == (0, 500, 0)
            ids += await message_ids(rigs[0], mailing.id)
            shares = [each.requests - was for each, was in zip(sandboxes, before, strict=True)][:engines]
            assert sum(shares) == 500
            assert min(shares) > 500 / engines / 4
        status = await rigs[1].engine.GetStatus(engine_service_pb2.GetStatusRequest())
        assert len(status.engines) == 3
        called = Counter(message_id for sandbox in sandboxes for message_id in ids_of(sandbox))
        assert called.keys() == set(ids)
        assert len(ids) == 1000
        assert {sum(sandbox.count(message_id) for sandbox in sandboxes) for message_id in ids} == {1}
        for rig in rigs:
            assert await rig.service.store.check() == []


@pytest.mark.alone
@pytest.mark.postgres
@undisturbed
async def test_rule_17_the_claims_of_a_killed_engine_are_taken_over_after_the_lease(
    tmp_path: Path, postgres_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "RETURN_SECONDS", 0.0)  # nobody else is on his way back here
    short: dict[str, Any] = {"lease_seconds": 2, "provider_timeout_seconds": 1, "database_url": postgres_url()}
    async with await Sandbox.start() as hers, await Sandbox.start() as his:
        hers.set_faults(share_hang=1)
        his.set_faults(latency_seconds=0.5)
        async with (
            engine_process(tmp_path / "killed", hers, workers=40, **short) as killed,
            # He can take but a few at a time, so that she has the most of them.
            running(tmp_path, his, workers=1, queue_size=1, **short) as rig,
        ):
            await killed.rig.add_clients(25)
            resent = await killed.rig.register(on_uncertain="ON_UNCERTAIN_RESEND")
            marked = await killed.rig.register(on_uncertain="ON_UNCERTAIN_NOT_SENT")
            await until(lambda: hers.requests >= 40)
            owner = (await killed.rig.engine.GetStatus(engine_service_pb2.GetStatusRequest())).engine_id
            await killed.kill()
            killed_us = now_us()
            due_us = await _leases(rig, owner)
            his.clear_faults()
            in_flight = ids_of(hers)
            assert len(in_flight) == hers.requests == 40
            assert in_flight < due_us.keys()
            assert await rig.finished(resent.id) == (0, 25, 0)
            uncertain = len(in_flight & set(await message_ids(rig, marked.id)))
            assert await rig.finished(marked.id) == (0, 25 - uncertain, uncertain)
            assert 0 < uncertain < 25
            for message in [m for each in (resent, marked) for m in await all_messages(rig, each.id)]:
                times = arrivals([message.id], his)
                lost = message.id in in_flight and message.mailing_id == marked.id
                assert len(times) == (0 if lost else 1)
                assert message.reason == (_UNCERTAIN if lost else 0)
                # Not before the dead one's lease is over, and soon after: he looks once a second.
                assert all(due_us.get(message.id, 0) <= at_us < killed_us + 8 * SECOND_US for at_us in times)
            assert await rig.service.store.check() == []


async def _leases(rig: Rig, owner: int) -> dict[int, int]:
    """When the lease of each message that the engine has claimed ends."""

    async def read(tx: Any) -> dict[int, int]:
        rows = await tx.rows("SELECT id, due_us FROM message WHERE status IN (1, 2) AND owner = ?", owner)
        return dict(tuple(row) for row in rows)

    return await rig.service.store._db.read(read)


@pytest.mark.postgres
async def test_rule_17_what_is_asked_of_one_engine_holds_on_the_other_when_the_call_has_returned(
    tmp_path: Path, postgres_url: Callable[[], str]
) -> None:
    url = postgres_url()
    async with (
        await Sandbox.start(keep=10_000) as hers,
        await Sandbox.start(keep=10_000) as his,
        running(tmp_path, hers, workers=32, database_url=url) as one,
        running(tmp_path, his, workers=32, database_url=url) as other,
    ):
        for sandbox in (hers, his):
            sandbox.set_faults(latency_seconds=[0.0, 0.03])
        await one.add_clients(2500)
        mailing = await one.register(text="0")
        witness = await one.register(text="witness", on_uncertain="ON_UNCERTAIN_NOT_SENT")
        ids, witness_ids = await ready(one, mailing), await ready(one, witness)

        def both(messages: list[int]) -> list[int]:
            return [sum(sandbox.count(id) for id in messages) for sandbox in (hers, his)]

        async def go_on(messages: list[int], calls: int) -> None:
            before = both(messages)

            async def enough() -> bool:  # thousands are counted
                return all(n >= was + calls for n, was in zip(both(messages), before, strict=True))

            await until(enough)

        quiet = []
        for number, (paused_by, resumed_by) in enumerate([(one, other), (other, one), (one, one)], 1):
            await go_on(ids, 30)
            await paused_by.mailings.PauseMailing(mailing_service_pb2.PauseMailingRequest(mailing_id=mailing.id))
            since_us = now_us()
            await go_on(witness_ids, 30)
            quiet.append((since_us, now_us()))
            # A new text as well: whoever sends it next, it is the new one.
            edited = mailing_pb2.Mailing(id=mailing.id, text=str(number))
            await resumed_by.mailings.UpdateMailing(
                mailing_service_pb2.UpdateMailingRequest(mailing=edited, update_mask=FieldMask(paths=["text"]))
            )
            await resumed_by.mailings.ResumeMailing(mailing_service_pb2.ResumeMailingRequest(mailing_id=mailing.id))
        await go_on(ids, 30)
        times = arrivals(ids, hers, his)
        assert [at_us - since for at_us in times for since, end in quiet if since < at_us < end] == []
        periods = [0, *(end for _, end in quiet), 2**63]
        for sandbox in (hers, his):
            for call in (call for message_id in ids for call in sandbox.calls(message_id)):
                assert periods[int(call.text)] <= call.at_us <= periods[int(call.text) + 1]
        assert max(hers.count(id) + his.count(id) for id in ids + witness_ids) == 1


@pytest.mark.postgres
async def test_rule_17_clients_changed_through_one_engine_are_not_called_as_they_were_by_another(
    tmp_path: Path, postgres_url: Callable[[], str]
) -> None:
    """Found from outside: whom one engine had deleted or changed, another one texted up to 60 s later."""
    slow: dict[str, Any] = {"workers": 4, "queue_size": 100, "database_url": postgres_url()}
    async with (
        await Sandbox.start(keep=10_000) as hers,
        await Sandbox.start(keep=10_000) as his,
        running(tmp_path, hers, **slow) as one,
        running(tmp_path, his, **slow) as other,
    ):
        for sandbox in (hers, his):
            sandbox.set_faults(latency_seconds=[0.02, 0.1])
        await one.add_clients(240, tag="new")
        mailing = await one.register(filter=mailing_pb2.AudienceFilter(tags=["new"]))
        await ready(one, mailing)
        clients = {message.client_id: message.id for message in await all_messages(one, mailing.id)}
        numbers = {id: 79160000000 + place for place, id in enumerate(sorted(clients))}
        await until(lambda: min(hers.requests, his.requests) >= 12)
        # The other one's queue has some of each kind, and some of each nobody has claimed yet.
        kinds = [sorted(clients)[kind::6] for kind in range(5)]
        gone_us = {}
        for client_ids, change in zip(kinds, (_deleted, _deleted_each, _renumbered, _imported, _retagged), strict=True):
            for some in (client_ids[::2], client_ids[1::2]):
                await change(one, some, numbers)
                gone_us.update(dict.fromkeys(some, now_us()))
        assert (await other.finished(mailing.id))[0] == 0
        old = {numbers[id]: (clients[id], at_us) for id, at_us in gone_us.items()}
        late = [
            (phone, call.at_us - at_us)
            for phone, (message_id, at_us) in old.items()
            for sandbox in (hers, his)
            for call in sandbox.calls(message_id)
            if call.at_us > at_us and sandbox.messages(message_id=message_id)[0]["phone"] == phone
        ]
        assert late == []
        called = sum(sandbox.count(message_id) for sandbox in (hers, his) for message_id in clients.values())
        assert 40 <= called < 240  # those who stayed, and not all others had been called before
        assert await one.service.store.check() == []


async def _deleted(rig: Rig, client_ids: list[int], numbers: dict[int, int]) -> None:
    await rig.clients.BatchDeleteClients(client_service_pb2.BatchDeleteClientsRequest(client_ids=client_ids))


async def _deleted_each(rig: Rig, client_ids: list[int], numbers: dict[int, int]) -> None:
    for client_id in client_ids:
        await rig.clients.DeleteClient(client_service_pb2.DeleteClientRequest(client_id=client_id))


async def _renumbered(rig: Rig, client_ids: list[int], numbers: dict[int, int]) -> None:
    for client_id in client_ids:
        client = client_pb2.Client(id=client_id, phone_number=str(numbers[client_id] + 1_000_000))
        request = client_service_pb2.UpdateClientRequest(client=client, update_mask=FieldMask(paths=["phone_number"]))
        await rig.clients.UpdateClient(request)


async def _imported(rig: Rig, client_ids: list[int], numbers: dict[int, int]) -> None:
    async def pages() -> AsyncIterator[client_service_pb2.ImportClientsRequest]:
        for part in (client_ids[::2], client_ids[1::2]):
            rows = [client_service_pb2.ImportClientsRow(phone_number=str(numbers[id]), tag="old") for id in part]
            yield client_service_pb2.ImportClientsRequest(rows=rows)

    await rig.clients.ImportClients(pages())


async def _retagged(rig: Rig, client_ids: list[int], numbers: dict[int, int]) -> None:
    request = client_service_pb2.BatchUpdateClientsRequest(
        client_ids=client_ids, client=client_pb2.Client(tag="old"), update_mask=FieldMask(paths=["tag"])
    )
    await rig.clients.BatchUpdateClients(request)
