"""The world around a simulated engine: a provider and a store that fail on purpose.

Both draw from one seeded ``Random``, and note what an invariant will want to know.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from engine.domain.outcome import Answer
from engine.ports import Abilities, Claim, Clock, Request, StoreUnavailable
from engine.provider.spec import FBRQ
from tests.simulation.loop import nap

BUSY, BUSY_SECONDS = 429, 2
NOT_THE_PROVIDERS = 203
"""Stands for a 2xx with a page of HTML: the status of the real ones would be mistaken for an acceptance here."""
_STALL_SECONDS = 0.5
_LONG_SECONDS = 0.1
"""An answer that takes so long may be overtaken by what somebody does meanwhile."""
ODD_STATUSES = (408, 502, 504, NOT_THE_PROVIDERS)


@dataclass(slots=True)
class Call:
    """One call that the provider got."""

    message_id: int
    phone_number: int
    text: str
    began_us: int
    ended_us: int | None = None
    http_status: int | None = None
    understood: bool = False
    """Whether the engine got the provider's answer."""
    arrived: bool = True
    """Whether the request left at all."""
    timeout_us: int = 0
    """How long the engine would wait."""
    provider: str = FBRQ
    """Who was called."""
    took: bool = False
    """The provider has the text, as its receipt will say."""
    is_lost: bool = False
    """Its answer will not come, or be somebody else's: the engine will not know what became of it."""

    @property
    def is_known(self) -> bool:
        """Whether the engine could know how it ended: the answer was complete and the provider's own."""
        return not self.arrived or (self.understood and self.http_status not in ODD_STATUSES)


@dataclass(slots=True)
class Faults:
    """Shares in 0..1 of what goes wrong."""

    reject: float = 0.0
    unavailable: float = 0.0
    throttle: float = 0.0
    hang: float = 0.0
    lose_answer: float = 0.0
    """The provider has accepted, but its answer is lost: a time-out for us."""
    refuse: float = 0.0
    """No connection is made."""
    misroute: float = 0.0
    """Something on the way answers in the provider's place, which may have accepted."""
    forbid: float = 0.0
    store_fails: float = 0.0
    store_fails_after: float = 0.0
    """The transaction is committed, but the caller is told that it failed."""
    store_stalls: float = 0.0
    """Now and then one of its answers is overtaken by many later ones."""
    latency_seconds: tuple[float, float] = (0.01, 0.2)
    store_seconds: tuple[float, float] = (0.0, 0.01)

    def quiet(self) -> None:
        """Nothing goes wrong any more."""
        for name, default in asdict(Faults()).items():
            setattr(self, name, default)


