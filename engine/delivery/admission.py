"""May this be called now? All that decide about calls to a provider ask here.

The ticker asks before it claims, the queue when a worker takes a message, and the worker right before the call, for
much may have changed since the claim. The answer depends on three things, in this order:

- the engine: pause, breaker, ``Retry-After``, the store, the other engines, the provider's rate (``gate.py``);
- the mailing: its window, whether it is held, its rate (``book.py``);
- the message: whose it is, what was read of its client, and the client's local hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final

from engine.delivery.book import Book, Entry
from engine.delivery.gate import Gate
from engine.delivery.hand import Hand
from engine.delivery.shared_clock import SharedClock
from engine.domain.breaker import BreakerState
from engine.domain.pacing import TokenBucket
from engine.domain.validate import SEGMENTS_MAX
from engine.ports import Claim
from engine.provider.spec import RateUnit

_MARKING_SECONDS: Final = 0.1
"""Where marks are stored before the calls, and a rate limits these, so many seconds' worth of calls may wait for their
marks and tokens: more than a commit takes."""


class Claiming(Enum):
    """What the ticker may claim."""

    NOTHING = "nothing"
    PROBE = "probe"
    """One message of all mailings: the breaker lets through no more."""
    ALL = "all"


class Admission:
    """One for each provider. Everything here is decided without waiting."""

    def __init__(
        self,
        *,
        gate: Gate,
        book: Book,
        hand: Hand,
        clock: SharedClock,
        lease_margin_us: int,
        rate_unit: RateUnit = RateUnit.MESSAGES,
        segments_max: int = SEGMENTS_MAX,
    ) -> None:
        """``lease_margin_us``: a lease that ends within that time is too short for a call. ``rate_unit``: what the
        provider's rate counts. ``segments_max``: that a text may take."""
        self._tokens_of, self._segments_max = rate_unit.tokens, segments_max
        self._weighs = rate_unit is RateUnit.SEGMENTS
        self._gate, self._entry_of, self._hand, self._clock = gate, book.get, hand, clock
        # The lease keeper renews all leases in hand, those of calls in flight too. So a lease that is nearly over means
        # that this engine was frozen or that the store is away.
        self._lease_margin_us = lease_margin_us

    # -- asked by the ticker -----------------------------------------------------------------------
    def claiming(self, now_us: int) -> Claiming:
        """What may be claimed now, of all mailings together."""
        gate = self._gate
        if gate.is_shut or gate.is_stale() or gate.held_until_us(now_us):
            return Claiming.NOTHING
        if gate.breaker.state is BreakerState.CLOSED:
            return Claiming.ALL
        return Claiming.PROBE if gate.ready_us(now_us) == now_us else Claiming.NOTHING

    def is_open(self, entry: Entry, now_us: int) -> bool:
        """Whether messages of this mailing may wait in the queue."""
        return not self._gate.is_shut and entry.may_send(now_us)

    # -- asked by the queue ------------------------------------------------------------------------
    def is_unlimited(self, mailing_id: int) -> bool:
        """True when neither the engine nor the mailing limits calls: nearly always, and then mostly there is nothing
        else to ask, not even the time. The worker asks for the rest."""
        if not self._gate.is_free:
            return False
        entry = self._entry_of(mailing_id)
        return entry is None or entry.is_plain

    def choose(
        self, mailing_ids: Iterable[int], lanes: Mapping[int, Sequence[Claim]], now_us: int
    ) -> tuple[int | None, int | None]:
        """Choose the first of these mailings that may have a call now, and take the tokens for it.

        Args:
            mailing_ids: in turn.
            lanes: the claims of each, in the order in which they are to be called.
            now_us: the time.

        Returns:
            The mailing and ``now_us``; or ``None`` and when to ask again, ``None``: when something has changed.
        """
        gate = self._gate
        if not gate.is_free and (ready_us := gate.ready_us(now_us)) != now_us:
            return None, ready_us
        has_token = not gate.wait_us()
        for mailing_id in mailing_ids:
            entry = self._entry_of(mailing_id)
            if entry is None or ((has_token or entry.marks_first) and self._takes_tokens(entry, lanes[mailing_id])):
                return mailing_id, now_us
        return None, self._next_token_us(mailing_ids, lanes, now_us)

    def begin(self, message_id: int, now_us: int) -> None:
        """The message that was chosen is on its way to its call."""
        self._gate.start(message_id, now_us)

    def tokens(self, claim: Claim, entry: Entry) -> int:
        """How many tokens of the provider's rate the call of a message takes."""
        if not self._weighs:
            return 1
        letter = entry.letter
        if letter is None and claim.person is not None:
            letter = claim.person.letter(entry.template, self._segments_max)
        return 1 if letter is None else self._tokens_of(letter.text)

    def _takes_tokens(self, entry: Entry, lane: Sequence[Claim]) -> bool:
        if entry.marks_first:
            # Its tokens are taken after the mark. Few messages wait for them at a time, for these hold slots meanwhile.
            rates = [bucket.rate_per_second for bucket in (entry.bucket, self._gate.bucket) if bucket is not None]
            slowest = min((rate for rate in rates if rate), default=None)
            return slowest is None or entry.marking <= slowest * _MARKING_SECONDS
        if entry.bucket is None and not self._gate.bucket.rate_per_second:
            return True
        return self._gate.take(entry.bucket, self.tokens(lane[0], entry))

    def _next_token_us(
        self, mailing_ids: Iterable[int], lanes: Mapping[int, Sequence[Claim]], now_us: int
    ) -> int | None:
        """When the first of these mailings has its tokens, all of which wait; ``None``: when a mark is stored."""
        entries = [(self._entry_of(mailing_id), lanes[mailing_id]) for mailing_id in mailing_ids]
        paced = [(entry, lane[0]) for entry, lane in entries if entry is not None and not entry.marks_first]
        waits = (self._gate.wait_us(entry.bucket, self.tokens(claim, entry)) for entry, claim in paced)
        return min((now_us + wait_us for wait_us in waits), default=None)

    # -- asked by the worker -----------------------------------------------------------------------
    def check(self, claim: Claim, now_us: int) -> tuple[Entry | None, int]:
        """The last check before a call.

        Returns:
            The mailing's entry, when the message may be called. Otherwise ``None`` and when the message is due again,
            0: as soon as its mailing may send.
        """
        entry, due_us = self._entry_of(claim.mailing_id), 0
        if (
            entry is not None
            and entry.from_us <= now_us < entry.until_us
            and (self._gate.is_free or self._gate.allows(claim.message_id, now_us))
        ):
            due_us = now_us if entry.plan.local_hours is None else entry.opens_us(claim.time_zone, now_us)
            if due_us == now_us and self._is_ours(claim):
                return entry, now_us
        return None, due_us

    def allows(self, claim: Claim, entry: Entry, now_us: int) -> bool:
        """Whether a message that waits for its token may still be called, as far as engine and mailing say."""
        return entry.may_send(now_us) and self._gate.allows(claim.message_id, now_us)

    def _is_ours(self, claim: Claim) -> bool:
        until_us = self._clock.now_us() + self._lease_margin_us
        # While its first lease lasts, nobody else can have the message: no need to search for a renewed one.
        fresh = claim.lease_until_us > until_us and not self._hand.revoked
        return fresh or self._hand.holds(claim, until_us)

    # -- asked by liveness: why nothing moves ------------------------------------------------------
    def why_held(self, now_us: int) -> str:
        """Why this engine may neither claim nor call just now, in words; empty: it may."""
        gate = self._gate
        if gate.sending_paused:
            return "sending is paused"
        if gate.breaker.state is not BreakerState.CLOSED:
            return "the breaker is not closed"
        return "the provider wants no call yet" if gate.held_until_us(now_us) else ""

    def why_paced(self, mailing_ids: Iterable[int]) -> str:
        """Which rate keeps all messages of these mailings back, in words; empty: none does."""
        if not self._gate.has_share or self._gate.wait_us():
            return "the provider's rate"
        waits = [self._waits_for_token(self._entry_of(mailing_id)) for mailing_id in mailing_ids]
        return "the mailings' rates" if waits and all(waits) else ""

    def _waits_for_token(self, entry: Entry | None) -> bool:
        bucket: TokenBucket | None = None if entry is None else entry.bucket
        if entry is None or bucket is None:
            return False
        # Where marks come first, messages hold slots while they wait for their tokens, and few may.
        return bool(self._gate.wait_us(bucket)) or (entry.marks_first and entry.marking > 0)
