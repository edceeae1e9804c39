"""Rule 12: nothing lost, as few duplicates as physics allows. The store's claims are read from outside, as another
process would; engines die by kill -9 or are frozen as processes of their own."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.delivery import recovery
from engine.domain.message import Event, Status
from engine.ports import Record, Return
from mailing.v1 import client_service_pb2, mailing_pb2, mailing_service_pb2, message_pb2, message_service_pb2
from scripts.sandbox import Sandbox
from scripts.sandbox.desk import Reply
from tests.patience import undisturbed
from tests.rules.arrivals import SECOND_US, all_messages, message_ids, now_us
from tests.rules.process import engine_process
from tests.rules.rig import Rig, running, until

_LOST = message_pb2.ATTEMPT_OUTCOME_LOST
_UNCERTAIN = message_pb2.NOT_SENT_REASON_UNCERTAIN
_SENT = message_pb2.MESSAGE_STATUS_SENT


class Row(NamedTuple):
    """What is on disk of one message."""

    status: int
    owner: int | None
    attempt: int
    due_us: int


@contextmanager
def outside(folder: Path) -> Iterator[Callable[[int], Row]]:
    """Read messages as another process would: what is not committed is not seen."""
    with closing(
        sqlite3.connect(f"file:{folder / 'mailing.db'}?mode=ro", uri=True, isolation_level=None)
    ) as connection:

        def read(message_id: int) -> Row:
            sql = "SELECT status, owner, attempt, due_us FROM message WHERE id = ?"
            return Row(*connection.execute(sql, (message_id,)).fetchone())

        yield read


def at_each_arrival(sandbox: Sandbox, note: Callable[[int], None]) -> None:
    """Call ``note`` with the message's id at the moment when a call arrives, before it is answered."""
    desk = sandbox.desk
    take = desk.take

    def noting(path_id: bytes, authorized: bool, body: bytes) -> Reply:
        note(int(path_id))
        return take(path_id, authorized, body)

    desk.take = noting  # type: ignore[method-assign]


async def get_message(rig: Rig, message_id: int) -> message_pb2.Message:
    return await rig.messages.GetMessage(message_service_pb2.GetMessageRequest(message_id=message_id))


async def test_rule_12_a_claim_is_stored_before_the_call(tmp_path: Path) -> None:
    seen: list[tuple[int, int, Row, int]] = []
    async with await Sandbox.start(seed=1) as sandbox, running(tmp_path, sandbox) as rig:
        with outside(tmp_path) as read:
            at_each_arrival(sandbox, lambda id: seen.append((id, sandbox.count(id) + 1, read(id), now_us())))
            sandbox.set_faults(share_429=0.3)
            await rig.add_clients(200)
            resent = await rig.register(on_uncertain="ON_UNCERTAIN_RESEND")
            marked = await rig.register(on_uncertain="ON_UNCERTAIN_NOT_SENT")
            assert await rig.finished(resent.id) == (0, 200, 0)
            assert await rig.finished(marked.id) == (0, 200, 0)
            marked_ids = set(await message_ids(rig, marked.id))
            assert rig.service.delivery is not None
            owner = rig.service.delivery.state.engine_id
            ends = {read(message_id) for message_id in marked_ids}
    assert len(seen) == sandbox.requests > 400
    for message_id, nth, row, at_us in seen:
        # Only the mark tells "perhaps called" from "never called"; for resend both are sent again anyway.
        assert row.status == (Status.CALLING if message_id in marked_ids else Status.CLAIMED)
        assert (row.owner, row.attempt) == (owner, nth)
        assert at_us < row.due_us <= at_us + 60 * SECOND_US
    assert {(row.status, row.owner) for row in ends} == {(Status.SENT, None)}


