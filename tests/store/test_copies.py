"""A database that is a copy of another one: nothing is sent from it, no id comes twice, and a message that the
original's engines may have sent since ends, or goes on, as after a crash."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from engine.domain.access import Impossible
from engine.domain.events import EventKind
from engine.domain.message import Event, Reason, Status
from engine.domain.routing import FBRQ_ID, Way, ranges_of
from engine.store import Store
from engine.store.database import Lane, Tx
from engine.store.errors import DatabaseUnavailable
from engine.store.event_rows import WebhookInput
from engine.store.rows import AuditQuery, Page
from engine.store.sqlite_copy import copy_file, restored
from tests.store.world import (
    BY,
    NOW,
    START,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    counts,
    mailing,
    messages,
    record,
)

WAYS = [Way(FBRQ_ID, name="fbrq")]
LATER = 1_800_000_000_000_000
"""When an engine starts on the copy: a time as it is in life, for ids are made of it."""


async def open_mailing(store: Store, on_uncertain: str = "resend", start_us: int = START) -> int:
    return await add_mailing(store, mailing(on_uncertain=on_uncertain, start_us=start_us, end_us=2 * LATER))


async def become_copy(store: Store) -> None:
    await store.mark_copy(NOW)
    assert await store.settle_copy(WAYS, LATER)


async def recover(store: Store) -> None:
    while await store.recover(LATER, 10, expired_only=False):
        pass


async def test_held(store: Store) -> None:
    """A copy is held by its first start and by no later one, and an admin's word ends it; the audit list says both."""
    assert not await store.settle_copy(WAYS, NOW)
    assert (await store.read_control(0)).held_us is None
    await become_copy(store)
    control = await store.read_control(0)
    assert (control.sending_paused, control.held_us) == (True, LATER)
    assert not await store.settle_copy(WAYS, LATER + 1)
    await store.set_control(workers=5, by=BY, now_us=LATER)
    assert (await store.read_control(0)).held_us == LATER
    await store.set_control(sending_paused=False, by=BY, now_us=LATER)
    control = await store.read_control(0)
    assert (control.sending_paused, control.held_us) == (False, None)
    await store.set_control(sending_paused=True, by=BY, now_us=LATER)
    await store.set_control(sending_paused=False, by=BY, now_us=LATER)
    events = (await store.list_audit(AuditQuery(), Page(10))).items
    assert [event.action for event in events] == ["engine.control"] * 4 + ["engine.hold"]
    assert events[2].detail == {
        "sending_paused": False,
        "held": False,
        "before": {"sending_paused": True, "held": True},
    }
    assert events[0].detail == {"sending_paused": False, "before": {"sending_paused": True}}


@pytest.mark.parametrize("on_uncertain", ["resend", "not_sent"])
async def test_what_may_have_been_sent(store: Store, on_uncertain: str) -> None:
    """Whatever waits in a copy, or is in an engine's hands, may have been sent by the original since."""
    await add_clients(store, 6)
    mailing_id, engine = await open_mailing(store, on_uncertain), await add_engine(store)
    sent, deferred, taken, marked = await claim(store, mailing_id, engine, 4)
    await record(store, engine, [sent], Event.ACCEPT)
    await record(store, engine, [deferred], Event.DEFER, due_us=LATER * 2)
    if on_uncertain == "not_sent":
        await store.begin([marked], owner=engine)
    await become_copy(store)
    await recover(store)
    rows = {row.id: row for row in await messages(store, mailing_id)}
    assert rows.pop(sent.message_id).status is Status.SENT
    assert len(rows) == 5
    assert taken.message_id in rows
    if on_uncertain == "not_sent":
        assert {(row.status, row.reason) for row in rows.values()} == {(Status.NOT_SENT, Reason.UNCERTAIN)}
        return
    assert {row.status for row in rows.values()} == {Status.PENDING}
    again = await claim(store, mailing_id, await add_engine(store), now_us=LATER)
    assert {each.message_id for each in again} == rows.keys(), "each goes again under the same id"
    await store.set_cancelled(mailing_id, by=BY, now_us=LATER)
    await store.release([each.given_back(0) for each in again], owner=again[0].message_id, now_us=LATER)
    await recover(store)
    while await store.cancel_pending(mailing_id, 100, LATER):
        pass
    assert (await counts(store, mailing_id)).uncertain == 5, "and what does not go is not called unsent"


async def test_what_was_not_begun(store: Store) -> None:
    """What nobody can have sent stays as it is: mailings that begin later, and numbers that no provider takes."""
    await add_clients(store, 2)
    later = await open_mailing(store, "not_sent", start_us=LATER + 1)
    unserved = await open_mailing(store, "not_sent")
    await store.mark_copy(NOW)
    assert await store.settle_copy([Way(FBRQ_ID, ranges=ranges_of(["7999"]), name="fbrq")], LATER)
    await recover(store)
    for mailing_id in (later, unserved):
        assert (await counts(store, mailing_id)).pending == 2


