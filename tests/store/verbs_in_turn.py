"""Each verb of the store that writes, for tests that look at every statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event
from engine.domain.receipt import Delivery, Receipt
from engine.store import Store
from engine.store.breakdowns import Due
from engine.store.client_rows import ClientChange
from tests.store.world import (
    BY,
    END,
    LEASE,
    LONG_AGO,
    NOW,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    claim_all,
    client,
    mailing,
    outcome,
    record,
    release,
    stop,
    unsuppress,
)


async def every_verb(store: Store) -> list[tuple[str, Callable[[], Awaitable[object]]]]:
    """Each verb that writes, in an order in which all find more than one row to lock."""
    ids = await add_clients(store, 30)
    backwards = ids[::-1]
    first, second = await add_mailing(store), await add_mailing(store, mailing(on_uncertain="not_sent"))
    old, dead = await add_mailing(store), await add_engine(store)
    owner = await add_engine(store)
    finished = await claim(store, old, owner)
    await record(store, owner, finished, Event.ACCEPT)
    hands = [taken for mailing_id in (first, second) for taken in await claim(store, mailing_id, owner, 20)][::-1]
    events = [Event.DEFER, Event.MISS, Event.REJECT, Event.ACCEPT]
    mixed = [outcome(taken, event) for taken, event in zip(hands, events * 4, strict=False)]
    accepted, returned, left = hands[16:22], hands[22:30], hands[30:]
    early = [Receipt(Delivery.DELIVERED, NOW, taken.message_id) for taken in (*hands[4:6], *finished[::-1])]
    late = [Receipt(Delivery.UNDELIVERED, NOW + 1, taken.message_id) for taken in (*hands[:22], *finished[::-1])]
    movers = {taken.client_id for taken in hands[:16]} | {taken.client_id for taken in returned}

    async def move() -> None:
        """Clients whose messages are in hand get other numbers, and new clients theirs, in one import."""
        numbers = sorted(ids.index(client_id) for client_id in movers)
        for number in numbers:
            await store.update_client(ids[number], lambda _, n=number: client(100 + n), by=BY, now_us=NOW)  # type: ignore[misc]
        await store.import_clients([client(number) for number in numbers], by=BY, now_us=NOW)

    async def purge() -> None:
        while not await store.purge(second, 7):
            pass

    async def build() -> None:
        while not await store.build_audience(first, 50, NOW, LONG_AGO):
            pass

    fresh = await add_mailing(store, build=False)

    async def build_new() -> None:
        while not await store.build_audience(fresh, 9, NOW, LONG_AGO):
            pass

    narrow = mailing(AudienceFilter(("x", "new")), text="another")
    return [
        ("heartbeat", lambda: store.heartbeat(owner, END, 0, seen_revision=1, workers=1, in_flight=0)),
        ("create_client", lambda: store.create_client(client(60), by=BY, now_us=NOW)),
        ("update_client", lambda: store.update_client(ids[3], lambda _: client(61, "x"), by=BY, now_us=NOW)),
        ("move", move),
        ("update_clients", lambda: store.update_clients(backwards[:20], ClientChange(tag="x"), by=BY, now_us=NOW)),
        ("import_clients", lambda: store.import_clients([client(n, "y") for n in (70, 20, 60, 71)], by=BY, now_us=NOW)),
        ("begin", lambda: store.begin(hands, owner=owner)),
        ("renew", lambda: store.renew(hands, owner=owner, lease_until_us=LEASE)),
        ("receive_early", lambda: store.record_receipts(early, now_us=NOW)),
        ("record", lambda: store.record(mixed, owner=owner, now_us=NOW)),
        ("record_accepted", lambda: record(store, owner, accepted, Event.ACCEPT)),
        ("receive", lambda: store.record_receipts(late, now_us=NOW)),
        ("release", lambda: release(store, owner, returned)),
        ("suppress", lambda: store.import_suppressions([stop(n) for n in (11, 9, 70, 8)], by=BY, now_us=NOW)),
        ("take_off", lambda: unsuppress(store, 9)),
        ("update_mailing", lambda: store.update_mailing(first, lambda _: narrow, by=BY, now_us=NOW)),
        ("build", build),
        ("build_new", build_new),
        ("begin_breakdown", lambda: store.begin_breakdown(Due(first, 9), NOW)),
        ("read_breakdown", lambda: store.read_breakdown(second, NOW)),
        ("read_breakdown_again", lambda: store.read_breakdown(second, NOW)),
        ("claim", lambda: claim(store, first, dead, 9)),
        ("take_back", lambda: store.take_back(second, 9, after=(0, 0), by_us=1)),
        ("erase", lambda: store.erase_client(ids[1], suppress=True, by=BY, now_us=NOW)),
        ("delete_client", lambda: store.delete_client(ids[0], by=BY, now_us=NOW)),
        ("delete_clients", lambda: store.delete_clients([left[0].client_id, *ids[24:29][::-1]], by=BY, now_us=NOW)),
        ("claim_all", lambda: claim_all(store, (second, first), dead, 9)),
        ("recover", lambda: store.recover(LEASE, 50, expired_only=True)),
        ("expire", lambda: store.expire(old, 9, END)),
        ("pause", lambda: store.set_paused(first, True, by=BY, now_us=NOW)),
        ("cancel", lambda: store.set_cancelled(first, by=BY, now_us=NOW)),
        ("archive", lambda: store.set_archived(first, True, by=BY, now_us=NOW)),
        ("cancel_pending", lambda: store.cancel_pending(first, 9, NOW)),
        ("forget_told", lambda: store.forget_told(END, 100)),
        ("delete_mailing", lambda: store.delete_mailing(second, by=BY, now_us=NOW)),
        ("purge", purge),
    ]