@undisturbed
async def test_rule_12_an_outcome_that_does_not_match_owner_status_and_attempt_changes_nothing(tmp_path: Path) -> None:
    async with await Sandbox.start() as sandbox, running(tmp_path, sandbox, workers=4, retry_max_seconds=0.05) as rig:
        sandbox.set_faults(outage=True)
        client = await rig.add_client()
        mailing = await rig.register()
        await until(lambda: sandbox.requests > 0)
        sandbox.set_faults(outage=False, latency_seconds=0.5)
        refused = sandbox.requests
        await until(lambda: sandbox.requests > refused)
        (message_id,) = await message_ids(rig, mailing.id)
        assert rig.service.delivery is not None
        owner = rig.service.delivery.state.engine_id
        with outside(tmp_path) as read:
            before, counts = read(message_id), await rig.counts(mailing.id)
            number = before.attempt
            assert before[:2] == (Status.CLAIMED, owner)
            assert number > 1

            async def fenced(event: Event, attempt: int, by: int) -> None:
                times = (now_us(), now_us(), 400, "of a zombie", 0)
                record = Record(message_id, mailing.id, client.id, attempt, event, *times)
                assert await rig.service.store.record([record], owner=by, now_us=now_us()) == 0

            for event in (Event.ACCEPT, Event.REJECT, Event.DEFER, Event.MISS):
                await fenced(event, number - 1, owner)  # the attempt before
                await fenced(event, number + 1, owner)
                await fenced(event, number, owner + 1)  # another engine
            back = Return(message_id, mailing.id, number - 1, 0)
            assert await rig.service.store.release([back], owner=owner, now_us=now_us()) == 0
            assert read(message_id) == before
            assert await rig.counts(mailing.id) == counts == (1, 0, 0)
            assert await rig.finished(mailing.id) == (0, 1, 0)
            # Nor once it is final.
            await fenced(Event.REJECT, number, owner)
            assert read(message_id).status == Status.SENT
        message = await get_message(rig, message_id)
        assert (message.attempts, message.last_error.detail) == (number, "")
        assert await rig.service.store.check() == []


async def test_rule_12_after_a_crash_on_uncertain_decides_and_the_rest_is_sent(tmp_path: Path) -> None:
    async with await Sandbox.start() as sandbox:
        sandbox.set_faults(latency_seconds=30)
        async with engine_process(tmp_path, sandbox, workers=40) as crashed:
            rig = crashed.rig
            await rig.add_clients(25)
            resent = await rig.register(on_uncertain="ON_UNCERTAIN_RESEND")
            marked = await rig.register(on_uncertain="ON_UNCERTAIN_NOT_SENT")
            await until(lambda: sandbox.requests == 40)
            await crashed.kill()
        called = {int(str(message["id"])) for message in sandbox.messages()}
        sandbox.clear_faults()
        async with running(tmp_path, sandbox) as rig:
            await rig.finished(resent.id)
            await rig.finished(marked.id)
            again = {message.id: message for message in await all_messages(rig, resent.id)}
            once = {message.id: message for message in await all_messages(rig, marked.id)}
            assert called & again.keys()
            assert called & once.keys()
            assert await rig.counts(resent.id) == (0, 25, 0)
            assert await rig.counts(marked.id) == (0, 25 - len(called & once.keys()), len(called & once.keys()))
            for message_id, message in (again | once).items():
                in_flight = message_id in called
                twice = in_flight and message_id in again
                assert sandbox.count(message_id) == 1 + twice
                assert message.reason == (_UNCERTAIN if in_flight and not twice else 0)
                assert (message.status == _SENT) is not (in_flight and not twice)
            for message_id in called & again.keys():
                history = (await get_message(rig, message_id)).attempt_history
                assert [attempt.number for attempt in history] == [1, 2]
                assert history[0].outcome == _LOST
                assert "unknown" in history[0].detail
            # What was in the queue but not called has been called once; that it was claimed is no call to the reader.
            uncalled = [message for message in once.values() if message.id not in called]
            assert {sandbox.count(message.id) for message in uncalled} == {1}
            assert await rig.service.store.check() == []


