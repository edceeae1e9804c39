"""engine/store/snapshots.py: a mailing for those whose message of another one was so when the filter was said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.domain.audience import AudienceFilter, MessageCondition
from engine.domain.errors import Conflict, InvalidInput
from engine.domain.message import Event
from engine.domain.validate import MailingInput
from engine.domain.window import LocalHours
from engine.store import Store, snapshots
from engine.store.rows import MailingRow
from tests.store.world import (
    BY,
    LONG_AGO,
    NOW,
    add_clients,
    add_engine,
    add_mailing,
    audience_size,
    claim,
    client,
    counts,
    mailing,
    messages,
    outcome,
    release,
)

LATER = NOW + 100


@pytest.fixture(params=[50_000, 0], ids=["listed", "walked"])
def listed_max(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the clients are found: by the other mailing's messages, or all of them looked at."""
    monkeypatch.setattr(snapshots, "_LISTED_MAX", request.param)


async def four_fates(store: Store) -> tuple[int, dict[str, int]]:
    """A mailing with one client each whose message was sent, rejected, cut off, is pending; its id, and theirs."""
    await add_clients(store, 4)
    mailing_id, owner = await add_mailing(store, replace(mailing(), audience_fixed=True)), await add_engine(store)
    taken = await claim(store, mailing_id, owner)
    events = {"sent": Event.ACCEPT, "rejected": Event.REJECT, "pending": Event.DEFER, "due": Event.DEFER}
    records = [outcome(one, event, due_us=1) for one, event in zip(taken, events.values(), strict=True)]
    await store.record(records, owner=owner, now_us=NOW)
    return mailing_id, {fate: one.client_id for fate, one in zip(events, taken, strict=True)}


def those(mailing_id: int, statuses: tuple[str, ...] = (), reasons: tuple[str, ...] = ()) -> AudienceFilter:
    return AudienceFilter(messages=MessageCondition(mailing_id, statuses, reasons))


def saying(filter: AudienceFilter) -> Callable[[MailingRow], MailingInput]:
    """An edit of the filter."""
    return lambda _: mailing(filter)


async def retag(store: Store, client_id: int, tag: str) -> None:
    """Give a client another tag."""
    await store.update_client(client_id, lambda old: client(old.phone_number % 10_000, tag), by=BY, now_us=LATER + 1)


async def whose(store: Store, mailing_id: int) -> set[int | None]:
    found = {row.client_id for row in await messages(store, mailing_id)}
    assert (await counts(store, mailing_id)).total == len(found)
    return found


async def add(store: Store, filter: AudienceFilter, now_us: int = LATER, limit: int = 1) -> int:
    """Register a mailing and build it, client by client."""
    made = await store.create_mailing(mailing(filter), by=BY, now_us=now_us)
    while not await store.build_audience(made.row.id, limit, now_us, LONG_AGO):
        pass
    return made.row.id


@pytest.mark.usefixtures("listed_max")
@pytest.mark.parametrize(
    ("statuses", "reasons", "fates"),
    [
        ((), (), {"sent", "rejected", "pending", "due"}),
        (("sent",), (), {"sent"}),
        (("not_sent",), (), {"rejected"}),
        (("pending",), (), {"pending", "due"}),
        (("sent", "pending"), (), {"sent", "pending", "due"}),
        (("not_sent",), ("rejected",), {"rejected"}),
        ((), ("rejected", "expired"), {"rejected"}),
        ((), ("expired",), set()),
        (("sent",), ("rejected",), set()),
    ],
)
async def test_those_whose_message_is_so(
    store: Store, statuses: tuple[str, ...], reasons: tuple[str, ...], fates: set[str]
) -> None:
    source, clients = await four_fates(store)
    await store.create_client(client(10), by=BY, now_us=NOW)  # has no message of it
    filter = those(source, statuses, reasons)
    assert await audience_size(store, filter) == len(fates)
    expected = {clients[fate] for fate in fates}
    assert await whose(store, await add(store, filter)) == expected
    assert await whose(store, await add(store, replace(filter, tags=("other",)))) == set()
    some = replace(filter, client_ids=(clients["sent"], clients["rejected"]))
    assert await whose(store, await add(store, some)) == expected & set(some.client_ids)


