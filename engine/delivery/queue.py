"""The bounded queue between the ticker and the workers: fair between mailings, paced, never over its slots.

Each mailing has a lane, and the lanes are served in turn: a message of a small mailing never stands behind a huge
one. A message leaves the queue when a slot is free and the admission allows its call at that moment, so no worker holds
a message that has to wait. The exception are messages whose mark is stored before the call: a few of these wait with a
worker.

A message takes a slot when it leaves the queue, and frees it when its outcome is stored. There are as many slots as
workers, or more when the settings ask for more. A crash can leave no more messages uncertain than there are slots.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from typing import Final

from engine.delivery.admission import Admission
from engine.delivery.bell import Bell
from engine.domain.fairness import RoundRobin
from engine.domain.units import US_PER_SECOND
from engine.ports import Claim, Clock

_SLEEP_MAX_US: Final = 86_400 * US_PER_SECOND


class DeliveryQueue:
    """Claims that wait for a worker, and the workers that wait for a claim."""

    def __init__(
        self, capacity: int, workers: int, *, slots_min: int = 0, admission: Admission, bell: Bell, clock: Clock
    ) -> None:
        """``workers`` calls at the same time; ``slots_min``: so many slots, even if there are fewer workers."""
        self.capacity = capacity
        self._slots_min = slots_min
        self.workers = workers
        self.slots = max(slots_min, workers)
        self.slots_used = 0
        self.taken = 0
        """How many claims have gone to workers, ever: it shows that the queue moves."""
        self._admission, self._bell, self._clock = admission, bell, clock
        bell.wakes.append(self.wake_all)
        self._lanes: dict[int, deque[Claim]] = {}
        self._low_marks: dict[int, int] = {}
        self._turns = RoundRobin()
        self._size = 0
        self._parked: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_paced = False
        self._dismissed = False

    def __len__(self) -> int:
        return self._size

    def queued(self, mailing_id: int) -> int:
        """How many claims of the mailing wait here."""
        lane = self._lanes.get(mailing_id)
        return len(lane) if lane else 0

    @property
    def waiting(self) -> list[int]:
        """The ids of the mailings whose claims wait here."""
        return list(self._lanes)

    @property
    def in_flight(self) -> int:
        """Messages between queue and store. Where outcomes wait because there are more slots than workers, as many as
        there are workers: so many may be called. 0: every outcome is stored."""
        return min(self.slots_used, self.workers)

    def put(self, mailing_id: int, claims: Collection[Claim]) -> None:
        """Add claims of one mailing; the ticker asks for no more than there is room."""
        if not claims:
            return
        lane = self._lanes.get(mailing_id)
        if lane is None:
            lane = self._lanes[mailing_id] = deque()
            self._turns.add(mailing_id)
        lane.extend(claims)
        self._size += len(claims)
        self._low_marks[mailing_id] = len(lane) // 2
        # A worker that finds no free slot would only wait again: wake no more of them than there are free slots.
        self.wake(min(self._size, self.slots - self.slots_used))

    def take_now(self) -> Claim | None:
        """A claim that may be called at this moment, and a slot for it; ``None``: there is none."""
        if not self._size or self.slots_used >= self.slots:
            return None
        mailing_id = self._turns.first()
        if self._admission.is_unlimited(mailing_id):
            return self._pop(mailing_id)
        return self._take_limited(self._clock.now_us())

    async def take(self, worker: int) -> Claim | None:
        """Wait for a claim that may be called now, and take a slot for it.

        ``None``: the worker (counted from 1) is wanted no more.
        """
        while self.wants(worker):
            claim = self.take_now()
            if claim is not None:
                # The timer wakes one waiting worker. A worker that gets a claim wakes the next one, so that no more of
                # them wake than can call, and none is forgotten.
                if self._is_paced:
                    self.wake(1)
                return claim
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._parked.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # A wake-up that this worker can't use any more belongs to the next one.
                if waiter.done() and not waiter.cancelled():
                    self.wake(1)
                raise
        return None

    def resize(self, workers: int) -> None:
        """Change the number of workers; calls in flight end in their own time."""
        self.workers = workers
        self.slots = max(self._slots_min, workers)
        self.wake(len(self._parked))

    def wants(self, worker: int) -> bool:
        """False: this worker, counted from 1, is one too many, for there are to be fewer now, or none."""
        return worker <= self.workers and not self._dismissed

    def dismiss(self) -> None:
        """For good: each worker ends with what it has in hand."""
        self._dismissed = True
        self.wake(len(self._parked))

    def free(self, slots: int) -> None:
        """Give slots back: their messages are stored, or were not called."""
        self.slots_used -= slots
        self.wake(min(slots, self._size))

    def wake(self, count: int) -> None:
        """Let up to ``count`` waiting workers ask again for a claim."""
        while count > 0 and self._parked:
            waiter = self._parked.pop()  # the last one: its data are still in the processor's cache
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    def wake_all(self) -> None:
        """Let as many waiting workers ask again as may call at the same time, and find something: most of the time
        nothing waits here, and whoever puts something in wakes them."""
        self.wake(min(self.workers, self._size))

    def withdraw(self, unwanted: Callable[[Claim], bool]) -> list[Claim]:
        """Take out all claims for which ``unwanted`` is true; they are the caller's to give back."""
        out: list[Claim] = []
        for mailing_id, lane in list(self._lanes.items()):
            keep: deque[Claim] = deque()
            for claim in lane:
                (out if unwanted(claim) else keep).append(claim)
            self._lanes[mailing_id] = keep
            if not keep:
                self._close(mailing_id)
        self._size -= len(out)
        return out

    def _take_limited(self, now_us: int) -> Claim | None:
        """The same, of the first mailing in turn that may have a call now."""
        mailing_id, ready_us = self._admission.choose(self._turns, self._lanes, now_us)
        if mailing_id is None:
            self._wake_at(ready_us, now_us)
            return None
        claim = self._pop(mailing_id)
        self._admission.begin(claim.message_id, now_us)
        return claim

    def _pop(self, mailing_id: int) -> Claim:
        lane = self._lanes[mailing_id]
        claim = lane.popleft()
        self._size -= 1
        self.slots_used += 1
        self.taken += 1
        left = len(lane)
        if left <= self._low_marks[mailing_id]:
            # Ring again at half of what is left: the ticker may find it too early now, and nobody else would tell it.
            self._low_marks[mailing_id] = left // 2 if left else -1
            self._bell.ring_for_work()  # before the lane is empty
        if not left:
            self._close(mailing_id)
        elif left != self._size:  # others wait too
            self._turns.served(mailing_id)
        return claim

    def _close(self, mailing_id: int) -> None:
        del self._lanes[mailing_id]
        del self._low_marks[mailing_id]
        self._turns.remove(mailing_id)

    def _wake_at(self, ready_us: int | None, now_us: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_paced = ready_us is not None
        if ready_us is not None:
            # A rate may be as small as 1e-300 a second. A worker that wakes too early waits again.
            delay_seconds = min(ready_us - now_us, _SLEEP_MAX_US) / US_PER_SECOND
            self._timer = asyncio.get_running_loop().call_later(delay_seconds, self.wake, 1)
