"""One simulated life of several engines on one PostgreSQL, and what must be true of it.

INVARIANT. Parts 1 to 10, 16 and 18 to 20 of ``life.py``, over all engines, and:
  2  a rate is kept by all engines together
  3  a message is called again after an understood answer only if its engine was killed, frozen or cut off for longer
     than its lease before that answer was stored; an outage or a read-only server that all engines have is no reason
 12  nobody waits for a lock for more than 3 s, and no transaction holds others up for more than 6 s, also when an
     engine freezes in the middle of a transaction
 13  who waits for whom is declared (``waits.py``), and there is no deadlock
 17  no claim is taken from an engine before its lease is over
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Any, Final

from engine.api.receipts import Inbox
from engine.delivery import control_keeper
from engine.delivery.delivery import Delivery, DeliverySettings, Supplier
from engine.domain.breaker import Breaker
from engine.domain.message import Reason
from engine.ports import StoreUnavailable
from engine.store import Store
from engine.store.database import Lane, Work
from engine.store.postgres import PostgresDatabase
from tests.simulation.asked import Client
from tests.simulation.costs import draw_prices
from tests.simulation.history import NEVER_US
from tests.simulation.knobs import Knobs, listed_or_walked
from tests.simulation.life import SECOND_US
from tests.simulation.loop import Program, VirtualClock, VirtualLoop
from tests.simulation.people import People, SharedMailing
from tests.simulation.postgres.asyncpg import VERB, Network
from tests.simulation.postgres.data import Transaction
from tests.simulation.postgres.server import Server
from tests.simulation.postgres.setup import open_database, pool_of
from tests.simulation.postgres.tables import DELETE, INSERT, UPDATE, Template
from tests.simulation.providers import draw_specs, suppliers_of
from tests.simulation.receipts import HandIn, Mouth, Word, giving_up, handing_in, tell
from tests.simulation.snapshots import Note
from tests.simulation.statistics import Statistics
from tests.simulation.stop_list import StopList
from tests.simulation.world import Call, NoMeter, SimulatedProvider

_STEP_SECONDS: Final = 0.5
_SHORT_STEP_SECONDS: Final = 0.1
_CALM_READ_SECONDS: Final = 0.5
"""A heartbeat reads the control record as well: it is good for 2 s, so nobody stops for want of it. And this is well
below a third of the shortest lease: after a longer silence an engine recovers nothing."""
_MEDDLE_SECONDS: Final = (0.1, 0.4)
"""For so long an edit may have some of its rows, and not the others."""
_CALM_US: Final = 30 * SECOND_US
_COMMAND: Final = "a command"
_INSIDE: Final = ("record", "renew", "claim")
"""Transactions that are short, and rare, and after which most can go wrong."""
_CHOOSY_SECONDS: Final = 3.0
_NEW_SERVERS: Final = 0.3
"""Share of lives."""
_PATIENCE_SECONDS: Final = 60.0
"""After the last mailing's end, for what is still pending then."""


class NotedDatabase(PostgresDatabase):
    """Says what each transaction is for."""

    async def transaction(self, work: Work[Any], lane: Lane = Lane.API) -> Any:
        VERB.set(_verb(work))
        return await super().transaction(work, lane)

    async def read(self, work: Work[Any], lane: Lane = Lane.API, *, alone: bool = False) -> Any:
        VERB.set(_verb(work))
        return await super().read(work, lane, alone=alone)


def _verb(work: Work[Any]) -> str:
    """The store's verb that a work function is of."""
    while (inner := _inside(work, "work")) is not None:  # once more, alone
        work = inner
    body = _inside(work, "body")  # what engine.store.verbs decorates
    if body is None:
        name: str = work.__qualname__.split(".")[1]
    elif body.__name__ == "_once":  # it is around another verb's change
        name = _inside(work, "args")[0].__qualname__.split(".")[1]
    else:
        name = body.__name__
    return name.lstrip("_")


def _inside(function: Any, name: str) -> Any:
    """What a function has of the one around it."""
    names = function.__code__.co_freevars
    return function.__closure__[names.index(name)].cell_contents if name in names else None


