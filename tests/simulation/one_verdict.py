"""What only a life of one engine can be asked: its breaker, its counters of attempts, the provider's whole rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from engine.domain.breaker import FORBIDDEN_MAX
from engine.domain.message import Status
from tests.simulation.costs import overspent
from tests.simulation.life import SECOND_US, Life
from tests.simulation.providers import by_provider
from tests.simulation.texts import mailing_in
from tests.simulation.verdict import Verdict
from tests.simulation.world import BUSY, ODD_STATUSES, Call

_PAUSE_US: Final = SECOND_US // 4
"""The shortest pause of an open breaker."""
_FORBIDDEN: Final = 403


class OneVerdict(Verdict):
    """Collects what is wrong with a life of one engine."""

    life: Life

    def faults(self) -> list[str]:
        """All violations, in words."""
        more = (self._provider_rate, self._attempts, self._pauses, self._budgets)
        return [*super().faults(), *(fault for check in more for fault in check())]

    def _budgets(self) -> Iterator[str]:
        """Until there is quiet, when they are lifted."""
        early = [call for call in self.life.calls if call.began_us < self.life.quiet_since_us]
        mailing_of = {call.message_id: mailing_in(call.text) for call in early}
        yield from overspent(self.life.budgets, mailing_of, early, self.life.prices)

    def _provider_rate(self) -> Iterator[str]:
        for calls in by_provider(self.life.calls):
            yield from self._rate_of_one([call.began_us for call in calls])

    def _rate_of_one(self, times: list[int]) -> Iterator[str]:
        rate, first = self.life.settings.provider_rate, 0
        for last, at_us in enumerate(times if rate else []):
            while first < last and (times[first] <= at_us - SECOND_US or self._crashed_between(times[first], at_us)):
                first += 1
            if last - first + 1 > rate:
                yield f"2: {last - first + 1} calls in one second, the provider's rate is {rate}"

    def _attempts(self) -> Iterator[str]:
        tried: defaultdict[int, list[int]] = defaultdict(list)
        for row in self.rows.values():
            tried[row["mailing_id"]].append(row["attempt"])
        unclear = set()
        for mailing_id, attempt, status in self.life.removed():
            tried[mailing_id].append(attempt)
            if status != Status.PENDING:  # whether it came back from a call or without one is not in the row
                unclear.add(mailing_id)
        for counters in self.counters:
            mailing_id = counters["mailing_id"]
            expected = (sum(tried[mailing_id]), sum(attempt - 1 for attempt in tried[mailing_id] if attempt))
            counted = (counters["attempts"], counters["retried"])
            if counted != expected and mailing_id not in unclear:
                yield f"14: mailing {mailing_id} counts {counted} attempts and retried, its messages {expected}"

    def _pauses(self) -> Iterator[str]:
        """Of each engine's life by itself: a breaker does not outlive its engine."""
        ends_us = [*self.life.crashes_us, self.life.quiet_since_us]
        lives: defaultdict[tuple[int, str], list[Call]] = defaultdict(list)
        for call in self.life.calls:
            lives[sum(end_us <= call.began_us for end_us in ends_us), call.provider].append(call)
        for calls in lives.values():
            yield from _Patience(self.life.failure_threshold).faults(calls)


class _Patience:
    """Whether the engine should have stopped calling, by the answers that it got."""

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._failures = 0
        self._forbidden: set[int] = set()
        self._is_refused = False
        self._shut_us: int | None = None
        self._probe: Call | None = None

    def faults(self, calls: list[Call]) -> Iterator[str]:
        moments: list[tuple[int, int, Any]] = [(call.began_us, 1, call) for call in calls]
        moments += [(call.ended_us, 0, call) for call in calls if call.ended_us is not None]
        for at_us, begins, call in sorted(moments, key=lambda moment: moment[:2]):
            if not begins:
                self._end(call, at_us)
            elif self._shut_us is not None and at_us > self._shut_us:
                if self._probe is not None and (self._probe.ended_us is None or self._probe.ended_us > at_us):
                    yield f"15: message {call.message_id} was called beside a probe"
                elif at_us < self._shut_us + _PAUSE_US:
                    yield f"15: message {call.message_id} was called without a pause"
                self._probe = call

    def _end(self, call: Call, at_us: int) -> None:
        is_answer = call.understood and call.http_status is not None and call.http_status not in ODD_STATUSES
        if is_answer and call.http_status == _FORBIDDEN:
            self._forbid(call, at_us)
        elif is_answer and call.http_status != BUSY and (call.http_status or 0) < 500:
            self._forbidden.clear()
            self._open()
        else:
            self._failures += 1
            if self._failures >= self._threshold and (self._shut_us is None or call is self._probe):
                self._shut(at_us)

    def _forbid(self, call: Call, at_us: int) -> None:
        self._forbidden.add(call.message_id)
        if not self._is_refused and len(self._forbidden) < FORBIDDEN_MAX:
            self._open()
        elif not self._is_refused or call is self._probe:
            self._is_refused = True
            self._shut(at_us)

    def _open(self) -> None:
        self._failures, self._is_refused, self._shut_us, self._probe = 0, False, None, None

    def _shut(self, at_us: int) -> None:
        self._shut_us = at_us
