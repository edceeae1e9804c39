"""Whether a life of several engines kept the invariant of ``many.py``: that of one engine, and what physics excuses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from tests.simulation.life import SECOND_US
from tests.simulation.many import ManyCall, ManyLife
from tests.simulation.postgres.locks import Wait
from tests.simulation.providers import by_provider
from tests.simulation.texts import mailing_in
from tests.simulation.verdict import Verdict
from tests.simulation.waits import is_declared
from tests.simulation.world import BUSY, BUSY_SECONDS, Call

WAIT_MAX_SECONDS: Final = 3.0
HELD_UP_MAX_SECONDS: Final = 6.0
"""By one transaction all that wait for it, one after the other: it may itself wait for a lock of another for 3 s, be
idle for 2 s, and take a second."""
_APART: Final = ("kill", "freeze", "black hole")
"""What takes one engine away from the others."""


class ManyVerdict(Verdict):
    """Collects what is wrong; empty ``faults`` is a life well lived."""

    life: ManyLife

    def __init__(self, life: ManyLife) -> None:
        super().__init__(life)
        self._gone = {mailing.id for mailing in life.mailings if mailing.is_gone}

    def faults(self) -> list[str]:
        """All violations, in words."""
        more = (self._waits, self._model)
        return [*self.life.early, *super().faults(), *(fault for check in more for fault in check())]

    def _by_its_clock_us(self, call: Call) -> int:
        assert isinstance(call, ManyCall)
        return call.began_us + call.ahead_us

    @property
    def _slack_us(self) -> int:
        return self.life.knobs.skew_max_us

    def _rates(self) -> Iterator[str]:
        for mailing in self.mailings.values():
            calls = [call.began_us for call in self.life.calls if mailing_in(call.text) == mailing.id]
            yield from _too_fast(calls, mailing.asked.rate_limit, f"mailing {mailing.id}")
        rate = self.life.settings.provider_rate
        for calls_at_one in by_provider(self.life.calls):
            yield from _too_fast([call.began_us for call in calls_at_one], rate or None, "the provider")

    def _repeats(self) -> Iterator[str]:
        for message_id, calls in self.calls.items():
            policy = self.mailings[mailing_in(calls[0].text)].asked.on_uncertain
            for first, second in pairwise(calls):
                assert isinstance(first, ManyCall)
                if policy == "not_sent" and not first.is_known:
                    yield f"4: message {message_id} was called again after an unknown outcome"
                if self._was_apart(first, second.began_us):
                    continue
                if first.ended_us is None or second.began_us < first.ended_us:
                    yield f"3: two calls of message {message_id} overlap"
                elif first.http_status in (200, 400) and first.understood:
                    yield f"3: message {message_id} was called again after {first.http_status}"

    def _was_apart(self, call: ManyCall, until_us: int) -> bool:
        """Whether its engine was killed, frozen or cut off, for long enough to lose its claims, before it could store
        the outcome."""
        lease_us = self.life.settings.lease_seconds * SECOND_US
        return any(
            trouble.engine == call.engine
            and trouble.kind in _APART
            and (trouble.kind == "kill" or trouble.ended_us - trouble.began_us > lease_us / 2 - SECOND_US)
            and call.began_us <= trouble.ended_us
            and trouble.began_us <= min(until_us, until_us if call.stored_us is None else call.stored_us)
            for trouble in self.life.troubles
        )

    def _crashes(self) -> Iterator[str]:
        slots = max(self.life.settings.workers, self.life.settings.slots) * len(self.life.specs)
        for number in self.life.open_at_kill:
            if number > slots:
                yield f"5: a kill left {number} messages open, of {slots} slots"

    def _ends(self) -> Iterator[str]:
        yield from super()._ends()
        if not self.life.is_over_in_time:
            yield "6: there was work left long after the end"

    def _is_gone(self, message_id: int) -> bool:
        calls = self.calls[message_id]
        return bool(calls) and mailing_in(calls[0].text) in self._gone

    def _audiences(self) -> Iterator[str]:
        gone, self.mailings = self.mailings, {id: one for id, one in self.mailings.items() if id not in self._gone}
        yield from super()._audiences()
        self.mailings = gone

    def _truth(self) -> Iterator[str]:
        gone = {id for id, calls in self.calls.items() if calls and mailing_in(calls[0].text) in self._gone}
        calls, self.calls = self.calls, {id: each for id, each in self.calls.items() if id not in gone}
        yield from super()._truth()
        self.calls = calls

    def _held(self) -> Iterator[str]:
        """Each engine knows what it was told itself."""
        for way in sorted({(call.engine, call.provider) for call in self.life.calls}):
            calls = [call for call in self.life.calls if (call.engine, call.provider) == way]
            for told in calls:
                if told.ended_us is None or not told.understood or told.http_status != BUSY:
                    continue
                until_us = told.ended_us + BUSY_SECONDS * SECOND_US
                for call in calls:
                    if told.ended_us < call.began_us < until_us:
                        yield f"9: a call began {until_us - call.began_us} us before the provider wanted one again"

    def _waits(self) -> Iterator[str]:
        for wait in self.life.server.locks.log:
            until = self.life.loop.time() if wait.ended_seconds is None else wait.ended_seconds
            if until - wait.began_seconds > WAIT_MAX_SECONDS + 1e-6:
                yield f"12: {wait.who} waited {until - wait.began_seconds:.1f} s for {wait.table}, held by {wait.whom}"
            if not is_declared(wait.table, wait.who, wait.whom):
                yield f"13: {wait.who} waited for {wait.whom} for {wait.table}, which is not declared"
        yield from self._held_up()
        for number in range(self.life.server.deadlocks):
            yield f"13: deadlock {number + 1}"

    def _held_up(self) -> Iterator[str]:
        """A wait that is given up and tried again is one and the same for those who wait."""
        first: dict[int, Wait] = {}
        for wait in self.life.server.locks.log:
            began = first.setdefault(wait.holder, wait).began_seconds
            until = self.life.loop.time() if wait.ended_seconds is None else wait.ended_seconds
            if until - began > HELD_UP_MAX_SECONDS:
                yield f"12: {wait.whom} of {wait.holders_program} held up others for {until - began:.1f} s"

    def _model(self) -> Iterator[str]:
        for bug in self.life.server.bugs:
            yield f"the model itself failed: {bug}"

    def _crashed_between(self, first_us: int, second_us: int) -> bool:
        return False


def _too_fast(times_us: list[int], rate: float | None, whose: str) -> Iterator[str]:
    if rate is None:
        return
    times_us = sorted(times_us)
    first = 0
    for last, at_us in enumerate(times_us):
        while times_us[first] <= at_us - SECOND_US:
            first += 1
        if last - first + 1 > max(rate, 1):
            yield f"2: {last - first + 1} calls of {whose} in one second, its rate is {rate}"