@pytest.mark.postgres
@undisturbed
async def test_rule_12_the_answer_to_a_frozen_engine_changes_nothing_after_its_lease(
    tmp_path: Path, postgres_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_url()
    monkeypatch.setattr(recovery, "RETURN_SECONDS", 0.0)  # after its start the second one waits for its lease only
    short: dict[str, Any] = {
        "lease_seconds": 2,
        "provider_timeout_seconds": 1,
        "queue_size": 20,
        "database_url": url,
    }
    async with await Sandbox.start() as bad, await Sandbox.start() as good:
        # Were its late answers believed, these messages would be rejected.
        bad.set_faults(latency_seconds=0.7, share_400=1)
        async with engine_process(tmp_path / "frozen", bad, workers=4, **short) as frozen:
            await frozen.rig.add_clients(40)
            mailing = await frozen.rig.register()
            await until(lambda: bad.requests == 4)
            frozen.freeze()
            async with running(tmp_path, good, **short) as rig:
                assert await rig.finished(mailing.id) == (0, 40, 0)
                in_flight = {int(str(message["id"])) for message in bad.messages()}
                ids = await message_ids(rig, mailing.id)
                frozen.thaw()
                # It has work again when it has stored, or tried to, what it had in its hands. Its part of a rate is
                # its own again after 3 s: so slow that something is left then.
                bad.set_faults(latency_seconds=0, share_400=0)
                other = await rig.register(text="another", rate_limit=6)
                other_ids = [message.id for message in await _complete(rig, other)]
                await until(lambda: bool(set(other_ids) & set(bad.accepted_ids())))
                assert (await rig.finished(other.id))[1:] == (40, 0)
                assert await rig.counts(mailing.id) == (0, 40, 0)
                for message_id in ids:
                    assert good.calls(message_id)[0].answer == "200"
                    assert good.count(message_id) == 1
                    assert bad.count(message_id) == (message_id in in_flight)
                    attempts = (await get_message(rig, message_id)).attempts
                    # Claimed counts as perhaps called: the dead can't say.
                    assert 1 <= attempts <= 2
                assert await rig.service.store.check() == []


async def _complete(rig: Rig, mailing: mailing_pb2.Mailing) -> list[message_pb2.Message]:
    async def ready() -> bool:
        return (await rig.get(mailing.id)).audience_state == mailing_pb2.AUDIENCE_STATE_READY

    await until(ready)
    return await all_messages(rig, mailing.id)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_rule_12_ids_are_never_used_again(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgres_url")() if kind == "postgres" else f"sqlite://{tmp_path / 'mailing.db'}"
    used: list[int] = []
    async with await Sandbox.start() as sandbox:
        for number in range(3):
            async with running(tmp_path, sandbox, database_url=url) as rig:
                first, *rest = [await rig.add_client(number * 10 + each, tag=str(number)) for each in range(4)]
                mailing = await rig.register(filter=mailing_pb2.AudienceFilter(tags=[str(number)]))
                assert await rig.finished(mailing.id) == (0, 4, 0)
                pending = await rig.register(start_seconds=300, filter=mailing_pb2.AudienceFilter(tags=[str(number)]))
                used += [message.id for each in (mailing, pending) for message in await _complete(rig, each)]
                # The highest ids are the ones that would come again: the latest messages and mailings go.
                for client in (*rest, first):
                    await rig.clients.DeleteClient(client_service_pb2.DeleteClientRequest(client_id=client.id))
                for each in (pending, mailing):
                    await rig.mailings.DeleteMailing(mailing_service_pb2.DeleteMailingRequest(mailing_id=each.id))
                await until(partial(_is_empty, rig))
    assert len(used) == 3 * 8
    assert Counter(used).most_common(1)[0][1] == 1
    assert used == sorted(used)
    assert {sandbox.count(message_id) for message_id in used} == {0, 1}


async def _is_empty(rig: Rig) -> bool:
    async def rows(tx: Any) -> int:
        return int(await tx.value("SELECT count(*) FROM message"))

    return bool(await rig.service.store._db.read(rows) == 0)
