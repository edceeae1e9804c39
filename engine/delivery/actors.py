"""The actors of delivery: each is one task with one inbox. All of them are built here, complete."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random

from engine.delivery.audience_builder import AudienceBuilder
from engine.delivery.changed_clients import ChangedClients
from engine.delivery.clock_watch import ClockWatch
from engine.delivery.control_keeper import ControlKeeper
from engine.delivery.leases import LeaseKeeper
from engine.delivery.marker import Marker
from engine.delivery.plan_reader import PlanReader
from engine.delivery.reactions import Reactions
from engine.delivery.recorder import Recorder
from engine.delivery.recovery import Recovery
from engine.delivery.state import State
from engine.delivery.supervisor import Supervisor
from engine.delivery.ticker import Ticker
from engine.delivery.trials import Trials
from engine.delivery.worker import Worker
from engine.ports import Meter, Store


class Actors:
    """One set for an engine."""

    def __init__(self, store: Store, state: State, meter: Meter, random: Random) -> None:
        self._state = state
        # The reactions are called by the actors and act through them. Nothing runs before all of them are built.
        self.reactions = reactions = Reactions(state, self, meter)
        for line in state.lines:
            line.gate.on_change = partial(reactions.gate_changed, line)
        self.supervisor = Supervisor(state.clock, random)
        self.plans = PlanReader(store, state)
        self.recorder = Recorder(store, state, on_stored=reactions.outcomes_stored)
        self.marker = Marker(store, owner=state.engine_id)
        self._workers = [
            Worker(state, line, marker=self.marker, recorder=self.recorder, random=random) for line in state.lines
        ]
        self.ticker = Ticker(store, state, plans=self.plans, recorder=self.recorder)
        self.trials = Trials(state)
        self.builder = AudienceBuilder(store, state, on_ready=reactions.audiences_ready)
        self.clock_watch = ClockWatch(store, state)
        self.leases = LeaseKeeper(store, state, on_lost=reactions.claims_lost)
        self.recovery = Recovery(store, state)
        self.control = ControlKeeper(
            store, state, on_read=self.recovery.contact.touch, on_control=reactions.control_read
        )
        self.clients = ChangedClients(
            store, state, ticker=self.ticker, recorder=self.recorder, agreed=self.control.agreed
        )

    def start(self) -> None:
        """Let all of them run. What takes work away comes before what brings it."""
        self.supervisor.start("recorder", self.recorder.run)
        self.supervisor.start("marker", self.marker.run)
        self.supervisor.start("control", self.control.run)
        self.supervisor.start("leases", self.leases.run)
        self.supervisor.start("recovery", self.recovery.run)
        self.supervisor.start("audience_builder", self.builder.run)
        self.supervisor.start("clock_watch", self.clock_watch.run)
        self.supervisor.start("ticker", self.ticker.run)
        self._start_workers()

    def resize(self, workers: Sequence[int]) -> None:
        """Let each line have so many workers from now on; those that are too many end after their call."""
        for line, number in zip(self._state.lines, workers, strict=True):
            line.queue.resize(number)
        if self.supervisor.names("worker-"):  # else they have not been started, or have been stopped
            self._start_workers()

    def _start_workers(self) -> None:
        running = set(self.supervisor.names("worker-"))
        for line, worker in zip(self._state.lines, self._workers, strict=True):
            whose = "worker" if len(self._state.lines) == 1 else f"worker-{line.spec.name}"
            for number in range(1, line.queue.workers + 1):
                if (name := f"{whose}-{number}") not in running:
                    self.supervisor.start(name, partial(worker.run, number))
