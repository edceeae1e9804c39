"""Due messages from the store into the queue of one line."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from engine.delivery.admission import Claiming
from engine.delivery.book import Entry
from engine.delivery.line import Line
from engine.delivery.recorder import Recorder
from engine.delivery.router import are_alike
from engine.delivery.state import State
from engine.domain.breaker import BreakerState
from engine.domain.fairness import fair_shares
from engine.domain.message import Event
from engine.domain.pacing import TokenBucket
from engine.domain.routing import ANY_NUMBER, Ask, Route, bound_to
from engine.domain.units import in_us
from engine.ports import Claim, Plan, Return, Store

# A claim that brings less than asked for, while the store still says "due", found rows locked by another engine: ask
# again soon, but don't spin.
_CONTENDED_US = 20_000
# After so long the ticker looks whom it should claim for next. To look takes 2 ms with 2,000 mailings.
_TURN_US = 10_000
# A mailing with a rate needs no more in the queue than it may send soon; the rest is for other engines.
_PACED_SECONDS = 0.5
_PACED_US = in_us(_PACED_SECONDS)
_GROUP_MAX = 16
"""Mailings that are claimed for in one transaction, at most. A transaction costs as much of the processor as the claims
of a hundred messages (0.4 ms); a new mailing waits for what is under way."""


class _Asked(NamedTuple):
    """What is claimed of a mailing, and how the mailing was then."""

    entry: Entry
    plan: Plan
    rows: int
    route: Route


class Claimer:
    """One for each line; the ticker asks them in turn."""

    def __init__(self, store: Store, state: State, line: Line, *, recorder: Recorder) -> None:
        self._store, self._owner, self._recorder = store, state.engine_id, recorder
        self._line, self._number, self._router = line, line.number, state.router
        self._book, self._queue, self._gate, self._hand = state.book, line.queue, line.gate, state.hand
        self._bell = state.bell
        self._clock, self._shared_clock = state.clock, state.shared_clock
        self._admission = line.admission
        self._lease_us = in_us(state.settings.lease_seconds)
        self._segments_max = state.settings.segments_max
        self._last_probed = 0
        self._last_served = 0
        self._changed_clients: set[int] | None = None
        self._checks_arrivals = False

    def clients_changed(self, client_ids: Iterable[int]) -> None:
        """A claim under way may have read these clients as they were before."""
        if self._changed_clients is not None:
            self._changed_clients.update(client_ids)

    def check_arrivals(self) -> None:
        """A claim under way may have read clients as they were before another engine changed them."""
        self._checks_arrivals = self._changed_clients is not None

    async def fill(self) -> bool:
        """Claim what there is room for; True when there is more to do at once."""
        more, began_us = False, self._clock.now_us()
        shares = self._shares(began_us)
        for group in self._groups(sorted(shares, key=self._last_claim_us)):
            # Room that a mailing did not fill is for those that ask as well: nobody wakes us for it.
            more |= await self._claim({mailing_id: shares[mailing_id] for mailing_id in group})
            if self._bell.work.is_set() and self._clock.now_us() - began_us > _TURN_US:
                break  # there may be a new mailing, which must not wait for a claim of each of the others
        return more

    def _last_claim_us(self, mailing_id: int) -> int:
        """Mailings in the order of this: a new one first, then those whose last claim is the longest ago."""
        entry = self._book.get(mailing_id)
        return 0 if entry is None else entry.last_claim_us

    def _groups(self, mailing_ids: Sequence[int]) -> list[list[int]]:
        """Whom to claim for in one transaction, in the order in which they are to be asked."""
        groups: list[list[int]] = []
        open_group: list[int] = []
        for mailing_id in mailing_ids:
            entry = self._book.get(mailing_id)
            joins = entry is not None and self._may_join(entry)
            if joins and 0 < len(open_group) < _GROUP_MAX:
                open_group.append(mailing_id)
                continue
            groups.append([mailing_id])
            if joins:
                open_group = groups[-1]
        return groups

    def _may_join(self, entry: Entry) -> bool:
        """Whether others may be claimed for in the same transaction: it changes no counters, and one route is all that
        there is to ask. With several engines others would wait for the mailings of the whole group."""
        route = self._router.route(self._line, entry.plan)
        return not (self._store.shared or route.leaves_to or self._line.quote(entry).dearest)

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
            if entry.may_send(now_us)
            and (entry.asks(now_us, self._number) or self._queue.queued(entry.plan.mailing_id))
        ]
        # One share is always left free, so that a newcomer finds room at once.
        share = max(1, self._queue.capacity // (len(active) + 1))
        wants = self._wants(active, share, now_us)
        room = max(0, self._queue.capacity - len(self._queue))
        return fair_shares(wants, room) if room >= len(wants) else self._in_turn(wants, room)

    def _in_turn(self, wants: dict[int, int], room: int) -> dict[int, int]:
        """A place each, for as many as there is room: first those who come after the one served last."""
        first = bisect_right(ids := sorted(wants), self._last_served)
        served = (ids[first:] + ids[:first])[:room]
        self._last_served = served[-1] if served else self._last_served
        return dict.fromkeys(served, 1)

    def _wants(self, active: Sequence[Entry], share: int, now_us: int) -> dict[int, int]:
        """How many each may be given, if there is room."""
        # Few large claims are cheaper than many small ones: wait until half of a lane is gone. Where one transaction
        # claims for several mailings, those that would ask soon join in.
        wants: dict[int, int] = {}
        for low in (share // 2, share * 3 // 4):
            wants = {e.plan.mailing_id: want for e in active if (want := self._want(e, share, low, now_us)) > 0}
            if not wants or len(active) == 1 or self._store.shared:
                break
        return wants

    def _want(self, entry: Entry, share: int, low: int, now_us: int) -> int:
        if not entry.asks(now_us, self._number):
            return 0
        if entry.bucket is not None:
            share = min(share, int(entry.bucket.rate_per_second * _PACED_SECONDS) + 1)
            if self._is_far(entry.bucket):
                return 0  # a place in the queue is for who can use it
        queued = self._queue.queued(entry.plan.mailing_id)
        return share - queued if queued <= low else 0

    def _is_far(self, bucket: TokenBucket) -> bool:
        """Whether the next token of a mailing is so far that another turn comes before it."""
        return self._gate.wait_us(bucket) - self._gate.wait_us() > _PACED_US

    def _probe_share(self, now_us: int) -> dict[int, int]:
        """One message for the breaker's probe, of each mailing in turn; the others lose no attempt."""
        if len(self._queue):
            return {}
        asking = [e.plan.mailing_id for e in self._book if e.may_send(now_us) and e.asks(now_us, self._number)]
        if not asking:
            return {}
        self._last_probed = next((m for m in asking if m > self._last_probed), asking[0])
        return {self._last_probed: 1}

    async def _claim(self, rows: Mapping[int, int]) -> bool:
        """Claim so many of each of these mailings; True when there was less than asked for."""
        async with self._recorder.claiming:
            if self._recorder.is_unsure:
                return False
            entries = [entry for mailing_id in rows if (entry := self._book.get(mailing_id)) is not None]
            if len(rows) > 1:  # one may have got a price meanwhile: it is asked for alone, in the next turn
                entries = [entry for entry in entries if self._may_join(entry)]
            asked = [self._asked(entry, rows[entry.plan.mailing_id]) for entry in entries]
            is_short = bool(asked) and await self._claim_of(asked)
            return is_short or 1 < len(rows) != len(asked)

    def _asked(self, entry: Entry, rows: int) -> _Asked:
        entry.last_claim_us = self._clock.monotonic_us()
        # Cleared before the question: due work that is noted while the store answers must not be overwritten.
        entry.ask_us[self._number] = None
        return _Asked(entry, entry.plan, rows, self._router.route(self._line, entry.plan))

    async def _claim_of(self, asked: Sequence[_Asked]) -> bool:
        was_open, now_us = self._line.is_open, self._clock.now_us()
        self._changed_clients, self._checks_arrivals = set(), False
        try:
            taken = [await self._taken(asked[0], now_us)] if len(asked) == 1 else await self._turn(asked, now_us)
        except BaseException:
            for item in asked:
                item.entry.expects(now_us, self._number)
            raise
        finally:
            changed, self._changed_clients = self._changed_clients, None
        for item, claims in zip(asked, taken, strict=True):
            if len(claims) == item.rows:
                item.entry.expects(0, self._number)
            self._hand.add(claims)
        for item, claims in zip(asked, taken, strict=True):
            if self._checks_arrivals:
                await self._check(claims)
            has_closed = was_open and not self._line.is_open
            entry, plan = item.entry, item.plan
            self._take_in(entry, claims, changed, is_current=not has_closed and are_alike(plan, entry.plan))
        short = [item for item, claims in zip(asked, taken, strict=True) if len(claims) < item.rows]
        try:
            for item in short:
                await self._ask_later(item.entry, item.route, now_us)
        except BaseException:
            for item in short:
                item.entry.expects(now_us, self._number)
            raise
        return bool(short)

    async def _turn(self, asked: Sequence[_Asked], now_us: int) -> list[list[Claim]]:
        """Claim for several mailings in one transaction."""
        return await self._store.claim_all(
            [Ask(item.plan.mailing_id, item.rows, item.entry.letter is None, item.route) for item in asked],
            owner=self._owner,
            now_us=now_us,
            lease_until_us=self._shared_clock.now_us() + self._lease_us,
        )

    async def _taken(self, asked: _Asked, now_us: int) -> list[Claim]:
        """Claim for a route. What is bound to a provider that is away is the probe rather than a message that another
        one could have."""
        claims: list[Claim] = []
        entry, route = asked.entry, asked.route
        for which in (
            (route,) if self._line.is_open or not route.leaves_to else (bound_to(self._line.provider_id), route)
        ):
            claims = claims or await self._store.claim(
                entry.plan.mailing_id,
                asked.rows,
                owner=self._owner,
                now_us=now_us,
                lease_until_us=self._shared_clock.now_us() + self._lease_us,
                personal=entry.letter is None,
                route=which,
                quote=self._line.quote(entry),
            )
        return claims

    async def _ask_later(self, entry: Entry, route: Route, now_us: int) -> None:
        """There is no more just now: note when there is."""
        if route.ranges not in ((), ANY_NUMBER):
            # The store would go through all that is due, for whatever numbers. What comes is told, and the tick asks.
            return
        due_us = await self._store.next_due_us(entry.plan.mailing_id, route)
        if due_us is not None:
            entry.put_off(max(due_us, now_us + _CONTENDED_US), self._number)

    async def _check(self, claims: list[Claim]) -> None:
        """Revoke what is out of date already."""
        try:
            self._hand.revoke(await self._store.outdated(claims, owner=self._owner))
        except BaseException:
            self._hand.revoke(claim.message_id for claim in claims)
            self._recorder.give_back([claim.given_back() for claim in claims])
            raise

    def _take_in(self, entry: Entry, claims: list[Claim], changed: set[int], *, is_current: bool) -> None:
        """Put claims into the queue, and give back those that may not be called: their client's local hours are closed,
        or mailing, provider or client have changed since the claim began (not ``is_current``, or ``changed``). Those
        that would be called, and for whose clients there is no text, end here: a rate's token is not for them."""
        now_us = self._clock.now_us()
        is_current &= self._book.get(entry.plan.mailing_id) is entry
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

    def moments(self, now_us: int) -> Iterator[int]:
        """When there may be something to claim; some of these times may be over."""
        for entry in self._book:
            ask_us = entry.ask_us[self._number]
            if ask_us is not None and entry.may_send(now_us):
                yield ask_us
                if entry.bucket is not None and self._is_far(entry.bucket):
                    yield now_us + self._gate.wait_us(entry.bucket) - _PACED_US
        if self._gate.breaker.state is not BreakerState.CLOSED:
            yield self._gate.ready_us(now_us) or 0
        yield self._gate.held_until_us(now_us)
