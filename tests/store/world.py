"""Short ways to say what a test needs. Times are small numbers: the store knows no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.domain.audience import AudienceFilter
from engine.domain.cost import NO_PRICE, Quote
from engine.domain.message import Event
from engine.domain.routing import OF_FBRQ, Ask
from engine.domain.suppression import SuppressionInput, SuppressionReason
from engine.domain.validate import ClientInput, MailingInput
from engine.domain.window import LocalHours
from engine.ports import Claim, Record
from engine.store import Store
from engine.store.rows import Actor, Counts, MailingRow, MessageQuery, MessageRow, Page
from engine.store.suppressions import Suppressed

BY = Actor("tester", "ipv4:127.0.0.1:1")
START, END = 1_000, 100_000
NOW = 2_000
LEASE = 5_000
LONG_AGO = -1
EVERYBODY = AudienceFilter()


def client(number: int, tag: str = "new", phone_code: str = "916", time_zone: str = "UTC") -> ClientInput:
    """The ``number``-th client."""
    return ClientInput(79_160_000_000 + number, phone_code, tag, time_zone)


def mailing(
    filter: AudienceFilter = EVERYBODY,
    *,
    text: str = "hello",
    start_us: int = START,
    end_us: int = END,
    local_hours: LocalHours | None = None,
    on_uncertain: str = "resend",
    budget: int | None = None,
) -> MailingInput:
    """A mailing for everybody."""
    return MailingInput(text, filter, start_us, end_us, local_hours, None, on_uncertain, budget=budget)


async def add_clients(store: Store, number: int, tag: str = "new", first: int = 0) -> list[int]:
    """Import clients; return their ids."""
    made = await store.import_clients([client(first + i, tag) for i in range(number)], by=BY, now_us=NOW)
    return list(made.changed_ids)


async def add_mailing(store: Store, wanted: MailingInput | None = None, *, build: bool = True) -> int:
    """Register a mailing and make its messages; return its id."""
    created = await store.create_mailing(wanted or mailing(), by=BY, now_us=NOW)
    while build and not await store.build_audience(created.row.id, 1000, NOW, LONG_AGO):
        pass
    return created.row.id


async def audience_size(store: Store, filter: AudienceFilter) -> int:
    """How many clients match now."""
    return (await store.audience_by_zone(filter, by_zone=False)).size


def stop(number: int, reason: SuppressionReason = SuppressionReason.MANUAL) -> SuppressionInput:
    """The ``number``-th client's number, for the stop list."""
    return SuppressionInput(client(number).phone_number, reason, "a note", "api")


async def suppress(store: Store, number: int) -> Suppressed:
    """Put the ``number``-th client's number on the stop list."""
    return await store.add_suppression(stop(number), by=BY, now_us=NOW)


async def unsuppress(store: Store, number: int) -> None:
    """Take it off."""
    await store.delete_suppression(client(number).phone_number, by=BY, now_us=NOW)


async def add_engine(store: Store) -> int:
    """Register an engine."""
    return await store.register_engine("host:1", 4, NOW, 0)


async def a_mailing_with(store: Store, clients: int) -> tuple[int, int]:
    """Clients, a mailing for them and an engine: (mailing id, engine id)."""
    await add_clients(store, clients)
    return await add_mailing(store), await add_engine(store)


async def claim(
    store: Store,
    mailing_id: int,
    owner: int,
    limit: int = 100,
    now_us: int = NOW,
    quote: Quote = NO_PRICE,
    *,
    personal: bool = False,
) -> list[Claim]:
    """Claim with a lease until ``LEASE``."""
    return await store.claim(
        mailing_id, limit, owner=owner, now_us=now_us, lease_until_us=LEASE, quote=quote, personal=personal
    )


async def claim_all(store: Store, mailing_ids: Iterable[int], owner: int, limit: int) -> list[list[Claim]]:
    """The same of several mailings, by one transaction."""
    asks = [Ask(mailing_id, limit, False, OF_FBRQ) for mailing_id in mailing_ids]
    return await store.claim_all(asks, owner=owner, now_us=NOW, lease_until_us=LEASE)


def outcome(
    taken: Claim, event: Event, *, due_us: int = 0, http_status: int | None = 200, cost: int | None = None
) -> Record:
    """The outcome of a claimed message's call."""
    detail = "" if event is Event.ACCEPT else "because"
    due_us = due_us if event in (Event.DEFER, Event.MISS) else 0
    return Record(
        taken.message_id,
        taken.mailing_id,
        taken.client_id,
        taken.attempt,
        event,
        NOW + 10,
        NOW + 20,
        http_status,
        detail,
        due_us,
        provider_id=taken.provider_id,
        cost=cost,
        charge=taken.charge,
    )


async def record(
    store: Store, owner: int, claims: Iterable[Claim], event: Event, *, due_us: int = 0, cost: int | None = None
) -> int:
    """Store the same outcome for some messages."""
    records = [outcome(taken, event, due_us=due_us, cost=cost) for taken in claims]
    return await store.record(records, owner=owner, now_us=NOW)


async def release(store: Store, owner: int, claims: Sequence[Claim], due_us: int = 0) -> int:
    """Give claims back."""
    returns = [taken.given_back(due_us) for taken in claims]
    return await store.release(returns, owner=owner, now_us=NOW)


async def messages(store: Store, mailing_id: int | None = None) -> list[MessageRow]:
    """All messages (of a mailing)."""
    return list((await store.list_messages(MessageQuery(mailing_id=mailing_id), Page(1000))).items)


async def counts(store: Store, mailing_id: int) -> Counts:
    """The counters of a mailing, after a recount has agreed with them."""
    assert await store.check() == []
    row: MailingRow = await store.get_mailing(mailing_id)
    return row.counts
