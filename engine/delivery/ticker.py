"""Due messages from the store into the queue, mailings past their end out of the way.

It runs every tick and wakes early for whatever comes first: a start time, a due
retry, an end, a breaker's probe, a lane of the queue that runs low, or somebody
who rings the bell because something changed.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from common.logs import get_logger
from engine.delivery.admission import Claiming
from engine.delivery.book import Entry
from engine.delivery.plan_reader import PlanReader
from engine.delivery.recorder import Recorder
from engine.delivery.state import State
from engine.domain.breaker import BreakerState
from engine.domain.fairness import fair_shares
from engine.domain.message import Event
from engine.domain.pacing import TokenBucket
from engine.domain.units import US_PER_SECOND, in_us
from engine.ports import Claim, Return, Store

_SWEEP_ROWS = 5_000
_REST_US_MIN = 500
# A claim that brings less than asked for, while the store still says "due", found rows locked by another engine: ask
# again soon, but don't spin.
_CONTENDED_US = 20_000
# A mailing with a rate needs no more in the queue than it may send soon; the rest is for other engines.
_PACED_SECONDS = 0.5
_PACED_US = in_us(_PACED_SECONDS)

log = get_logger(__name__)


class Ticker:
    """An actor; its inbox is the bell."""

    def __init__(self, store: Store, state: State, *, plans: PlanReader, recorder: Recorder) -> None:
        self._store, self._owner, self._plans, self._recorder = store, state.engine_id, plans, recorder
        self._book, self._queue, self._gate, self._hand = state.book, state.queue, state.gate, state.hand
        self._clock, self._shared_clock, self._bell = state.clock, state.shared_clock, state.bell
        self._admission = state.admission
        self._tick_us = in_us(state.settings.tick_seconds)
        self._lease_us = in_us(state.settings.lease_seconds)
        self._segments_max = state.settings.segments_max
        self._next_tick_us = 0
        self._last_probed = 0
        self._last_served = 0
        self._changed_clients: set[int] | None = None
        self._checks_arrivals = False
        self.due_lag_seconds = 0.0
        """How long the oldest due message has waited, as seen at the last tick."""

    def clients_changed(self, client_ids: Iterable[int]) -> None:
        """A claim under way may have read these clients as they were before."""
        if self._changed_clients is not None:
            self._changed_clients.update(client_ids)

    def check_arrivals(self) -> None:
        """A claim under way may have read clients as they were before another engine changed them."""
        self._checks_arrivals = self._changed_clients is not None

    async def run(self) -> None:
        """Keep the queue filled for ever."""
        while True:
            self._bell.work.clear()
            now_us = self._clock.now_us()
            if now_us >= self._next_tick_us or self._next_tick_us - now_us > self._tick_us:
                await self._tick(now_us)
            if not await self._turn():
                await self._rest(now_us)

    async def _tick(self, now_us: int) -> None:
        await self._plans.reload()
        self._book.ask_all()
        self.due_lag_seconds = await self._lag_seconds(now_us)
        self._next_tick_us = now_us + self._tick_us

    async def _lag_seconds(self, now_us: int) -> float:
        lag_us = 0
        for entry in list(self._book):
            if entry.may_send(now_us) and entry.plan.pending:
                due_us = await self._store.next_due_us(entry.plan.mailing_id)
                if due_us is not None:
                    lag_us = max(lag_us, now_us - max(due_us, entry.plan.start_us))
        return lag_us / US_PER_SECOND

    async def _turn(self) -> bool:
        """Sweep and fill once; True when there is more to do at once."""
        more = False
        for entry in list(self._book):
            now_us = self._clock.now_us()
            if entry.is_over(now_us):
                self._empty_lane(entry.plan.mailing_id)
                if entry.asks(now_us):
                    more |= await self._sweep(entry, now_us)
        for mailing_id, rows in self._shares(self._clock.now_us()).items():
            # Room that a mailing did not fill is for those that ask as well: nobody wakes us for it.
            more |= await self._claim(mailing_id, rows)
        return more

    def _empty_lane(self, mailing_id: int) -> None:
        """Give back what waits in the queue: it would wait for its token beyond the mailing's end."""
        if self._queue.queued(mailing_id):
            self._recorder.withdraw(lambda claim: claim.mailing_id == mailing_id)

    async def _sweep(self, entry: Entry, now_us: int) -> bool:
        entry.ask_us = None
        sweep = self._store.cancel_pending if entry.plan.cancelled else self._store.expire
        try:
            swept = await sweep(entry.plan.mailing_id, _SWEEP_ROWS, now_us)
        except BaseException:
            entry.expects(0)
            raise
        if swept < _SWEEP_ROWS:
            return False
        entry.expects(0)
        return True

    def _shares(self, now_us: int) -> dict[int, int]:
        """How many messages to claim for each mailing now."""
        allowed = self._admission.claiming(now_us)
        if allowed is Claiming.NOTHING or self._recorder.is_unsure:
            return {}
        if allowed is Claiming.PROBE:
            return self._probe_share(now_us)
        active = [
            entry
            for entry in self._book
            if entry.may_send(now_us) and (entry.asks(now_us) or self._queue.queued(entry.plan.mailing_id))
        ]
        # One share is always left free, so that a newcomer finds room at once.
        share = max(1, self._queue.capacity // (len(active) + 1))
        wants = {entry.plan.mailing_id: want for entry in active if (want := self._want(entry, share, now_us)) > 0}
        room = max(0, self._queue.capacity - len(self._queue))
        return fair_shares(wants, room) if room >= len(wants) else self._in_turn(wants, room)

    def _in_turn(self, wants: dict[int, int], room: int) -> dict[int, int]:
        """A place each, for as many as there is room: first those who come after the one served last."""
        first = bisect_right(ids := sorted(wants), self._last_served)
        served = (ids[first:] + ids[:first])[:room]
        self._last_served = served[-1] if served else self._last_served
        return dict.fromkeys(served, 1)

    def _want(self, entry: Entry, share: int, now_us: int) -> int:
        if not entry.asks(now_us):
            return 0
        if entry.bucket is not None:
            share = min(share, int(entry.bucket.rate_per_second * _PACED_SECONDS) + 1)
            if self._is_far(entry.bucket):
                return 0  # a place in the queue is for who can use it
        queued = self._queue.queued(entry.plan.mailing_id)
        # Few large claims are cheaper than many small ones: wait until half of the lane is gone.
        return share - queued if queued <= share // 2 else 0

    def _is_far(self, bucket: TokenBucket) -> bool:
        """Whether the next token of a mailing is so far that another turn comes before it."""
        return self._gate.wait_us(bucket) - self._gate.wait_us() > _PACED_US

    def _probe_share(self, now_us: int) -> dict[int, int]:
        """One message for the breaker's probe, of each mailing in turn; the others lose no attempt."""
        if len(self._queue):
            return {}
        asking = [e.plan.mailing_id for e in self._book if e.may_send(now_us) and e.asks(now_us)]
        if not asking:
            return {}
        self._last_probed = next((m for m in asking if m > self._last_probed), asking[0])
        return {self._last_probed: 1}

    async def _claim(self, mailing_id: int, rows: int) -> bool:
        """Claim; True when there was less than asked for."""
        entry = self._book.get(mailing_id)
        if entry is None:
            return False
        async with self._recorder.claiming:
            return not self._recorder.is_unsure and await self._claim_of(entry, rows) < rows

    async def _claim_of(self, entry: Entry, rows: int) -> int:
        mailing_id, now_us = entry.plan.mailing_id, self._clock.now_us()
        lease_until_us = self._shared_clock.now_us() + self._lease_us
        generation = entry.plan.audience_generation
        # Cleared before the question: due work that is noted while the store answers must not be overwritten.
        entry.ask_us = None
        self._changed_clients, self._checks_arrivals = set(), False
        try:
            claims = await self._store.claim(
                mailing_id,
                rows,
                owner=self._owner,
                now_us=now_us,
                lease_until_us=lease_until_us,
                personal=entry.letter is None,
            )
        except BaseException:
            entry.expects(now_us)
            raise
        finally:
            changed, self._changed_clients = self._changed_clients, None
        if len(claims) == rows:
            entry.expects(0)
        self._hand.add(claims)
        if self._checks_arrivals:
            await self._check(claims)
        self._take_in(entry, claims, changed, generation)
        if len(claims) < rows:
            try:
                due_us = await self._store.next_due_us(mailing_id)
            except BaseException:
                entry.expects(now_us)
                raise
            if due_us is not None:
                entry.put_off(max(due_us, now_us + _CONTENDED_US))
        return len(claims)

    async def _check(self, claims: list[Claim]) -> None:
        """Revoke what is out of date already."""
        try:
            self._hand.revoke(await self._store.outdated(claims, owner=self._owner))
        except BaseException:
            self._hand.revoke(claim.message_id for claim in claims)
            self._recorder.give_back([claim.given_back() for claim in claims])
            raise

    def _take_in(self, entry: Entry, claims: list[Claim], changed: set[int], generation: int) -> None:
        """Put claims into the queue, and give back those that may not be called: their client's local hours are closed,
        or the mailing or the client was changed since the claim began. Those that would be called, and for whose
        clients there is no text, end here: a rate's token is not for them."""
        now_us = self._clock.now_us()
        is_current = self._book.get(entry.plan.mailing_id) is entry and entry.plan.audience_generation == generation
        if not is_current or not self._admission.is_open(entry, now_us):
            back = [claim.given_back() for claim in claims]
        elif entry.plan.local_hours is None and not changed and not self._hand.revoked:
            back = []
        else:
            back = list(self._waiting(entry, claims, changed, now_us))
        self._recorder.give_back(back)
        if back:
            waiting = {claim.message_id for claim in back}
            claims = [claim for claim in claims if claim.message_id not in waiting]
        if entry.letter is None:
            claims = list(self._with_text(entry, claims, now_us))
        self._queue.put(entry.plan.mailing_id, claims)

    def _with_text(self, entry: Entry, claims: list[Claim], now_us: int) -> Iterator[Claim]:
        for claim in claims:
            lack = ""
            if claim.person is not None:  # else the mailing was edited meanwhile: the worker gives it back
                try:
                    lack = claim.person.letter(entry.template, self._segments_max).lack
                except Exception:
                    lack = ""  # the worker meets it again, and makes it this one message's trouble
            if lack:
                self._recorder.put(claim.ended(Event.LACK, now_us, now_us, None, lack, 0, None))
            else:
                yield claim

    def _waiting(self, entry: Entry, claims: list[Claim], changed: set[int], now_us: int) -> Iterator[Return]:
        for claim in claims:
            try:
                opens_us = entry.opens_us(claim.time_zone, now_us)
            except Exception:
                opens_us = now_us  # the worker meets it again, and makes it this one message's trouble
            if opens_us > now_us or claim.client_id in changed or claim.message_id in self._hand.revoked:
                yield claim.given_back(opens_us if opens_us > now_us else 0)

    async def _rest(self, began_us: int) -> None:
        """Until the bell rings, or what comes first after ``began_us``, when this turn began: a moment that has passed
        since, while the store was busy, was not seen by this turn."""
        # The loop's timers round down, the wall clock may be slewed: a little late beats a spin. And a clock that was
        # put back since the turn began must not make the rest longer than a tick.
        delay_us = max(self._wake_us(began_us) - self._clock.now_us(), _REST_US_MIN)
        delay_seconds = min(delay_us, max(self._tick_us, _REST_US_MIN)) / US_PER_SECOND
        try:
            async with asyncio.timeout(delay_seconds):
                await self._bell.work.wait()
        except TimeoutError:
            pass

    def _wake_us(self, now_us: int) -> int:
        moments = [self._next_tick_us]
        for entry in self._book:
            moments += (entry.plan.start_us, entry.plan.end_us)
            if entry.ask_us is not None and entry.may_send(now_us):
                moments.append(entry.ask_us)
                if entry.bucket is not None and self._is_far(entry.bucket):
                    moments.append(now_us + self._gate.wait_us(entry.bucket) - _PACED_US)
        if self._gate.breaker.state is not BreakerState.CLOSED:
            moments.append(self._gate.ready_us(now_us) or 0)
        moments.append(self._gate.held_until_us(now_us))
        return min((moment for moment in moments if moment > now_us), default=now_us)