@dataclass(slots=True)
class SimulatedProvider:
    """``ports.Provider`` with faults; remembers each call."""

    clock: Clock
    random: Random
    faults: Faults
    calls: list[Call] = field(default_factory=list)
    rejects: set[int] = field(default_factory=set)
    """Phone numbers that are always answered 400: a bad number stays bad."""
    abilities: Abilities = field(default_factory=Abilities)
    name: str = FBRQ
    on_answer: Callable[[Call], None] = lambda call: None
    """Told of each call whose answer is decided, before it comes."""

    async def send(self, request: Request) -> Answer:
        """Answer as the faults say."""
        timeout_seconds = request.timeout_seconds
        call = self.begin(request.message_id, request.phone_number, request.text)
        call.timeout_us = int(timeout_seconds * 1_000_000)
        delay_seconds = self.random.uniform(*self.faults.latency_seconds)
        answer, call.http_status = self._answer(request.phone_number)
        if answer is None:
            delay_seconds = timeout_seconds + 1
        elif not answer.arrived:
            call.arrived, delay_seconds = False, 0.001
        call.is_lost = answer is None or call.http_status in ODD_STATUSES
        self.on_answer(call)
        await nap(min(delay_seconds, timeout_seconds))
        call.ended_us = self.clock.now_us()
        call.understood = answer is not None and delay_seconds < timeout_seconds
        return answer if answer and call.understood else Answer(None, False, "timed out")

    def begin(self, message_id: int, phone_number: int, text: str) -> Call:
        """Note a call."""
        self.calls.append(Call(message_id, phone_number, text, self.clock.now_us(), provider=self.name))
        return self.calls[-1]

    async def close(self) -> None:
        """Nothing to let go of."""

    def calls_by_message(self) -> dict[int, list[Call]]:
        """All calls, by message id, in order."""
        calls = defaultdict(list)
        for call in self.calls:
            calls[call.message_id].append(call)
        return dict(calls)

    def _answer(self, phone_number: int) -> tuple[Answer | None, int | None]:
        faults, dice = self.faults, self.random.random()
        if phone_number in self.rejects or dice < faults.reject:
            self.rejects.add(phone_number)
            return Answer(400, True, "HTTP 400"), 400
        dice, odd = self.random.random(), self.random.choice(ODD_STATUSES)
        for share, answer, status in (
            (faults.unavailable, Answer(503, True, "HTTP 503"), 503),
            (faults.throttle, Answer(BUSY, True, "HTTP 429", str(BUSY_SECONDS)), BUSY),
            (faults.hang, None, None),
            (faults.lose_answer, None, 200),
            (faults.refuse, Answer(None, False, "connection refused", arrived=False), None),
            (faults.misroute, Answer(odd, odd != NOT_THE_PROVIDERS, ""), odd),
            (faults.forbid, Answer(403, True, "HTTP 403"), 403),
        ):
            if dice < share:
                return answer, status
            dice -= share
        return Answer(200, True, ""), 200


def _claims_of(verb: str, result: Any) -> list[Claim]:
    """What a verb of the store has claimed."""
    if verb == "claim_all":
        return [claim for claims in result for claim in claims]
    return list(result) if verb == "claim" else []


class FaultyStore:
    """Any store, with delays and failures before and after each transaction."""

    def __init__(self, store: Any, random: Random, faults: Faults) -> None:
        self._store, self._random, self._faults = store, random, faults
        self.shared: bool = store.shared
        self.is_away = False
        """Nothing works."""
        self.failures = 0
        self.claims: list[Claim] = []
        """All that were committed."""
        self.claimed, self.is_claiming = asyncio.Event(), asyncio.Event()
        """Set when some were, and when the answer is on its way for long."""
        self.on_built: Callable[[int], None] = lambda mailing_id: None
        """Told of each audience that is complete."""
        self.lost_claims: list[Claim] = []
        """Claims that were committed, of which nobody was told."""

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._store, verb)

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._delay()
            self._fail(self._faults.store_fails, verb)
            result = await method(*args, **kwargs)
            if verb == "build_audience" and result:
                self.on_built(args[0])
            claims = _claims_of(verb, result)
            if claims:
                self.claims += claims
                self.claimed.set()
                await self._delay(self.is_claiming)
            else:
                await self._delay()
            try:
                self._fail(self._faults.store_fails_after, verb)
            except StoreUnavailable:
                self.lost_claims += claims
                raise
            return result

        self.__dict__[verb] = call
        return call

    async def _delay(self, told: asyncio.Event | None = None) -> None:
        stalls = self._faults.store_stalls and self._random.random() < self._faults.store_stalls
        delay_seconds = self._random.uniform(*self._faults.store_seconds) + _STALL_SECONDS * bool(stalls)
        if told is not None and delay_seconds > _LONG_SECONDS:
            told.set()
        await nap(delay_seconds)

    def _fail(self, share: float, verb: str) -> None:
        if self.is_away or (share and self._random.random() < share):
            self.failures += 1
            raise StoreUnavailable(f"simulated failure of {verb}")


class NoMeter:
    """Counts nothing."""

    def recorded(self, records: Any) -> None:
        """Nobody looks."""
