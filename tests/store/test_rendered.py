"""Texts with a client's values in them: what a claim brings, how a message without a text ends, and what is kept of the
text that went out; on each database."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from unittest.mock import patch

import orjson
import pytest

from engine.domain.message import Event, Reason, Status
from engine.domain.template import template_of
from engine.person import Person, kept
from engine.ports import Claim, Record
from engine.store import orm
from engine.store.client_rows import ClientRow
from engine.store.database import Tx
from engine.store.rows import Counts
from engine.store.store import Store
from tests.store.world import (
    BY,
    LEASE,
    LONG_AGO,
    NOW,
    add_clients,
    add_engine,
    add_mailing,
    client,
    counts,
    mailing,
    outcome,
    record,
)

TEXT = "Hello, {{name|friend}} of {{tag}}: {{phone_number}}"


async def set_attributes(store: Store, client_id: int, **attributes: object) -> None:
    text = orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode()

    async def change(tx: Tx) -> None:
        await tx.run("UPDATE client SET attributes = ? WHERE id = ?", text, client_id)

    await store._db.transaction(change)


async def rendered(store: Store) -> list[str | None]:
    async def read(tx: Tx) -> list[str | None]:
        return [row[0] for row in await tx.rows("SELECT rendered FROM message ORDER BY id")]

    return await store._db.read(read)


async def claim(store: Store, mailing_id: int, owner: int, *, now_us: int = NOW) -> list[Claim]:
    return await store.claim(mailing_id, 100, owner=owner, now_us=now_us, lease_until_us=LEASE, personal=True)


async def clients_and_claims(store: Store, number: int, text: str = TEXT) -> tuple[list[int], int, int, list[Claim]]:
    clients = await add_clients(store, number)
    mailing_id, owner = await add_mailing(store, mailing(text=text)), await add_engine(store)
    await set_attributes(store, clients[0], name="Anna", sum=120)
    return clients, mailing_id, owner, await claim(store, mailing_id, owner)


def called(taken: Claim, event: Event, text: str = TEXT, *, due_us: int = 0) -> Record:
    """The outcome of a call with this text."""
    assert taken.person is not None
    letter = taken.person.letter(template_of(text), 10)
    return outcome(taken, event, due_us=due_us)._replace(text_version=1, rendered=kept(letter))


def lack(taken: Claim) -> Record:
    return taken.ended(Event.LACK, NOW + 5, NOW + 5, None, "the client lacks name", 0, None)


def person_of(taken: Claim) -> tuple[str, str, int]:
    assert isinstance(taken.person, Person)
    return taken.person.attributes, taken.person.tag, taken.person.phone_number


async def test_a_claim_brings_what_goes_into_the_text(store: Store) -> None:
    _, mailing_id, owner, (first, second) = await clients_and_claims(store, 2)
    assert person_of(first) == ('{"name":"Anna","sum":120}', "new", first.phone_number)
    assert person_of(second) == ("{}", "new", second.phone_number)
    await record(store, owner, [first, second], Event.DEFER, due_us=NOW)
    retried = await claim(store, mailing_id, owner)
    assert [person_of(each) for each in retried] == [person_of(first), person_of(second)]
    await record(store, owner, retried, Event.DEFER, due_us=NOW)
    plain = await store.claim(mailing_id, 9, owner=owner, now_us=NOW, lease_until_us=LEASE)
    assert [each.person for each in plain] == [None, None]


async def test_a_message_shows_the_text_that_went_out(store: Store) -> None:
    _, mailing_id, owner, (first, second, third) = await clients_and_claims(store, 3)
    await store.record([called(first, Event.ACCEPT), called(second, Event.ACCEPT)], owner=owner, now_us=NOW)
    await store.record([called(third, Event.REJECT)], owner=owner, now_us=NOW)
    await store.update_mailing(mailing_id, lambda _: mailing(text="other {{name}}"), by=BY, now_us=NOW)
    texts = [(await store.get_message(each.message_id))[0].text for each in (first, second, third)]
    assert texts == [f"Hello, {name} of new: {79160000000 + i}" for i, name in enumerate(("Anna", "friend", "friend"))]
    assert await rendered(store) == [
        '{"name":"Anna","tag":"new","phone_number":null}',
        *['{"tag":"new","phone_number":null}'] * 2,
    ]


async def test_the_text_of_the_last_call_is_kept_whatever_ends_the_message(store: Store) -> None:
    _, mailing_id, owner, (first,) = await clients_and_claims(store, 1)
    await store.record([called(first, Event.DEFER, due_us=NOW)], owner=owner, now_us=NOW)
    assert (await store.get_message(first.message_id))[0].text == TEXT  # it is not known yet what will go out
    await store.set_cancelled(mailing_id, by=BY, now_us=NOW)
    await store.cancel_pending(mailing_id, 10, NOW)
    assert (await store.get_message(first.message_id))[0].text == "Hello, Anna of new: 79160000000"


async def test_a_plain_text_is_shown_as_it_went_out(store: Store) -> None:
    await add_clients(store, 1)
    mailing_id, owner = await add_mailing(store, mailing(text=r"\{{name}}")), await add_engine(store)
    (taken,) = await store.claim(mailing_id, 1, owner=owner, now_us=NOW, lease_until_us=LEASE)
    await store.record([outcome(taken, Event.ACCEPT)._replace(text_version=1)], owner=owner, now_us=NOW)
    assert (await store.get_message(taken.message_id))[0].text == "{{name}}"
    assert await rendered(store) == [None]


async def test_a_message_without_a_text_ends_and_no_attempt_is_counted(store: Store) -> None:
    _, mailing_id, owner, (first, second) = await clients_and_claims(store, 2)
    assert await store.record([lack(first), called(second, Event.ACCEPT)], owner=owner, now_us=NOW) == 2
    row, history = await store.get_message(first.message_id)
    assert (row.status, row.reason, row.attempts, row.detail) == (
        *(Status.NOT_SENT, Reason.INCOMPLETE),
        *(0, "the client lacks name"),
    )
    assert (row.http_status, row.final_us, row.text_version, row.text, history) == (None, NOW + 5, None, TEXT, ())
    assert await counts(store, mailing_id) == Counts(sent=1, incomplete=1)
    stats = await store.mailing_stats(mailing_id)
    assert (stats.attempts, stats.retried, stats.by_http_status) == (1, 0, {200: 1})
    assert [(span.sent, span.not_sent) for span in stats.timeline] == [(1, 1)]
    assert await store.check() == []


async def test_storing_it_again_is_no_loss(store: Store) -> None:
    _, _, owner, (first,) = await clients_and_claims(store, 1)
    assert await store.record([lack(first)], owner=owner, now_us=NOW) == 1
    assert await store.record([lack(first)], owner=owner, now_us=NOW) == 0
    assert await store.fenced([lack(first)]) == 0
    assert await store.fenced([lack(first)._replace(finished_us=NOW + 6)]) == 1


async def test_earlier_attempts_stay_counted(store: Store) -> None:
    _, mailing_id, owner, (first,) = await clients_and_claims(store, 1)
    await store.record([called(first, Event.DEFER, due_us=NOW)], owner=owner, now_us=NOW)
    (again,) = await claim(store, mailing_id, owner)
    await store.record([lack(again)], owner=owner, now_us=NOW)
    row, history = await store.get_message(first.message_id)
    assert (row.attempts, row.reason, [each.number for each in history]) == (1, Reason.INCOMPLETE, [1])
    assert await store.check() == []


async def test_what_may_have_been_sent_before_ends_as_uncertain(store: Store) -> None:
    _, mailing_id, owner, (first,) = await clients_and_claims(store, 1)
    await store.record([called(first, Event.MISS, due_us=NOW)], owner=owner, now_us=NOW)
    (again,) = await claim(store, mailing_id, owner)
    await store.record([lack(again)], owner=owner, now_us=NOW)
    row, history = await store.get_message(first.message_id)
    assert (row.reason, row.attempts, [each.number for each in history]) == (Reason.UNCERTAIN, 1, [1])
    assert await counts(store, mailing_id) == Counts(uncertain=1)


async def test_a_message_whose_client_matches_no_more_is_removed_instead(store: Store) -> None:
    wanted = mailing(replace(mailing().filter, tags=("new",)), text=TEXT)
    (id,) = await add_clients(store, 1)
    mailing_id, owner = await add_mailing(store, wanted), await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner)
    await store.update_client(id, lambda _: client(0, tag="old"), by=BY, now_us=NOW)
    await store.record([lack(taken)], owner=owner, now_us=NOW)
    assert await counts(store, mailing_id) == Counts()
    assert await store.fenced([lack(taken)]) == 0


@pytest.mark.parametrize("in_batch", [False, True])
async def test_a_deleted_client_takes_its_values_with_it(store: Store, in_batch: bool) -> None:
    clients, _, owner, (first, second) = await clients_and_claims(store, 2)
    await store.record([called(first, Event.ACCEPT)], owner=owner, now_us=NOW)
    if in_batch:
        await store.delete_clients(clients, by=BY, now_us=NOW)
    else:
        for id in clients:
            await store.delete_client(id, by=BY, now_us=NOW)
    await store.record([called(second, Event.ACCEPT)], owner=owner, now_us=NOW)  # this call had begun before
    assert await rendered(store) == [None, None]
    for each in (first, second):
        row = (await store.get_message(each.message_id))[0]
        assert (row.status, row.text) == (Status.SENT, TEXT)


async def test_a_number_that_a_client_leaves_is_masked_in_what_was_sent(store: Store) -> None:
    clients, _, owner, (first,) = await clients_and_claims(store, 1)
    await store.record([called(first, Event.ACCEPT)], owner=owner, now_us=NOW)
    await store.update_client(clients[0], lambda _: client(5), by=BY, now_us=NOW)
    assert (await store.get_message(first.message_id))[0].text == "Hello, Anna of new: 7916*****00"


async def test_nobody_knows_with_which_values_a_dead_engine_called(store: Store) -> None:
    _, mailing_id, owner, (first,) = await clients_and_claims(store, 1)
    await store.record([called(first, Event.DEFER, due_us=NOW)], owner=owner, now_us=NOW)
    await claim(store, mailing_id, owner)
    await store.recover(LEASE + 1, 10, expired_only=True)
    assert await rendered(store) == [None]


async def test_a_claim_is_out_of_date_when_what_goes_into_the_text_is_another(store: Store) -> None:
    clients, _, owner, claims = await clients_and_claims(store, 3)
    assert await store.outdated(claims, owner=owner) == set()
    await set_attributes(store, clients[0], name="Bella")
    changed = ClientRow(clients[1], 0, "916", "vip", "UTC", 0, 0)
    await store.update_client(changed.id, lambda _: client(1, tag=changed.tag), by=BY, now_us=NOW)
    assert await store.outdated(claims, owner=owner) == {claims[0].message_id, claims[1].message_id}
    plain = [each._replace(person=None) for each in claims]
    assert await store.outdated(plain, owner=owner) == set()


async def test_building_again_needs_nothing_of_it(store: Store) -> None:
    """A filter that is edited leaves what went out as it is."""
    _, mailing_id, owner, (first,) = await clients_and_claims(store, 1)
    await store.record([called(first, Event.ACCEPT)], owner=owner, now_us=NOW)
    other = mailing(replace(mailing().filter, tags=("nobody",)), text=TEXT)
    await store.update_mailing(mailing_id, lambda _: other, by=BY, now_us=NOW)
    assert await store.build_audience(mailing_id, 10, NOW, LONG_AGO)
    assert (await store.get_message(first.message_id))[0].text.startswith("Hello, Anna")


async def test_values_of_before_that_show_nothing_are_empty_after_the_migration(store: Store) -> None:
    """So what is counted in SQL is what texts are made of; other values stay to the letter."""
    module = import_module("engine.store.migrations.store.17_20261130090000_shown")
    before = [*BLANK, *('{"a":" x"}', '{"a":"\\":\\"","b":"\\tx"}', '{"a":1}', "{}"), BLANK[0]]
    ids = await add_clients(store, len(before))

    async def work(tx: Tx) -> list[tuple[str, str]]:
        for id, text in zip(ids, before, strict=True):
            await tx.run("UPDATE client SET attributes = ?, tag = ? WHERE id = ?", text, "\u200b ", id)
        await tx.run("UPDATE client SET tag = ' a' WHERE id = ?", ids[0])
        with patch.object(module, "_BLOCK_ROWS", 1), orm.context(tx.orm):
            await tx.orm.execute_script(await module.upgrade(tx.orm))
        await tx.orm.execute_script(await module.downgrade(tx.orm))
        return [tuple(row) for row in await tx.rows("SELECT attributes, tag FROM client ORDER BY id")]

    after = await store._db.transaction(work)
    empty = ['{"a":"","b":"x"}'] * len(BLANK)
    assert after == [*zip([*empty, *before[len(BLANK) : -1], empty[0]], [" a", *[""] * (len(before) - 1)], strict=True)]


BLANK = [
    f'{{"a":{json.dumps(text, ensure_ascii=False)},"b":"x"}}'
    for text in (" ", "\xa0\u2000", "\t", "\x01", "\u200b", "\U000e0020")
]