@pytest.mark.usefixtures("listed_max")
async def test_it_is_so_when_the_mailing_is_registered_and_not_later(store: Store) -> None:
    """A message becomes final between the registration and the building."""
    source, clients = await four_fates(store)
    made = await store.create_mailing(mailing(those(source, ("pending",))), by=BY, now_us=LATER)
    ended = await store.create_mailing(mailing(those(source, ("not_sent",))), by=BY, now_us=LATER)
    await store.set_cancelled(source, by=BY, now_us=LATER + 1)
    assert await store.cancel_pending(source, 100, LATER + 1)
    for one in (made, ended):
        assert await store.build_audience(one.row.id, 1000, LATER + 2, LONG_AGO)
    assert await whose(store, made.row.id) == {clients["pending"], clients["due"]}
    assert await whose(store, ended.row.id) == {clients["rejected"]}
    assert await whose(store, await add(store, those(source, ("not_sent",)), LATER + 3)) == {
        clients["rejected"], clients["pending"], clients["due"],
    }  # fmt: skip


@pytest.mark.usefixtures("listed_max")
async def test_the_other_conditions_are_live(store: Store) -> None:
    source, clients = await four_fates(store)
    made = await add(store, replace(those(source, ("pending",)), tags=("new",)))
    goes, stays = clients["pending"], clients["due"]

    await retag(store, goes, "old")
    for tag in ("old", "new"):
        await retag(store, clients["sent"], tag)  # comes to match, but had no such message
    assert await whose(store, made) == {stays}
    await retag(store, goes, "new")
    assert await whose(store, made) == {goes, stays}


@pytest.mark.usefixtures("listed_max")
async def test_who_gets_a_message_of_the_other_mailing_later_is_not_meant(store: Store) -> None:
    (before,) = await add_clients(store, 1)
    source = await add_mailing(store)
    made = await store.create_mailing(mailing(those(source, ("pending",))), by=BY, now_us=LATER)
    await store.create_client(client(10), by=BY, now_us=LATER + 1)
    assert await store.build_audience(made.row.id, 1000, LATER + 2, LONG_AGO)
    await store.create_client(client(11), by=BY, now_us=LATER + 3)
    assert (await counts(store, source)).total == 3
    assert await whose(store, made.row.id) == {before}


async def test_a_deleted_mailing_stays_while_an_audience_is_made_of_its_messages(store: Store) -> None:
    """Or whoever registers a mailing for those, and deletes the old one at once, would reach nobody."""
    source, clients = await four_fates(store)
    made = (await store.create_mailing(mailing(those(source, ("pending",))), by=BY, now_us=LATER)).row.id
    await store.delete_mailing(source, by=BY, now_us=LATER)
    assert not await store.build_audience(made, 1, LATER, LONG_AGO)
    assert not await store.purge(source, 100)
    assert await store.build_audience(made, 100, LATER, LONG_AGO)
    assert await whose(store, made) == {clients["pending"], clients["due"]}
    while not await store.purge(source, 100):
        pass


@pytest.mark.parametrize("end", ["set_cancelled", "delete_mailing"])
async def test_an_audience_that_nobody_makes_any_more_keeps_no_mailing(store: Store, end: str) -> None:
    source, _ = await four_fates(store)
    made = (await store.create_mailing(mailing(those(source, ("pending",))), by=BY, now_us=LATER)).row.id
    await store.delete_mailing(source, by=BY, now_us=LATER)
    await getattr(store, end)(made, by=BY, now_us=LATER)
    while not await store.purge(source, 100):
        pass


