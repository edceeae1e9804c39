"""The mailings that have work left, as this engine knows them.

Everything here is memory, and rebuilt from the store at every tick and after
every change: the database is the truth, the book is what makes a decision
right before a call cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from engine.delivery.on_way import CallsOnWay
from engine.domain.pacing import RateShare, TokenBucket
from engine.domain.template import Filled, Template, template_of
from engine.domain.window import LocalHours, may_send, next_open_us
from engine.ports import AudienceState, OnUncertain, Plan

_MINUTE_US = 60_000_000
# A call on its way needs time to arrive: begun later than this before the end, it would reach the provider
# after it, and its answer would find nobody who still waits.
_LAST_CALL_US = 50_000
SWEEPING: Final = 0
"""The line whose turn it also is to ask for what is over."""


@dataclass(slots=True)
class Entry:
    """One mailing: its plan, its pace, and when to ask the store for due messages again."""

    plan: Plan
    bucket: TokenBucket | None = None
    ask_us: list[int | None] = field(default_factory=lambda: [0])
    """For each line: due work may be there from this time on; ``None``: none that we know of."""
    has_share: bool = True
    """False: the mailing's rate is so small that other engines use all of it."""
    from_us: int = 0
    until_us: int = 0
    """When calls may start (local hours aside): from ``from_us`` on, before ``until_us``; both 0 while it is held."""
    moved: int = 0
    """How often that has changed: by an edit, a pause, a resume, a new audience."""
    marks_first: bool = False
    """A mark is stored before each call: the token of the rate is taken after that, not before."""
    is_plain: bool = False
    """Neither a rate nor marks: the queue has nothing to ask."""
    template: Template = field(init=False, repr=False)
    """The plan's text, taken apart."""
    letter: Filled | None = field(init=False, repr=False)
    """The text for everyone; ``None``: each client gets one of its own."""
    read_text: str | None = field(default=None, init=False, repr=False)
    """The text of which these two were made."""
    last_claim_us: int = 0
    """When the store was asked for its messages last, on the clock that is never put back; 0: not yet."""
    marking: int = 0
    """Messages that a worker has taken and whose mark (``delivery/marker.py``) is not stored yet."""
    in_flight: int = 0
    """Messages between a worker's last check and the provider's answer."""

    def __post_init__(self) -> None:
        """Take the text apart."""
        self._read_text()

    def may_send(self, now_us: int) -> bool:
        """True when a call for this mailing may start now (local hours aside)."""
        return may_send(self.from_us, self.until_us, now_us)

    def settle(self) -> None:
        """Sum up plan, pace and share for what is asked for each message."""
        plan = self.plan
        self.marks_first = plan.on_uncertain is OnUncertain.NOT_SENT
        self.is_plain = self.bucket is None and not self.marks_first
        held = plan.paused or plan.cancelled or plan.deleted or plan.rebuilding or not self.has_share
        window = (0, 0) if held else (plan.start_us, plan.end_us - _LAST_CALL_US)
        self.moved += window != (self.from_us, self.until_us)
        self.from_us, self.until_us = window
        self._read_text()

    def _read_text(self) -> None:
        # Plans are read at every tick and every change, and their texts seldom differ: taking all apart again took most
        # of that time with a thousand mailings.
        if self.read_text == self.plan.text:
            return
        self.read_text = self.plan.text
        self.template = template = template_of(self.plan.text)
        self.letter = None if template.is_personal else Filled(template.plain, {}, "")

    def pace(self, rate_per_second: float | None) -> None:
        """Follow the rate from now on; ``None``: no limit."""
        if rate_per_second is None:
            self.bucket = None
        elif self.bucket is None:
            self.bucket = TokenBucket(rate_per_second)
        else:
            self.bucket.set_rate(rate_per_second)

    def expects(self, due_us: int, line: int | None = None) -> None:
        """Note that a message of this mailing is due at ``due_us``, for one line; ``None``: for any of them."""
        for number in range(len(self.ask_us)) if line is None else (line,):
            ask_us = self.ask_us[number]
            if ask_us is None or due_us < ask_us:
                self.ask_us[number] = due_us

    def put_off(self, due_us: int, line: int | None = None) -> None:
        """Note that a message is pending again and due at ``due_us``: ask for it then, but at the
        mailing's end at the latest (it expires), and at once when the mailing is cancelled."""
        self.expects(0 if self.plan.cancelled else min(due_us, self.plan.end_us), line)

    def asks(self, now_us: int, line: int = SWEEPING) -> bool:
        """True when the store should be asked for pending messages now."""
        ask_us = self.ask_us[line]
        return ask_us is not None and ask_us <= now_us

    def is_over(self, now_us: int) -> bool:
        """True when whatever is still pending must be expired or cancelled."""
        return not self.plan.deleted and (self.plan.cancelled or now_us >= self.plan.end_us)

    @property
    def needs_building(self) -> bool:
        """True while the audience builder has rows to make or to remove."""
        plan = self.plan
        return plan.deleted or (plan.audience_state is AudienceState.BUILDING and not plan.cancelled)

    def opens_us(self, time_zone: str, now_us: int) -> int:
        """``now_us`` when the mailing's local hours are open in the zone, else when they open."""
        hours = self.plan.local_hours
        if hours is None:
            return now_us
        opens_us = _opens_us(hours, time_zone, now_us // _MINUTE_US)
        return opens_us if opens_us > now_us else now_us


@lru_cache(maxsize=65_536)
def _opens_us(hours: LocalHours, time_zone: str, minute: int) -> int:
    # Local hours open and close on whole minutes and every offset in use is a whole number of
    # minutes (the last exception, Liberia, ended in 1972): one answer serves the minute.
    return next_open_us(hours, ZoneInfo(time_zone), minute * _MINUTE_US)


class Book:
    """All entries, by mailing id, in the order of their ids."""

    def __init__(self, on_way: CallsOnWay, *, lines: int = 1) -> None:
        self._lines = lines
        self._entries: dict[int, Entry] = {}
        self._on_way = on_way
        self._share = RateShare((0, 1))
        self._resting: dict[int, TokenBucket] = {}
        """Of mailings without work: one that gets some again within the second must not begin with a full bucket."""
        self.get = self._entries.get
        """The entry of a mailing id, or ``None`` when the mailing has no work left (or is gone)."""

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, plans: Iterable[Plan]) -> None:
        """Take over the store's plans; buckets, calls in flight and due times of known mailings stay. A plan that is
        the same object as before costs nothing: of thousands of mailings one is edited at a time."""
        old = dict(self._entries)
        self._entries.clear()
        self._rest()
        for plan in sorted(plans, key=lambda plan: plan.mailing_id):
            self._take(plan, old.pop(plan.mailing_id, None))
        for entry in old.values():
            self._leave(entry)

    def load_some(self, plans: Iterable[Plan], mailing_ids: Iterable[int]) -> None:
        """The same for these mailings alone."""
        found = {plan.mailing_id: plan for plan in plans}
        last = max(self._entries, default=0)
        for mailing_id in sorted(mailing_ids):
            entry = self._entries.get(mailing_id)
            if mailing_id in found:
                self._take(found[mailing_id], entry)
            elif entry is not None:
                if not entry.in_flight:
                    del self._entries[mailing_id]
                self._leave(entry)
        if any(mailing_id < last for mailing_id in found):  # a new one stands behind it
            ordered = dict(sorted(self._entries.items()))
            self._entries.clear()
            self._entries.update(ordered)

    def _take(self, plan: Plan, entry: Entry | None) -> None:
        if entry is None:
            entry = self._new(plan)
            self._pace(entry)
        elif plan is not entry.plan:
            was, entry.plan = entry.plan, plan
            if _asks_anew(was, plan):
                entry.expects(0)
            self._pace(entry)
        self._entries[plan.mailing_id] = entry

    def _leave(self, entry: Entry) -> None:
        """No work is left. Calls still in flight keep their entry until they are answered: pausing waits for them."""
        mailing_id = entry.plan.mailing_id
        if entry.in_flight:
            entry.plan = replace(entry.plan, deleted=True, pending=0)
            self._entries[mailing_id] = entry
            self._pace(entry)
        elif entry.bucket is not None:
            self._resting[mailing_id] = entry.bucket

    def _new(self, plan: Plan) -> Entry:
        asks = 0 if plan.pending else None
        return Entry(plan, self._resting.pop(plan.mailing_id, None), [asks for _ in range(self._lines)])

    def share(self, share: RateShare) -> None:
        """Take that part of each mailing's rate."""
        self._share = share
        for entry in self:
            self._pace(entry)

    def ask_all(self) -> None:
        """Ask for due messages of every mailing that has pending ones: the tick, a safety net."""
        for entry in self:
            if entry.plan.pending:
                entry.expects(0)

    def _pace(self, entry: Entry) -> None:
        rate = entry.plan.rate_limit
        share = None if rate is None else self._share.of(rate)
        entry.has_share = rate is None or share is not None
        entry.pace(share)
        entry.settle()

    def _rest(self) -> None:
        now_us = self._on_way.now_us()
        self._resting = {id: bucket for id, bucket in self._resting.items() if not bucket.is_full(now_us)}


def _asks_anew(was: Plan, plan: Plan) -> bool:
    """Whether there may be due messages that were not there before. Plans are read at each change of whatever mailing,
    and then some of all that are being sent are final: to ask the store for each of these takes a transaction, and the
    one that was changed waits for it."""
    if plan.pending <= was.pending and replace(was, pending=plan.pending) == plan:
        return False
    return bool(plan.pending)
