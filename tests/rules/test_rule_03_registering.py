"""Rule 3: registering is quick however big the audience; rows come in chunks, and a crash does not stop them.

A million clients: scripts/bench/register.py.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from grpc import aio

from mailing.v1 import client_service_pb2, mailing_pb2, message_service_pb2
from scripts.sandbox import Sandbox
from tests.crash.campaign import Engine
from tests.patience import undisturbed
from tests.rules.evidence import arrivals, us
from tests.rules.rig import Rig, running, until

CLIENTS = 60_000  # twelve chunks


async def last_created_us(rig: Rig, mailing_id: int, client_id: int) -> int:
    request = message_service_pb2.ListMessagesRequest(mailing_id=mailing_id, client_id=client_id)
    (message,) = (await rig.messages.ListMessages(request)).messages
    return us(message.create_time)


async def first_and_last_client(rig: Rig) -> tuple[int, int]:
    ids = []
    for number in (0, CLIENTS - 1):
        request = client_service_pb2.ListClientsRequest(phone_number=str(79160000000 + number))
        ids.append((await rig.clients.ListClients(request)).clients[0].id)
    return ids[0], ids[1]


@pytest.mark.alone
@undisturbed
async def test_rule_03_registering_returns_at_once_and_sending_does_not_wait_for_the_rows(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=CLIENTS) as sandbox, running(tmp_path, sandbox) as rig:
        await rig.add_clients(CLIENTS)
        first_id, last_id = await first_and_last_client(rig)
        took = []
        mailings = []
        for start_seconds in (300, 300, -1):  # the best of three: other processes share the machine
            began = time.perf_counter()
            mailings.append(await rig.register(start_seconds=start_seconds))
            took.append(time.perf_counter() - began)
        assert {m.audience_state for m in mailings} == {mailing_pb2.AUDIENCE_STATE_BUILDING}
        assert {m.message_counts.total for m in mailings} == {0}
        assert min(took) < 0.1, took

        mailing, totals, answers = mailings[-1], [], []
        while (seen := await rig.get(mailing.id)).audience_state == mailing_pb2.AUDIENCE_STATE_BUILDING:
            totals.append(seen.message_counts.total)
            began = time.perf_counter()
            await rig.clients.GetClient(client_service_pb2.GetClientRequest(client_id=first_id))
            answers.append(time.perf_counter() - began)
        # In chunks, and others are answered between them.
        assert len(set(totals)) >= 3, totals
        assert totals == sorted(totals)
        assert max(answers) < 1.0, answers
        assert seen.message_counts.total == CLIENTS
        # The last rows were made when texts were already under way.
        first_call_us = arrivals(rig, await rig.list_messages(mailing.id))[0]
        assert first_call_us < await last_created_us(rig, mailing.id, last_id)


async def test_rule_03_a_crash_while_rows_are_made_loses_and_doubles_none(tmp_path: Path) -> None:
    async with await Sandbox.start() as sandbox:
        engine = Engine(tmp_path, sandbox.url, 8)
        url = f"sqlite://{engine.database}"
        async with running(tmp_path, sandbox, database_url=url) as rig:
            await rig.add_clients(CLIENTS)
        await engine.start()
        try:
            async with aio.insecure_channel(engine.target) as channel:
                there = Rig(sandbox, rig.service, channel)
                # They take turns, so that all of them are half built for a good while.
                mailings = [await there.register(start_seconds=300) for _ in range(4)]
                await until(lambda: has_rows(there, mailings[0].id))
        finally:
            await engine.kill()
        with closing(sqlite3.connect(engine.database)) as database:
            (half_built,) = database.execute(
                "SELECT count(*) FROM mailing WHERE NOT audience_ready AND audience_cursor > 0"
            ).fetchone()
            assert half_built > 0
        async with running(tmp_path, sandbox, database_url=url, tick_seconds=0.2) as rig:
            for mailing in mailings:
                await until(partial(is_ready, rig, mailing.id))
                assert await rig.counts(mailing.id) == (CLIENTS, 0, 0)
                listed = message_service_pb2.ListMessagesRequest(mailing_id=mailing.id, page_size=1)
                assert (await rig.messages.ListMessages(listed)).total_size == CLIENTS
            assert await rig.service.store.check() == []


async def has_rows(rig: Rig, mailing_id: int) -> bool:
    return (await rig.get(mailing_id)).message_counts.total > 0


async def is_ready(rig: Rig, mailing_id: int) -> bool:
    return (await rig.get(mailing_id)).audience_state == mailing_pb2.AUDIENCE_STATE_READY