@dataclass
class Trouble:
    """What befell an engine, or (``engine`` is empty) the server."""

    kind: str
    engine: str
    began_us: int
    ended_us: int = NEVER_US


@dataclass
class ManyCall(Call):
    """A call, and who made it."""

    engine: str = ""
    ahead_us: int = 0
    """How far its clock is ahead."""
    stored_us: int | None = None
    """When its outcome was committed."""


@dataclass
class EngineProvider(SimulatedProvider):
    """The provider as one engine reaches it."""

    engine: str = ""
    ahead_us: int = 0

    def begin(self, message_id: int, phone_number: int, text: str) -> Call:
        """Note a call."""
        call = ManyCall(message_id, phone_number, text, self.clock.now_us())
        call.engine, call.ahead_us, call.provider = self.engine, self.ahead_us, self.name
        self.calls.append(call)
        return call


class Engine:
    """One process: its tasks, its pool, its delivery."""

    def __init__(self, life: ManyLife, name: str) -> None:
        self.life, self.name = life, name
        self.program = Program(life.loop, name)
        self.network = Network(life.random, slow=life.knobs.slow, seconds=life.knobs.statement_seconds)
        database = open_database(life.server, self.network, name, NotedDatabase)
        self.pool = pool_of(database)
        self.store = Store(database)
        self.clock = VirtualClock(life.loop, life.random.choice(life.knobs.skews_us))
        self.suppliers = self._suppliers()
        self.delivery: Delivery
        """Once it ``is_up``."""
        self.hand_in: HandIn
        self.is_up = False

    def _suppliers(self) -> list[Supplier]:
        return suppliers_of(self.life.specs, self._provider, self._breaker)

    def _provider(self, name: str) -> EngineProvider:
        life = self.life
        known: dict[str, Any] = {"calls": life.calls, "rejects": life.rejects}
        who: dict[str, Any] = {"engine": self.name, "ahead_us": self.clock.ahead_us, "name": name}
        known["on_answer"] = life.mouth.answered
        return EngineProvider(life.clock, life.random, life.faults, **known, **who)

    def _breaker(self) -> Breaker:
        return Breaker(failure_threshold=self.life.random.choice((5, 20)), pause_max_seconds=2.0)

    async def _start(self) -> None:
        life = self.life
        self.delivery = await Delivery.join(
            self.store,
            self.suppliers,
            clock=self.clock,
            random=life.random,
            settings=life.settings,
            name=self.name,
            meter=NoMeter(),
        )
        if life.is_calm:
            self.read_seldom()
        await self.delivery.start()
        self._counting = life.statistics.begin(self.store, self.delivery)
        self.hand_in = handing_in(Inbox(self.store, self.clock), self.delivery, life.mouth)
        self.store.on_owners_told = self.delivery.actors.clients.owners_told

    async def run(self) -> None:
        """Start; when the store fails, again, as an operator's restart would."""
        while True:
            try:
                await self._start()
                break
            except StoreUnavailable:
                await asyncio.sleep(0.5)
                self.suppliers = self._suppliers()
        self.is_up = True

    def read_seldom(self) -> None:
        """To read the control record as often as ever costs more than all else that a quiet engine does."""
        self.delivery.actors.control._step_seconds = _CALM_READ_SECONDS

    def read_often(self) -> None:
        """As the product does it."""
        self.delivery.actors.control._step_seconds = control_keeper._READ_SECONDS

    def kill(self) -> None:
        """SIGKILL."""
        self.is_up = False
        self.program.kill()
        self.life.server.hang_up(self.name)

    def changing(self) -> set[str]:
        """Verbs of the store that have changed rows and are not committed; and ``_COMMAND``, if one is cut in two."""
        verbs = set()
        for session in self.life.server.sessions:
            if session.program == self.name and session.transaction is not None and session.transaction.changes:
                verbs |= {session.transaction.label, *((_COMMAND,) if session.awaits_rest else ())}
        return verbs

    @property
    def is_gone(self) -> bool:
        """Killed, and what it had sent to the server is done or will never be."""
        return self.program.is_dead and all(session.program != self.name for session in self.life.server.sessions)

    @property
    def is_well(self) -> bool:
        """Whether somebody can ask it for something."""
        return self.is_up and not self.program.is_frozen


