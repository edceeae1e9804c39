"""What delivery does when something changes: one method for each thing that may.

Whatever could forbid a call takes back what waits in the queue; whatever could allow one rings the bell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from common.alike_lines import log_alike
from common.logs import get_logger
from engine.delivery.background import Background
from engine.delivery.changed_clients import ChangedClients
from engine.delivery.control_keeper import ControlKeeper
from engine.delivery.line import Line
from engine.delivery.plan_reader import PlanReader
from engine.delivery.recorder import Recorder
from engine.delivery.state import State
from engine.delivery.waiting import SETTLE_SECONDS, wait_until
from engine.domain.breaker import BreakerState
from engine.domain.message import Event
from engine.domain.units import in_us
from engine.ports import Claim, Control, Meter, Record

_NAMES: Final = ("message_id", "mailing_id", "client_id", "attempt")

log = get_logger(__name__)


class Means(Protocol):
    """What the reactions act through: ``Actors`` has it, once it is built."""

    plans: PlanReader
    recorder: Recorder
    clients: ChangedClients
    control: ControlKeeper

    def resize(self, workers: Sequence[int]) -> None:
        """Let each line have so many workers from now on."""


class Reactions:
    """One for an engine."""

    def __init__(self, state: State, actors: Means, meter: Meter) -> None:
        self._state, self._actors, self._meter = state, actors, meter
        self._background = Background()

    # -- told by the API, after its commit -------------------------------------------------------
    async def mailing_changed(self, mailing_id: int, *, is_new: bool) -> None:
        """A mailing was changed through this engine. Returns when no call that the change forbids can start, on this
        engine or another.

        ``is_new``: one was made, and nothing else, so there is nothing to take back from anybody. (That this engine
        does not know a mailing yet does not say so: another one may.)
        """
        await self._background.to_the_end(self._follow_mailing(mailing_id, is_new))

    async def control_changed(self) -> None:
        """The control record was changed through this engine. Returns when all engines act by it."""
        await self._background.to_the_end(self._follow_control())

    # -- told by the actors ----------------------------------------------------------------------
    async def control_read(self, control: Control) -> None:
        """There is a new revision: act by the control record, and by what other engines have changed."""
        state = self._state
        state.pause(control.sending_paused)
        rates = [state.rate_of(line, control) for line in state.lines]
        state.shares.divide(rates, state.engine_id, [one.engine_id for one in control.engines])
        self._actors.resize([state.workers_of(line, control) for line in state.lines])
        await self._actors.plans.reload()
        await self._actors.clients.check()
        await self._retract()
        state.bell.ring()

    def gate_changed(self, line: Line) -> None:
        """The breaker has changed its state, calls are held, or the store is away or back. While calls wait, what is
        queued goes back uncalled: another provider may have it, or take over what is free."""
        gate = line.gate
        if gate.breaker.state is not BreakerState.CLOSED or gate.held_until_us(self._state.clock.now_us()):
            self._actors.recorder.withdraw(lambda claim: claim.provider_id == line.provider_id)
        if len(self._state.lines) > 1:
            for entry in self._state.book:
                entry.expects(0)
        self._state.bell.ring()

    def outcomes_stored(self, slots: Mapping[int, int], records: list[Record]) -> None:
        """So many slots are free again, by provider, for these outcomes are stored, or claims were given back."""
        state, now_us = self._state, self._state.clock.now_us()
        events = [record.event for record in records]
        if state.settings.log_messages == "all":
            _tell_sent(records, state.lines)
        for line in state.lines:
            busy_workers = line.busy_workers
            line.queue.free(slots.get(line.provider_id, 0))
            line.sent_rate.add(_accepted(records, events, line, state.lines), now_us, busy_workers=busy_workers)
        if Event.LACK in events:
            # Nothing of what was claimed may have come to the queue, whose emptying rings otherwise.
            state.bell.ring_for_work()
            records = [record for record in records if record.event is not Event.LACK]
        self._meter.recorded(records)
        if not events or Event.DEFER in events or Event.MISS in events:
            state.bell.ring_for_work()  # something is pending again

    def claims_lost(self, claims: list[Claim]) -> None:
        """These claims are another engine's by now: nothing is given back, for they are not ours to give."""
        message_ids = {claim.message_id for claim in claims}
        for line in self._state.lines:
            line.queue.withdraw(lambda claim: claim.message_id in message_ids)
        self._state.hand.drop(claims)

    def audiences_ready(self, mailing_ids: Sequence[int]) -> None:
        """Audiences are complete, or deleted mailings are gone: the book is out of date."""
        self._background.start(self._reload(mailing_ids))

    # -- inside ----------------------------------------------------------------------------------
    async def _follow_mailing(self, mailing_id: int, is_new: bool) -> None:
        await self._actors.plans.reload([mailing_id])
        await self._retract()
        self._state.bell.ring()
        if not is_new:
            await self._actors.control.agreed()

    async def _follow_control(self) -> None:
        await self._actors.control.acknowledge()
        await self._actors.control.agreed()

    async def _reload(self, mailing_ids: Sequence[int]) -> None:
        await self._actors.plans.reload(mailing_ids)
        self._state.bell.ring_for_work()

    async def _retract(self) -> None:
        """Give back queued messages that may not be sent now, and wait a little for calls in flight."""
        book, clock, is_shut = self._state.book, self._state.clock, self._state.is_shut
        recorder, now_us = self._actors.recorder, clock.now_us()
        stopped = {entry.plan.mailing_id for entry in book if is_shut or not entry.may_send(now_us)}
        recorder.withdraw(lambda claim: claim.mailing_id in stopped or book.get(claim.mailing_id) is None)
        if self._state.stopping:
            return
        calling = [entry for entry in book if entry.plan.mailing_id in stopped]
        until_us = clock.monotonic_us() + in_us(SETTLE_SECONDS)
        await wait_until(
            lambda: not recorder.returns and not any(entry.in_flight for entry in calling), clock, until_us
        )


def _accepted(records: Sequence[Record], events: Sequence[Event], line: Line, lines: Sequence[Line]) -> int:
    """How many of these a line's provider has accepted."""
    if len(lines) == 1:
        return events.count(Event.ACCEPT)
    return sum(record.event is Event.ACCEPT and record.provider_id == line.provider_id for record in records)


def _tell_sent(records: Sequence[Record], lines: Sequence[Line]) -> None:
    """A line in the log for each that was accepted; what failed has one from its worker."""
    for line in lines:
        sent = [
            (each.message_id, each.mailing_id, each.client_id, each.attempt)
            for each in records
            if each.event is Event.ACCEPT and each.provider_id == line.provider_id
        ]
        if sent:
            log_alike(log, "message.sent", _NAMES, sent, provider=line.spec.name)