async def test_the_provider_that_has_them(store: Store) -> None:
    """What may have been sent is bound to the provider that the original would have asked: a second gets none of it."""
    ids = await store.provider_ids(["first", "second"])
    ways = [Way(ids["first"], ranges=ranges_of(["79160000000"]), name="first"), Way(ids["second"], name="second")]
    await add_clients(store, 2)
    mailing_id = await open_mailing(store)
    await store.mark_copy(NOW)
    assert await store.settle_copy(ways, LATER)
    await recover(store)

    async def bound(tx: Tx) -> list[tuple[int, bool]]:
        return [(row[0], bool(row[1])) for row in await tx.rows("SELECT provider_id, unsure FROM message ORDER BY id")]

    assert await store._db.read(bound, Lane.API) == [(ids["first"], True), (ids["second"], True)]
    assert (await counts(store, mailing_id)).pending == 2


async def test_ids(store: Store) -> None:
    """Ids of a copy begin behind all that the original, or another copy, can have given out; and a copy of the copy
    goes on behind it."""
    await add_clients(store, 1)
    await open_mailing(store)
    await become_copy(store)
    (client_id,) = await add_clients(store, 1, first=1)
    mailing_id = await open_mailing(store)
    trial = await store.begin_trial("text", [79161234567], None, by=BY, now_us=LATER)
    ids = [client_id, mailing_id, await add_engine(store), *trial.message_ids]
    ids += [row.id for row in await messages(store, mailing_id)]
    assert all(LATER < id < LATER + 10 for id in ids)
    assert len({row.id for row in await messages(store)}) == 4
    await store.mark_copy(LATER)
    assert await store.settle_copy(WAYS, LATER - 5), "a clock that is behind"
    assert min(await add_clients(store, 1, first=2)) > client_id


async def test_nobody_is_told(store: Store) -> None:
    """Neither a webhook nor a report goes out of a copy that is held."""
    day = date(2026, 11, 29)
    wanted = WebhookInput("https://example.com/", (EventKind.MAILING_STARTED,), True)
    created, _ = await store.create_webhook(wanted, "whsec_x", by=BY, now_us=NOW)
    webhook_id = created.row.id
    await store.test_webhook(webhook_id, by=BY, now_us=NOW)
    while await store.publish(NOW):
        pass
    assert (await store.event_view(NOW)).due
    assert await store.is_report_due(day, NOW)
    await become_copy(store)
    assert not (await store.event_view(LATER)).due
    assert not await store.is_report_due(day, LATER)
    assert not await store.claim_deliveries(webhook_id, 5, now_us=LATER, lease_until_us=LATER + 1)
    await store.set_control(sending_paused=False, by=BY, now_us=LATER)
    assert (await store.event_view(LATER)).due
    assert await store.is_report_due(day, LATER)
    assert await store.claim_deliveries(webhook_id, 5, now_us=LATER, lease_until_us=LATER + 1)


def test_a_file_of_an_older_version(tmp_path: Path) -> None:
    """Who upgrades copies first, with the new program. It can't be marked yet; another program's file is refused."""
    for name, table in (("older", "control (id, rate)"), ("foreign", "notes (id)")):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute(f"CREATE TABLE {table}")
    copy_file(tmp_path / "older", tmp_path / "copy", NOW)
    with closing(sqlite3.connect(tmp_path / "copy")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("control",)]
    with pytest.raises(DatabaseUnavailable, match="no such table: control"):
        copy_file(tmp_path / "foreign", tmp_path / "copy of foreign", NOW)


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_a_file(store: Store, tmp_path: Path) -> None:
    """A copy of a file that is used: whole, for its owner only, held; nothing is put over what is there."""
    await add_clients(store, 3)
    with await store.open_copy(NOW) as opened:
        assert opened.read(15) == b"SQLite format 3"
    source, copy, other = tmp_path / "mailing.db", tmp_path / "copy.db", tmp_path / "new" / "other.db"
    copy_file(source, copy, NOW)
    assert copy.stat().st_mode & 0o777 == 0o600
    with pytest.raises(DatabaseUnavailable, match="File exists"):
        copy_file(source, copy, NOW)
    with pytest.raises(DatabaseUnavailable, match=r"there is .*mailing\.db already"), restored(copy, source):
        pass
    with pytest.raises(DatabaseUnavailable, match="there is no file"), restored(tmp_path / "none.db", other):
        pass
    with restored(copy, other):
        pass
    restored_store = await Store.open(f"sqlite://{other}")
    try:
        assert await restored_store.count_clients() == 3
        assert await restored_store.settle_copy(WAYS, LATER)
    finally:
        await restored_store.close()
    with copy.open("r+b") as file:
        file.seek(5000)
        file.write(bytes(30_000))
    with pytest.raises(DatabaseUnavailable, match="is damaged"), restored(copy, tmp_path / "third.db"):
        pass
    left = [name for name in os.listdir(tmp_path) if any(word in name for word in (".copy", ".part", "third"))]
    assert not left


@pytest.mark.parametrize("kind", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_moved(store: Store) -> None:
    """A database on a server is known for a copy when its tables are not where an engine has seen them last."""
    assert not await store.settle_copy(WAYS, NOW)

    async def elsewhere(tx: Tx) -> None:
        await tx.run("UPDATE control SET home = 'another server/1/2'")

    await store._db.transaction(elsewhere)
    assert await store.settle_copy(WAYS, LATER)
    assert not await store.settle_copy(WAYS, LATER)
    with pytest.raises(Impossible, match="python -m engine backup FILE"):
        await store.open_copy(NOW)
