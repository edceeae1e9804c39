"""Which text a message went out with (docs/behaviour.md, rule 15), on each database."""

from __future__ import annotations

import runpy
from dataclasses import replace

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event, Reason, Status
from engine.store.database import Tx
from engine.store.migrate import LOCATION, migrate
from engine.store.rows import TextRow
from engine.store.store import Store
from tests.store.world import BY, END, LEASE, NOW, a_mailing_with, add_mailing, claim, mailing, messages, outcome


async def edit(store: Store, mailing_id: int, text: str, now_us: int = NOW) -> None:
    await store.update_mailing(
        mailing_id, lambda old: replace(mailing(AudienceFilter()), text=text), by=BY, now_us=now_us
    )


async def version_now(store: Store, mailing_id: int) -> tuple[int, str]:
    """As a worker knows it."""
    (plan,) = [plan for plan in await store.plans(NOW) if plan.mailing_id == mailing_id]
    return plan.text_version, plan.text


async def test_each_message_keeps_the_text_that_it_went_out_with(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 4)
    assert await version_now(store, mailing_id) == (1, mailing(AudienceFilter()).text)
    first, second, third, waits = await claim(store, mailing_id, owner)
    await store.record([outcome(first, Event.ACCEPT)._replace(text_version=1)], owner=owner, now_us=NOW)
    await edit(store, mailing_id, "better", NOW + 1)
    assert await version_now(store, mailing_id) == (2, "better")
    await store.record(
        [
            outcome(second, Event.ACCEPT)._replace(text_version=2),
            outcome(third, Event.REJECT)._replace(text_version=2),
            outcome(waits, Event.DEFER, due_us=NOW)._replace(text_version=1),
        ],
        owner=owner,
        now_us=NOW,
    )
    found = [(await store.get_message(each.message_id))[0] for each in (first, second, third, waits)]
    old = mailing(AudienceFilter()).text
    assert [(row.text_version, row.text) for row in found] == [(1, old), (2, "better"), (2, "better"), (1, "better")]
    assert [row.final_us for row in found] == [NOW + 20, NOW + 20, NOW + 20, None]
    assert [row.text_version for row in await messages(store, mailing_id)] == [1, 2, 2, 1]
    stats = await store.mailing_stats(mailing_id)
    assert stats.texts == (TextRow(1, stats.mailing.create_us, old, 1), TextRow(2, NOW + 1, "better", 1))


async def test_only_another_text_is_another_version(store: Store) -> None:
    mailing_id = await add_mailing(store)
    await store.update_mailing(mailing_id, lambda old: replace(mailing(), rate_limit=5.0), by=BY, now_us=NOW)
    assert (await version_now(store, mailing_id))[0] == 1
    for text in ("other", mailing().text):
        await edit(store, mailing_id, text)
    assert [row.version for row in (await store.mailing_stats(mailing_id)).texts] == [1, 2, 3]


async def test_a_message_that_was_never_called_has_no_version_and_a_final_time(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 1)
    await edit(store, mailing_id, "better")
    assert await store.build_audience(mailing_id, 10, NOW, 0)
    assert await store.expire(mailing_id, 10, END) == 1
    (row,) = await messages(store, mailing_id)
    assert (row.status, row.text_version, row.final_us, row.sent_us) == (Status.NOT_SENT, None, END, None)
    assert (await store.get_message(row.id))[0].text == "better"


async def test_a_lost_call_was_made_with_the_text_of_then(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    await edit(store, mailing_id, "better")
    (taken,) = await claim(store, mailing_id, owner)
    await store.begin([taken], owner=owner)
    await store.recover(LEASE, 10, expired_only=False)
    row, _ = await store.get_message(taken.message_id)
    assert row.text_version == 2
    assert row.reason in (None, Reason.UNCERTAIN)


async def test_a_message_from_before_there_were_versions_went_out_with_the_first(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    (taken,) = await claim(store, mailing_id, owner)
    await store.record([outcome(taken, Event.ACCEPT)], owner=owner, now_us=NOW)
    await edit(store, mailing_id, "better")
    row, _ = await store.get_message(taken.message_id)
    assert (row.text_version, row.text) == (1, mailing().text)


async def test_the_versions_go_with_their_mailing(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 1)
    await edit(store, mailing_id, "better")
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    while not await store.purge(mailing_id, 10):
        pass
    assert await store._db.read(lambda tx: tx.rows("SELECT * FROM mailing_text")) == []


async def test_a_database_from_before_gets_its_texts_as_first_versions(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 2)
    sent, _ = await claim(store, mailing_id, owner)
    await store.record([outcome(sent, Event.ACCEPT)], owner=owner, now_us=NOW)

    async def back(tx: Tx) -> None:
        (path,) = (LOCATION / "store").glob("4_*.py")
        for statement in runpy.run_path(str(path))["_REMOVED"].split(";"):
            if statement.strip():
                await tx.run(statement)
        await tx.run("DELETE FROM aerich WHERE version = ?", path.name)

    await store._db.transaction(back)
    assert [name[:2] for name in await migrate(store._db)] == ["4_"]
    stats = await store.mailing_stats(mailing_id)
    assert stats.texts == (TextRow(1, stats.mailing.create_us, mailing().text, 1),)
    assert (await store.get_message(sent.message_id))[0].text_version == 1
    await edit(store, mailing_id, "better")
    assert await version_now(store, mailing_id) == (2, "better")
