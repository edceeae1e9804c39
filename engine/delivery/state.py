"""What the actors share: all of it in memory, and asked without waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from engine.delivery.bell import Bell
from engine.delivery.book import Book
from engine.delivery.hand import Hand
from engine.delivery.line import Common, Line, Supplier
from engine.delivery.on_way import CallsOnWay
from engine.delivery.router import Router
from engine.delivery.settings import DeliverySettings
from engine.delivery.shared_clock import SharedClock
from engine.delivery.shares import Shares
from engine.ports import Control


class State:
    """One for an engine. What holds up all calls, whichever provider's they are, goes through here to each gate."""

    def __init__(
        self,
        engine_id: int,
        clock: SharedClock,
        settings: DeliverySettings,
        suppliers: Mapping[int, Supplier],
        random: Random,
    ) -> None:
        """``engine_id``: under which the other engines know this one. ``suppliers``: by the numbers under which the
        store knows them, in the order in which they are asked."""
        self.engine_id, self.settings = engine_id, settings
        self.clock, self.shared_clock = clock.own, clock
        on_way = CallsOnWay(self.clock)
        self.bell, self.hand, self.book = Bell(), Hand(), Book(on_way, lines=len(suppliers))
        common = Common(settings, clock, on_way, self.bell, self.hand, self.book, random)
        self.lines = tuple(Line(number, id, suppliers[id], common) for number, id in enumerate(suppliers))
        self.router = Router(self.lines)
        gates = [line.gate for line in self.lines]
        self.shares = Shares(gates=gates, book=self.book, bell=self.bell, clock=self.clock)
        self._gates = gates

    # -- what holds up all calls -----------------------------------------------------------------
    def pause(self, paused: bool) -> None:
        """The operator's switch."""
        for gate in self._gates:
            gate.pause(paused)

    def stop(self) -> None:
        """For good: the engine is stopping."""
        for gate in self._gates:
            gate.stop()

    def watch(self, is_stale: Callable[[], bool]) -> None:
        """There may be other engines: ask this before each call."""
        for gate in self._gates:
            gate.watch(is_stale)

    def hear_store(self, answers: bool) -> None:
        """The store has answered, or has failed to."""
        for gate in self._gates:
            gate.hear_store(answers)

    @property
    def sending_paused(self) -> bool:
        """The operator's switch is off."""
        return self._gates[0].sending_paused

    @property
    def stopping(self) -> bool:
        """The engine begins no call any more."""
        return self._gates[0].stopping

    @property
    def is_shut(self) -> bool:
        """No call may start until somebody says so: sending is paused, or the engine is stopping."""
        return self._gates[0].is_shut

    @property
    def is_stale(self) -> bool:
        """The control record was read too long ago: with other engines on the database, no call begins."""
        return self._gates[0].is_stale()

    @property
    def store_away(self) -> bool:
        """The store has not answered since it failed."""
        return self._gates[0].store_away

    # -- all lines together ----------------------------------------------------------------------
    @property
    def is_steered(self) -> bool:
        """Workers and rate can be changed while engines run: there is one provider, and the settings say it."""
        return all(line.is_steered for line in self.lines)

    @property
    def workers(self) -> int:
        """How many calls this engine makes at the same time, at most."""
        return sum(line.queue.workers for line in self.lines)

    @property
    def in_flight(self) -> int:
        """Messages between a queue and the store; 0: every outcome is stored."""
        return sum(line.queue.in_flight for line in self.lines)

    @property
    def queued(self) -> int:
        """Messages that wait in the queues."""
        return sum(len(line.queue) for line in self.lines)

    def per_second(self, now_us: int) -> float:
        """How many messages a second were sent lately."""
        return sum(line.sent_rate.per_second(now_us) for line in self.lines)

    def rate_of(self, line: Line, control: Control | None) -> float:
        """A provider's budget of all engines together, tokens a second; 0: no limit."""
        return self.settings.rate_by(control) if line.is_steered else line.spec.rate

    def workers_of(self, line: Line, control: Control) -> int:
        """How many workers a line of this engine has."""
        return self.settings.workers_by(control) if line.is_steered else line.spec.workers
