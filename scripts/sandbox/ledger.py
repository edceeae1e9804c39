"""What the sandbox remembers: a number for every id, everything about the latest ones.

A million messages have to fit: an id costs one dictionary entry with a small integer that holds two
counts; texts and calls are kept for the ``keep`` ids called last.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

CALLS_KEPT: Final = 100
"""Of one message."""
_ACCEPTED: Final = 1 << 32
_ACCEPTED_AND_CALLED_ONCE: Final = _ACCEPTED + 1
_RATE_SECONDS: Final = 5
_PLOT_SECONDS: Final = 60


class Call(NamedTuple):
    """One call for a message."""

    at_us: int
    """When it arrived: microseconds since the epoch."""
    answer: str
    """The status, or ``reset``, ``hang``, ``garbage`` or ``unanswered``."""
    text: str

    def as_json(self) -> dict[str, object]:
        """For the control API."""
        return {"time": time_text(self.at_us), "answer": self.answer, "text": self.text}


@dataclass(slots=True)
class Message:
    """What is known of one of the latest messages."""

    message_id: int
    phone: int
    text: str
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))
    receipt: str = ""
    """What was said of it later: ``delivered``, ``undelivered``, or ``lost`` where nothing was said."""

    def as_json(self, count: int) -> dict[str, object]:
        """For the control API; ``count``: all calls, of which the latest are listed."""
        calls = [call.as_json() for call in self.calls]
        times = {"first_time": calls[0]["time"], "last_time": calls[-1]["time"]}
        return {
            "id": self.message_id,
            "phone": self.phone,
            "text": self.text,
            "count": count,
            **times,
            "receipt": self.receipt,
            "calls": calls,
        }


class Second(NamedTuple):
    """What came in one second."""

    number: int
    """Seconds since the epoch."""
    requests: int
    accepted: int


class Ledger:
    """Counts and the latest messages."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.requests = 0
        self.accepted = 0
        self.accepted_ids_count = 0
        self.repeated_ids = self.repeated_calls = 0
        self.accepted_again_ids = self.accepted_again_calls = 0
        self.by_answer: Counter[str] = Counter()
        self.latest: OrderedDict[int, Message] = OrderedDict()
        self.first_us = self.last_us = 0
        self._counts: dict[int, int] = {}  # id -> calls + accepted calls * 2**32
        self._seconds: deque[Second] = deque(maxlen=_PLOT_SECONDS)
        self._second = self._requests_before = self._accepted_before = 0

    def calls(self, message_id: int) -> int:
        """How often the id was called."""
        return self._counts.get(message_id, 0) & (_ACCEPTED - 1)

    def accepted_calls(self, message_id: int) -> int:
        """How often a call for the id was answered with success."""
        return self._counts.get(message_id, 0) >> 32

    def accepted_ids(self) -> list[int]:
        """Every id that was accepted at least once."""
        return [message_id for message_id, count in self._counts.items() if count >= _ACCEPTED]

    def note(self, message_id: int, phone: int, text: str, answer: str, accepted: bool, at_us: int) -> None:
        """Remember a call whose body was good."""
        self.note_request(answer, at_us)
        self.accepted += accepted
        count = self._counts.get(message_id)
        if count is None:
            # The usual case takes the shared constant: no new integer for each of a million ids.
            self._counts[message_id] = _ACCEPTED_AND_CALLED_ONCE if accepted else 1
            self.accepted_ids_count += accepted
        else:
            self._note_repeated(message_id, count, accepted)
        message = self.latest.get(message_id)
        if message is None:
            message = self.latest[message_id] = Message(message_id, phone, text)
            if len(self.latest) > self._keep:
                self.latest.popitem(last=False)
        else:
            self.latest.move_to_end(message_id)
            message.phone, message.text = phone, text
        message.calls.append(Call(at_us, answer, text))

    def _note_repeated(self, message_id: int, count: int, accepted: bool) -> None:
        self._counts[message_id] = count + (_ACCEPTED_AND_CALLED_ONCE if accepted else 1)
        self.repeated_calls += 1
        self.repeated_ids += count & (_ACCEPTED - 1) == 1
        if accepted:
            before = count >> 32
            self.accepted_ids_count += before == 0
            self.accepted_again_ids += before == 1
            self.accepted_again_calls += before >= 1

    def note_request(self, answer: str, at_us: int) -> None:
        """Count a request, good or bad."""
        self.requests += 1
        self.by_answer[answer] += 1
        self.last_us = at_us
        self.first_us = self.first_us or at_us
        if (second := at_us // 1_000_000) != self._second:
            self._seconds.append(self._this_second(self.requests - 1))
            self._second, self._requests_before, self._accepted_before = second, self.requests - 1, self.accepted

    def _this_second(self, requests: int) -> Second:
        return Second(self._second, requests - self._requests_before, self.accepted - self._accepted_before)

    def last_seconds(self, count: int, now_us: int) -> list[Second]:
        """The last whole seconds in which there were calls."""
        now = now_us // 1_000_000
        return [each for each in (*self._seconds, self._this_second(self.requests)) if now - count <= each.number < now]

    def rate_per_second(self, now_us: int) -> float:
        """Requests a second over the last whole seconds."""
        return sum(second.requests for second in self.last_seconds(_RATE_SECONDS, now_us)) / _RATE_SECONDS

    def last_minute(self, now_us: int) -> list[tuple[int, int]]:
        """Requests, and how many of them were accepted, of each of the last 60 whole seconds."""
        found = {each.number: (each.requests, each.accepted) for each in self.last_seconds(_PLOT_SECONDS, now_us)}
        now = now_us // 1_000_000
        return [found.get(number, (0, 0)) for number in range(now - _PLOT_SECONDS, now)]

    def stats(self, now_us: int) -> dict[str, object]:
        """For the control API. ``repeated_…``: called more than once, which retries are too;
        ``accepted_again_…``: accepted more than once, a text that a person got twice."""
        return {
            "requests": self.requests,
            "accepted": self.accepted,
            "unique_ids": len(self._counts),
            "accepted_ids": self.accepted_ids_count,
            "repeated_ids": self.repeated_ids,
            "repeated_calls": self.repeated_calls,
            "accepted_again_ids": self.accepted_again_ids,
            "accepted_again_calls": self.accepted_again_calls,
            "by_status": dict(self.by_answer),
            "rate_per_second": self.rate_per_second(now_us),
            "last_minute": self.last_minute(now_us),
            "first_time": time_text(self.first_us) if self.first_us else None,
            "last_time": time_text(self.last_us) if self.last_us else None,
        }

    def find(self, message_id: int | None, phone: int | None, limit: int) -> list[dict[str, object]]:
        """The latest messages, newest first."""
        if message_id is not None:
            found = self.latest.get(message_id)
            candidates = [found] if found is not None else []
        else:
            candidates = list(reversed(self.latest.values()))
        matching = [m for m in candidates if phone is None or m.phone == phone]
        return [m.as_json(self.calls(m.message_id)) for m in matching[:limit]]


def time_text(at_us: int) -> str:
    """Microseconds since the epoch as RFC 3339 in UTC."""
    moment = datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(microsecond=at_us % 1_000_000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
