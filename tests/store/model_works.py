"""What several engines and people do at the same time, for the comparison of model and server: kinds of work, and the
world that they find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event
from engine.domain.receipt import Delivery, Receipt
from engine.ports import Claim
from engine.store import Store
from engine.store.client_rows import ClientChange, ClientRow, ImportResult
from engine.store.rows import Created
from engine.store.suppressions import Suppressed, SuppressedMany
from tests.store.interleaving import Verb
from tests.store.world import (
    BY,
    END,
    LEASE,
    LONG_AGO,
    NOW,
    add_clients,
    client,
    mailing,
    outcome,
    release,
    stop,
    suppress,
    unsuppress,
)

CLIENTS: Final = 10
_CHUNK: Final = 4


@dataclass
class World:
    """What there is before: six mailings, two engines, and who has claimed what."""

    engines: list[int] = field(default_factory=list)
    claims: list[list[Claim]] = field(default_factory=list)
    """By engine."""
    open: int = 0
    building: int = 0
    rebuilding: int = 0
    cancelled: int = 0
    deleted: int = 0
    marking: int = 0


async def make_world(store: Store) -> World:
    """The same on each store."""
    world = World()
    await add_clients(store, CLIENTS)
    await add_clients(store, 3, "vip", first=CLIENTS)
    world.engines = [await store.register_engine(f"host:{n}", 4, NOW, 0) for n in (1, 2)]
    await suppress(store, CLIENTS - 1)
    made = []
    for text, wanted in (
        ("open", mailing()),
        ("building", mailing(AudienceFilter(("new",)))),
        ("rebuilding", mailing()),
        ("cancelled", mailing()),
        ("deleted", mailing()),
        ("marking", mailing(on_uncertain="not_sent")),
    ):
        id = (await store.create_mailing(wanted, by=BY, now_us=NOW)).row.id
        made.append(id)
        while text != "building" and not await store.build_audience(id, 100, NOW, LONG_AGO):
            pass
    world.open, world.building, world.rebuilding, world.cancelled, world.deleted, world.marking = made
    await store.build_audience(world.building, _CHUNK, NOW, LONG_AGO)
    for owner in world.engines:
        taken = []
        for id, number in ((world.open, 3), (world.building, 1), (world.rebuilding, 2), (world.marking, 2)):
            taken += await store.claim(id, number, owner=owner, now_us=NOW, lease_until_us=LEASE)
        world.claims.append(taken)
    await store.begin([taken for taken in world.claims[0] if taken.mailing_id == world.marking], owner=world.engines[0])
    await store.update_mailing(world.rebuilding, lambda _: mailing(AudienceFilter(("vip",))), by=BY, now_us=NOW)
    await store.set_cancelled(world.cancelled, by=BY, now_us=NOW)
    await store.delete_mailing(world.deleted, by=BY, now_us=NOW)
    return world


def draw_verbs(world: World, seed: int, number: int) -> dict[str, Verb]:
    """Some kinds of work, each with its arguments."""
    random = Random(seed)
    names = [random.choice(sorted(_WORKS)) for _ in range(number)]
    return {f"{place}-{name}": _WORKS[name](world, random) for place, name in enumerate(names)}


def plain(outcome: Any) -> Any:
    """A result without keys that two databases may give differently."""
    if isinstance(outcome, Created) and isinstance(outcome.row, ClientRow):
        return ("client", outcome.row.phone_number, outcome.replayed)
    if isinstance(outcome, Suppressed):
        return ("suppressed", outcome.row.phone_number, outcome.is_new)
    if isinstance(outcome, SuppressedMany):
        return outcome.created
    if isinstance(outcome, ImportResult):
        return outcome.outcomes
    if isinstance(outcome, list) and outcome and isinstance(outcome[0], Claim):
        return sorted((one.mailing_id, one.phone_number, one.attempt) for one in outcome)
    if isinstance(outcome, int):
        return int(outcome)
    return outcome


def _some(claims: list[Claim], random: Random) -> list[Claim]:
    return random.sample(claims, random.randint(1, len(claims)))


def _claim(world: World, random: Random) -> Verb:
    id = random.choice((world.open, world.building, world.marking))
    owner, number = random.choice(world.engines), random.randint(1, 6)
    return lambda store: store.claim(id, number, owner=owner, now_us=NOW, lease_until_us=LEASE)


def _with_claims(do: Callable[[Store, list[Claim], int, Random], Any]) -> Callable[[World, Random], Verb]:
    def draw(world: World, random: Random) -> Verb:
        engine = random.randrange(2)
        claims, dice = _some(world.claims[engine], random), random.random()
        return lambda store: do(store, claims, world.engines[engine], Random(dice))

    return draw


def _record(event: Event) -> Callable[[Store, list[Claim], int, Random], Any]:
    def do(store: Store, claims: list[Claim], owner: int, random: Random) -> Any:
        records = [outcome(one, event, due_us=NOW + 500) for one in claims]
        return store.record(records, owner=owner, now_us=NOW)

    return do


def _record_mixed(store: Store, claims: list[Claim], owner: int, random: Random) -> Any:
    events = [random.choice((Event.ACCEPT, Event.DEFER, Event.MISS, Event.REJECT)) for _ in claims]
    records = [outcome(one, event, due_us=NOW + 500) for one, event in zip(claims, events, strict=True)]
    return store.record(records, owner=owner, now_us=NOW)


def _receive(world: World, random: Random) -> Verb:
    claims = [random.choice(of_engine) for of_engine in (*world.claims, *world.claims)]
    receipts = [
        Receipt(random.choice(list(Delivery)), NOW + random.randint(0, 9), taken.message_id) for taken in claims
    ]
    return lambda store: store.record_receipts(receipts, now_us=NOW)


def _build(world: World, random: Random) -> Verb:
    id, limit = random.choice((world.building, world.rebuilding)), random.choice((_CHUNK, 100))
    return lambda store: store.build_audience(id, limit, NOW, LONG_AGO)


def _sweep(world: World, random: Random) -> Verb:
    if random.random() < 0.5:
        return lambda store: store.cancel_pending(world.cancelled, 100, NOW)
    id = random.choice((world.open, world.marking))
    return lambda store: store.expire(id, 100, END)


def _create_client(world: World, random: Random) -> Verb:
    number, tag = random.choice((3, 50, 51)), random.choice(("new", "vip"))
    return lambda store: store.create_client(client(number, tag), by=BY, now_us=NOW)


def _update_client(world: World, random: Random) -> Verb:
    id, number, tag = random.randint(1, CLIENTS), random.choice((None, 50, 51)), random.choice(("new", "vip"))

    def change(row: ClientRow) -> Any:
        return client(row.phone_number - 79_160_000_000 if number is None else number, tag)

    return lambda store: store.update_client(id, change, by=BY, now_us=NOW + 1)


def _delete_client(world: World, random: Random) -> Verb:
    id = random.randint(1, CLIENTS)
    return lambda store: store.delete_client(id, by=BY, now_us=NOW)


def _import(world: World, random: Random) -> Verb:
    numbers = [*random.sample(range(CLIENTS + 3), 3), *random.sample((50, 51, 52), random.randint(0, 2))]
    rows = [client(number, random.choice(("new", "vip"))) for number in numbers]
    return lambda store: store.import_clients(rows, by=BY, now_us=NOW)


def _batch(world: World, random: Random) -> Verb:
    ids = random.sample(range(1, CLIENTS + 3), 4)
    if random.random() < 0.5:
        return lambda store: store.delete_clients(ids, by=BY, now_us=NOW)
    return lambda store: store.update_clients(ids, ClientChange(tag="vip"), by=BY, now_us=NOW)


def _suppress(world: World, random: Random) -> Verb:
    entries = [stop(number) for number in random.sample(range(CLIENTS + 3), 3)]
    if random.random() < 0.5:
        return lambda store: store.add_suppression(entries[0], by=BY, now_us=NOW)
    return lambda store: store.import_suppressions(entries, by=BY, now_us=NOW)


def _take_off(world: World, random: Random) -> Verb:
    return lambda store: unsuppress(store, CLIENTS - 1)


def _erase(world: World, random: Random) -> Verb:
    id, suppress = random.randint(1, CLIENTS), random.random() < 0.5
    return lambda store: store.erase_client(id, suppress=suppress, by=BY, now_us=NOW)


def _update_mailing(world: World, random: Random) -> Verb:
    id, tag = random.choice((world.open, world.building, world.rebuilding)), random.choice(("new", "vip"))
    text = random.choice(("hello", "other"))
    wanted = mailing(AudienceFilter((tag,)), text=text)
    return lambda store: store.update_mailing(id, lambda _: wanted, by=BY, now_us=NOW)


def _pause(world: World, random: Random) -> Verb:
    id = random.choice((world.open, world.building))
    return lambda store: store.set_paused(id, True, by=BY, now_us=NOW)


def _cancel(world: World, random: Random) -> Verb:
    id = random.choice((world.open, world.marking))
    return lambda store: store.set_cancelled(id, by=BY, now_us=NOW)


def _archive(world: World, random: Random) -> Verb:
    id, archived = random.choice((world.open, world.cancelled)), random.random() < 0.7
    return lambda store: store.set_archived(id, archived, by=BY, now_us=NOW)


def _delete_mailing(world: World, random: Random) -> Verb:
    id = random.choice((world.open, world.marking))
    return lambda store: store.delete_mailing(id, by=BY, now_us=NOW)


def _heartbeat(world: World, random: Random) -> Verb:
    engine = random.choice(world.engines)
    return lambda store: store.heartbeat(engine, NOW + 20_000_000, 0, seen_revision=3, workers=4, in_flight=1)


_WORKS: Final[dict[str, Callable[[World, Random], Verb]]] = {
    "claim": _claim,
    "begin": _with_claims(lambda store, claims, owner, _: store.begin(claims, owner=owner)),
    "renew": _with_claims(lambda store, claims, owner, _: store.renew(claims, owner=owner, lease_until_us=LEASE + 9)),
    "accept": _with_claims(_record(Event.ACCEPT)),
    "defer": _with_claims(_record(Event.DEFER)),
    "record": _with_claims(_record_mixed),
    "release": _with_claims(lambda store, claims, owner, _: release(store, owner, claims)),
    "recover": lambda world, random: lambda store: store.recover(LEASE + 1, 100, expired_only=True),
    "receive": _receive,
    "build": _build,
    "sweep": _sweep,
    "purge": lambda world, random: lambda store: store.purge(world.deleted, CLIENTS + 3),
    "purge all": lambda world, random: lambda store: store.purge(world.deleted, 100),
    "create client": _create_client,
    "update client": _update_client,
    "delete client": _delete_client,
    "import": _import,
    "batch": _batch,
    "suppress": _suppress,
    "take off": _take_off,
    "erase": _erase,
    "create mailing": lambda world, random: lambda store: store.create_mailing(mailing(), by=BY, now_us=NOW),
    "update mailing": _update_mailing,
    "pause": _pause,
    "cancel": _cancel,
    "archive": _archive,
    "delete mailing": _delete_mailing,
    "heartbeat": _heartbeat,
    "read control": lambda world, random: lambda store: store.read_control(0),
    "plans": lambda world, random: lambda store: store.plans(NOW),
    "register": lambda world, random: lambda store: store.register_engine("host:3", 4, NOW, 0),
    "retire": lambda world, random: lambda store: store.retire_engine(world.engines[1]),
    "set control": lambda world, random: lambda store: store.set_control(workers=7, by=BY, now_us=NOW),
    "clock": lambda world, random: lambda store: store.turn_clock_back(NOW - 1),
    "take back": lambda world, random: lambda store: store.take_back(world.open, 5, after=(-1, 0), by_us=100),
    "forget": lambda world, random: lambda store: store.forget_told(END, 100),
}

TABLES: Final = (
    "SELECT phone_number, reason, note, source, create_us FROM suppression",
    "SELECT phone_number, phone_code, tag, time_zone, create_us, update_us FROM client",
    "SELECT m.mailing_id, c.phone_number, m.status, m.reason, m.attempt, m.due_us, m.owner, m.stale, m.unsure,"
    " m.create_us, m.started_us, m.finished_us, m.http_status, m.detail, m.text_version,"
    " m.delivery, m.delivery_us, m.heard_us"
    " FROM message AS m LEFT JOIN client AS c ON c.id = m.client_id",
    "SELECT * FROM mailing",
    "SELECT * FROM mailing_counters",
    "SELECT mailing_id, kind, key, count FROM mailing_stat",
    "SELECT mailing_id, version, text FROM mailing_text",
    "SELECT m.mailing_id, a.number, a.lost, a.finished_us, a.detail FROM attempt AS a"
    " JOIN message AS m ON m.id = a.message_id",
    "SELECT t.mailing_id, t.phone_hash, t.stage, c.phone_number, t.waiting_us FROM told AS t"
    " LEFT JOIN client AS c ON c.id = t.waiting_client_id",
    "SELECT id, name, heartbeat_us, seen_revision, workers, in_flight FROM engine",
    "SELECT revision, sending_paused, workers, provider_rate, clock_us FROM control",
    "SELECT action, object_type, detail FROM audit_event",
)
"""Everything that a comparison looks at, without keys that two databases may give differently."""