class ManyLife:
    """A life is a function of its seed and of how many engines there may be."""

    is_calm = False
    """Engines read the control record seldom."""

    def __init__(self, seed: int, engines: int, template: Template, troubles: tuple[str, ...] | None = None) -> None:
        """``troubles``: only these kinds of trouble; ``None``: whatever is drawn."""
        self.random, self.mouth, self.statistics = Random(seed), Mouth(seed), Statistics(seed)
        self.kinds = Random(f"audiences of {seed}")
        """Draws nothing else, as in a life of one engine."""
        self.knobs = Knobs.draw(self.random, engines, troubles)
        self.loop = VirtualLoop(self.knobs.begin_seconds)
        self.clock = VirtualClock(self.loop)
        self.server = self._new_server(seed, template)
        self.faults = self.mouth.doubtful(self.knobs.faults)
        self.settings: DeliverySettings = self.mouth.narrow(self.knobs.settings)
        self.providers = Random(f"providers of {seed}")
        """Draws nothing else, so that lives are otherwise what they were before there were several."""
        self.prices = draw_prices(seed)
        self.specs = draw_specs(self.providers, self.settings, self.prices)
        self.calls: list[ManyCall] = []
        self.rejects: set[int] = set()
        self.built_us: dict[int, list[int]] = {}
        """When each mailing's audience was complete."""
        self.mailings: list[SharedMailing] = []
        self.clients: dict[int, Client] = {}
        self.owners: dict[int, list[Client]] = {}
        self.stop_list = StopList()
        self.troubles: list[Trouble] = []
        self.lost: set[int] = set()
        """Messages that were taken back from an engine: nobody can tell whether they were called."""
        self.whose: dict[int, tuple[int, int]] = {}
        """Needs nobody: here no number is anybody else's later."""
        self.early: list[str] = []
        """Claims that were taken back too early."""
        self.open_at_kill: list[int] = []
        self.crashes_us: list[int] = []
        self.quiet_since_us = 0
        self.stalls: list[str] = []
        """What was said to have stalled though nothing had failed for a while."""
        self.engines: list[Engine] = []
        self.people = People(self)
        self._final: tuple[list[Any], list[Any]] = ([], [])
        self.is_over_in_time = True
        self._place = {
            f"{name}.{column}": index
            for name in ("message", "mailing")
            for index, column in enumerate(template.tables[name].columns)
        }
        self._notes: list[Note] = []

    def _new_server(self, seed: int, template: Template) -> Server:
        server = Server(self.loop, template, self.random if self.knobs.disorder else None)
        server.on_commit = self._committed
        # A transaction that meets a new statement begins again, which is a tenth of what a life costs. All that can go
        # wrong then goes wrong on a new server.
        is_new = Random(f"server of {seed}").random() < _NEW_SERVERS
        server.is_new = is_new or "freeze inside" in self.knobs.troubles
        return server

    def run(self) -> None:
        """Founding, a busy time with its troubles, and a quiet end."""
        with self.knobs.cuts(), listed_or_walked(self.kinds):
            self.loop.run_until_complete(self._live())
        self._read_final()
        for engine in self.engines:
            engine.program.kill()
        self.server.data.close()
        self.loop.close()

    async def _live(self) -> None:
        for number in range(self.knobs.engines):
            self._begin_engine(f"engine-{number}")
        await self._until(lambda: any(engine.is_up for engine in self.engines), 10)
        await self._be_idle()
        self.people.found()
        busy = [asyncio.ensure_future(self._trouble(kind)) for kind in self.knobs.troubles]
        people = asyncio.ensure_future(self.people.be_busy())
        speaking = asyncio.ensure_future(self.mouth.speak(self.clock.now_us, self._hear))
        await asyncio.sleep(self.knobs.busy_seconds)
        people.cancel()
        await asyncio.gather(*busy)
        await self._quiet()
        speaking.cancel()
        await self._stop()

    async def _be_idle(self) -> None:
        """There is nothing to send, and nobody who changes anything."""
        self._calm_down()
        await asyncio.sleep(self.knobs.idle_seconds)
        self.is_calm = False
        for engine in self.well():
            engine.read_often()

    def meddle(self, client_ids: Collection[int]) -> None:
        """Somebody who has no say hands in lists of receipts of these clients' messages, while those are edited."""
        listed = ", ".join(map(str, sorted(client_ids)))
        found = self.server.data.committed(f"SELECT id FROM message WHERE client_id IN ({listed})")
        for words in self.mouth.meddle([id for (id,) in found], self.clock.now_us()):
            seconds = self.mouth.random.uniform(0, self.mouth.random.choice(_MEDDLE_SECONDS))
            self.loop.call_later(seconds, self._hear, words)

    def _hear(self, words: list[Word]) -> None:
        """Receipts are handed in at one of the engines."""
        if well := self.well():
            engine = self.mouth.random.choice(well)
            engine.program.start(tell(self.mouth, words, engine.hand_in, self.clock.now_us))
            giving_up(self.mouth, words)

    async def _quiet(self) -> None:
        """No faults any more: let everything come to its end."""
        self.quiet_since_us = self.clock.now_us()
        self.faults.quiet()
        for engine in self.engines:
            engine.network.cut = engine.network.lose_commit = 0.0
        await self._until(lambda: self.people.is_idle and bool(self.well()), 30)
        self.people.learn_mailings(self._table("mailing"))
        await self.people.resume_all()
        self._calm_down()
        last_us = max(mailing.asked.end_us for mailing in self.mailings)
        limit = max(0, last_us - self.clock.now_us()) / SECOND_US + _PATIENCE_SECONDS
        self.is_over_in_time = await self._until(self._is_over, limit, _STEP_SECONDS)
        await self._until(lambda: all(engine.is_up for engine in self.engines if not engine.program.is_dead), 10)
        self.mouth.all_is_due()
        await self._until(lambda: not self.mouth.open(), 30, _STEP_SECONDS)

    def _calm_down(self) -> None:
        """Nobody will change anything for a while."""
        self.is_calm = True
        for engine in self.well():
            engine.read_seldom()

    async def _stop(self) -> None:
        stopping = [
            engine.program.start(engine.delivery.stop(10)) for engine in self.engines if not engine.program.is_dead
        ]
        for task in stopping:
            await task

    async def _until(
        self, reached: Callable[[], bool], limit_seconds: float, step_seconds: float = _SHORT_STEP_SECONDS
    ) -> bool:
        deadline = self.loop.time() + limit_seconds
        while not reached():
            if self.loop.time() > deadline:
                return False
            await asyncio.sleep(step_seconds)
        return True

    def _is_over(self) -> bool:
        if self.clock.now_us() > self.quiet_since_us + _CALM_US:
            for engine in self.well():
                self.stalls += [f"{engine.name}: {stall}" for stall in engine.delivery.liveness.stalls()]
        return not self._has_work()

    def _has_work(self) -> bool:
        open_ones = self.server.data.committed(
            "SELECT 1 FROM message WHERE status <= 2 UNION ALL SELECT 1 FROM mailing"
            " WHERE (cancelled_us IS NULL AND NOT audience_ready) OR deleted_us IS NOT NULL LIMIT 1"
        )
        return bool(open_ones)

    def _read_final(self) -> None:
        self.people.learn_clients(self._table("client"))
        self.people.learn_mailings(self._table("mailing"))
        numbers = {mailing.stored_id: mailing.id for mailing in self.mailings}
        self.built_us = {numbers[id]: times for id, times in self.built_us.items() if id in numbers}
        messages, counters = ([*self._table(name)] for name in ("message", "mailing_counters"))
        for row in [*messages, *counters]:
            row["mailing_id"] = numbers[row["mailing_id"]]
        self._final = messages, counters

    def _table(self, name: str) -> Iterator[dict[str, Any]]:
        columns = self.server.template.tables[name].columns
        for row in self.server.data.committed(f"SELECT {', '.join(columns)} FROM {name}"):
            yield dict(zip(columns, row, strict=True))

    def trace(self) -> str:
        """What happened, put together: two lives of one seed have the same."""
        digest = sha256(repr((self.loop.steps, self.server.statements, self.server.locks.log)).encode())
        digest.update(repr(self.calls).encode())
        digest.update(repr(self._final).encode())
        return digest.hexdigest()

    def final(self) -> tuple[list[Any], list[Any]]:
        """Messages and counters as they are in the end; the mailings' ids are ours."""
        return self._final

    def notes(self) -> list[Note]:
        """What was committed, in this order."""
        return self._notes

    # -- engines -------------------------------------------------------------------------------
    def _begin_engine(self, name: str) -> Engine:
        engine = Engine(self, name)
        self.engines.append(engine)
        engine.program.start(engine.run())
        return engine

    def well(self) -> list[Engine]:
        """Engines that somebody can ask for something."""
        return [engine for engine in self.engines if engine.is_well]

    # -- troubles ------------------------------------------------------------------------------
    async def _trouble(self, kind: str) -> None:
        await asyncio.sleep(self.random.uniform(0.2, self.knobs.busy_seconds))
        doing: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "freeze inside": self._freeze_inside,
            "read-only": self._read_only,
            "outage": self._outage,
            "cut": self._cut,
            "lost commit": self._lose_commits,
            "black hole": self._black_hole,
        }
        await doing[kind]()

    async def _victim(self) -> Engine | None:
        await self._until(lambda: bool(self.well()), 20)
        well = self.well()
        return self.random.choice(well) if well else None

    async def _kill(self) -> None:
        if (engine := await self._victim()) is None:
            return
        self.crashes_us.append(self._begin_trouble("kill", engine).began_us)
        self.open_at_kill.append(self._open_calls(engine))
        engine.kill()
        await asyncio.sleep(self.random.choice((0.1, 3.0, 12.0)))
        self._begin_engine(f"{engine.name}'")

    async def _freeze(self) -> None:
        if (engine := await self._victim()) is not None:
            await self._frozen(engine)

    async def _freeze_inside(self) -> None:
        """SIGSTOP in the middle of a transaction that holds locks: for some seconds only of a certain one is good, or
        of a command of such a one."""
        if (engine := await self._victim()) is None:
            return
        began, wanted = self.loop.time(), self.random.choice((None, _COMMAND, *_INSIDE))
        while (waited := self.loop.time() - began) < 10 and not engine.program.is_frozen:
            verbs = engine.changing() if engine.is_well else set()
            if wanted in verbs or (verbs and (wanted is None or waited > _CHOOSY_SECONDS)):
                await self._frozen(engine)
                return
            await asyncio.sleep(0.005)

    async def _frozen(self, engine: Engine) -> None:
        trouble, lease_seconds = self._begin_trouble("freeze", engine), self.settings.lease_seconds
        engine.program.freeze()
        self.people.intervene(engine)
        # Longer than the control record is good for, and not for so long that all leases are over; or longer than that.
        await asyncio.sleep(self.random.choice((1.0, self.random.uniform(2, 4), 5.0, lease_seconds + 2)))
        engine.program.thaw()
        trouble.ended_us = self.clock.now_us()

    async def _read_only(self) -> None:
        trouble = self._begin_trouble("read-only", None)
        self.server.is_read_only = True
        await asyncio.sleep(self.random.uniform(1, 5))
        self.server.is_read_only = False
        trouble.ended_us = self.clock.now_us()

    async def _outage(self) -> None:
        trouble = self._begin_trouble("outage", None)
        self.server.go_away()
        await asyncio.sleep(self.settings.lease_seconds * self.random.uniform(0.1, 2.5))
        self.server.come_back()
        trouble.ended_us = self.clock.now_us()

    async def _cut(self) -> None:
        await self._while(lambda network, share: setattr(network, "cut", share), 0.05)

    async def _lose_commits(self) -> None:
        await self._while(lambda network, share: setattr(network, "lose_commit", share), 0.2)

    async def _while(self, change: Callable[[Network, float], None], share: float) -> None:
        engine = await self._victim()
        if engine is not None:
            change(engine.network, self.random.uniform(0, share))
            await asyncio.sleep(self.random.uniform(1, 10))
            change(engine.network, 0.0)

    async def _black_hole(self) -> None:
        if (engine := await self._victim()) is None:
            return
        trouble = self._begin_trouble("black hole", engine)
        engine.network.is_black = True
        engine.pool.black_out()
        self.people.intervene(engine)
        await asyncio.sleep(self.random.choice((1.0, 10.0)))
        engine.network.is_black = False
        # Those connections stay silent: it is over when they have been given up.
        trouble.ended_us = self.clock.now_us() + 10 * SECOND_US

    def _begin_trouble(self, kind: str, engine: Engine | None) -> Trouble:
        self.troubles.append(Trouble(kind, engine.name if engine else "", self.clock.now_us()))
        return self.troubles[-1]

    def _open_calls(self, engine: Engine) -> int:
        """How many messages it has called whose outcome is not stored, and which are its own still: others may have
        taken them back, or have removed them with their mailing."""
        called = {call.message_id for call in self.calls if call.engine == engine.name and call.stored_us is None}
        own = f"SELECT id FROM message WHERE status IN (1, 2) AND owner = {engine.delivery.state.engine_id}"
        return len(called & {row[0] for row in self.server.data.committed(own)})

    # -- notes of what is committed ------------------------------------------------------------
    def _committed(self, transaction: Transaction) -> None:
        status, again = self._place["message.status"], set[int]()
        for table, kind, id, old, new in transaction.changes:
            if table.name == "mailing":
                self._said(kind, id, old, new)
            elif table.name == "message":
                self._made(kind, id, old, new, transaction.label)
                if transaction.label == "claim" and kind == UPDATE and new[self._place["message.attempt"]] > 1:
                    again.add(id)
            if table.name != "message" or kind == INSERT or old[status] not in (1, 2):
                continue
            if kind == UPDATE and new[status] in (1, 2):
                continue
            if transaction.label == "recover":
                self._taken_back(id, old, new)
            else:
                self._stored(id, transaction.program)
        self.mouth.claimed_again(again, self.clock.now_us())

    def _said(self, kind: str, id: int, old: Any, new: Any) -> None:
        filter, ready = self._place["mailing.audience_filter"], self._place["mailing.audience_ready"]
        if kind == INSERT or (kind == UPDATE and old[filter] != new[filter]):
            note = Note("filter", id, at_us=new[self._place["mailing.audience_us"]], text=new[filter])
            self._notes.append(note)
        if kind == UPDATE and new[ready] and not old[ready]:
            self._notes.append(Note("ready", id))
            self.built_us.setdefault(id, []).append(self.clock.now_us())

    def _made(self, kind: str, id: int, old: Any, new: Any, verb: str) -> None:
        mailing, client, status, reason, create, finish = (
            self._place[f"message.{name}"]
            for name in ("mailing_id", "client_id", "status", "reason", "create_us", "finished_us")
        )
        if kind == INSERT:
            self._notes.append(Note("made", new[mailing], id, new[client], at_us=new[create]))
        elif kind == DELETE:
            self._notes.append(Note("purged" if verb == "purge" else "gone", old[mailing], id, old[client]))
        elif kind == UPDATE and new[status] > 2 >= old[status]:
            said = (new[status], new[reason], new[finish] or 0)
            self._notes.append(Note("final", new[mailing], id, new[client], *said))

    def _taken_back(self, id: int, old: Any, new: Any) -> None:
        due_us = old[self._place["message.due_us"]]
        if due_us > self.clock.now_us() + self.knobs.skew_max_us:
            self.early.append(
                f"17: message {id} was taken back {due_us - self.clock.now_us()} us before its lease was over"
            )
        # Of one whose number came on the stop list meanwhile, and that was not marked, everybody knows.
        if new[self._place["message.unsure"]] or new[self._place["message.reason"]] == Reason.UNCERTAIN:
            self.lost.add(id)

    def _stored(self, id: int, engine: str) -> None:
        for call in reversed(self.calls):
            if call.message_id == id:
                if call.engine == engine and call.stored_us is None and call.ended_us is not None:
                    call.stored_us = self.clock.now_us()
                return