async def test_who_has_a_message_keeps_it_when_the_other_mailing_is_deleted(store: Store) -> None:
    source, clients = await four_fates(store)
    made = await add(store, those(source, ("pending",)))
    await store.delete_mailing(source, by=BY, now_us=LATER)
    while not await store.purge(source, 100):
        pass
    both = {clients["pending"], clients["due"]}
    for client_id in both:
        await retag(store, client_id, "x")
    assert await whose(store, made) == both

    hours = LocalHours(1, 2)
    edit = replace(mailing(those(source, ("pending",))), local_hours=hours)  # the filter stays
    await store.update_mailing(made, lambda _: edit, by=BY, now_us=LATER)
    assert await store.build_audience(made, 1000, LATER, LONG_AGO)
    assert await whose(store, made) == both


@pytest.mark.usefixtures("listed_max")
async def test_another_filter_is_of_its_own_time(store: Store) -> None:
    source, clients = await four_fates(store)
    made = await add(store, those(source, ("sent",)))
    await store.set_cancelled(source, by=BY, now_us=LATER + 1)
    assert await store.cancel_pending(source, 100, LATER + 1)
    await store.update_mailing(made, lambda _: mailing(those(source, (), ("cancelled",))), by=BY, now_us=LATER + 2)
    while not await store.build_audience(made, 1, LATER + 3, LONG_AGO):
        pass
    assert await whose(store, made) == {clients["pending"], clients["due"]}


async def test_a_message_of_an_earlier_filter_that_an_engine_has_makes_nobody_one_of_those(store: Store) -> None:
    """An edit of the client took it for a message that he has, and so for one that he keeps."""
    source, clients = await four_fates(store)
    made, owner = await add(store, replace(AudienceFilter(), client_ids=(clients["sent"],))), await add_engine(store)
    claims = await claim(store, made, owner)
    await store.update_mailing(made, saying(those(source, (), ("cancelled",))), by=BY, now_us=LATER + 10)
    assert await store.build_audience(made, 1000, LATER, LONG_AGO)
    await retag(store, clients["sent"], "x")
    assert await release(store, owner, claims) == 1
    assert await whose(store, made) == set()


async def test_a_mailing_that_is_not_there_is_refused(store: Store) -> None:
    source = await add_mailing(store)
    deleted = await add_mailing(store)
    await store.delete_mailing(deleted, by=BY, now_us=NOW)
    for filter in (those(999), those(deleted)):
        for attempt in (
            store.create_mailing(mailing(filter), by=BY, now_us=NOW),
            store.check_filter(filter),
            store.update_mailing(source, saying(filter), by=BY, now_us=NOW),
            store.would_update_mailing(source, saying(filter), now_us=NOW),
        ):
            with pytest.raises(InvalidInput) as refused:
                await attempt
            assert [error.field for error in refused.value.errors] == ["filter.messages.mailing_id"]
    with pytest.raises(InvalidInput) as refused:
        await store.update_mailing(source, lambda _: mailing(those(source)), by=BY, now_us=NOW)
    assert refused.value.errors[0].fault.code == "OWN_MESSAGES"


async def test_of_a_mailing_whose_messages_are_being_made_nobody_knows_who_has_one(store: Store) -> None:
    await add_clients(store, 2)
    source = (await store.create_mailing(mailing(), by=BY, now_us=NOW)).row.id
    with pytest.raises(Conflict, match=f"the messages of mailing {source} are still being made"):
        await store.create_mailing(mailing(those(source, ("pending",))), by=BY, now_us=NOW)
    await store.set_cancelled(source, by=BY, now_us=NOW)
    await store.create_mailing(mailing(those(source, ("pending",))), by=BY, now_us=NOW)


async def test_a_message_of_the_filter_before_is_none_of_the_new_one_whatever_the_clocks_say(store: Store) -> None:
    """Somebody is added, by another engine or while an edit waits for its turn: the message seems to be the younger."""
    source, clients = await four_fates(store)
    mailing_id = await add(store, AudienceFilter(), now_us=NOW)
    added = await store.create_client(client(10), by=BY, now_us=LATER + 5)
    assert added.row.id in await whose(store, mailing_id)
    await store.update_mailing(mailing_id, saying(those(source, ("sent",))), by=BY, now_us=LATER)
    while not await store.build_audience(mailing_id, 2, LATER + 10, LONG_AGO):
        pass
    assert await whose(store, mailing_id) == {clients["sent"]}
