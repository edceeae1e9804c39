"""What the provider's answer means for a message (SPEC, rule 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from engine.domain.message import Event
from engine.domain.retry import parse_retry_after


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one call, as the adapter saw it, not yet judged."""

    http_status: int | None
    """``None``: no HTTP answer (time-out, refused, reset, unreadable)."""
    valid: bool
    """The body could be read. A 2xx with an empty body or a JSON object is valid, any other 2xx is not."""
    detail: str
    """What happened, in words for people; empty when there is nothing to add to the status."""
    retry_after: str | None = None
    """The ``Retry-After`` header as it came."""


class Verdict(Enum):
    """What to do next."""

    SENT = "sent"
    REJECTED = "rejected"
    RETRY = "retry"
    BLOCKED = "blocked"
    """The provider does not accept our token: nothing can be sent until it does."""


_EVENTS: Final[Mapping[Verdict, Event]] = {
    Verdict.SENT: Event.ACCEPT,
    Verdict.REJECTED: Event.REJECT,
    Verdict.RETRY: Event.DEFER,
    Verdict.BLOCKED: Event.DEFER,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, judged."""

    verdict: Verdict
    http_status: int | None
    detail: str
    """The reason in words; empty on success, never empty otherwise."""
    retry_after_seconds: float | None
    """How long the provider asked to be left alone; ``None``: it did not, or the message is final."""

    @property
    def event(self) -> Event:
        """What happens to the message: ``ACCEPT``, ``REJECT`` or ``DEFER``."""
        return _EVENTS[self.verdict]


_OK: Final = 200
_SENT: Final = Outcome(Verdict.SENT, _OK, "", None)


def classify(answer: Answer, now_us: int) -> Outcome:
    """Judge an answer that came at ``now_us`` (an HTTP date in ``Retry-After`` counts from there)."""
    if answer.valid and answer.http_status == _OK:
        return _SENT  # nearly every answer: not worth a new object
    verdict = _verdict(answer)
    if verdict is Verdict.SENT:
        return Outcome(verdict, answer.http_status, "", None)
    detail = answer.detail or _default_detail(answer)
    wait_seconds = None if verdict is Verdict.REJECTED else parse_retry_after(answer.retry_after, now_us)
    return Outcome(verdict, answer.http_status, detail, wait_seconds)


def _verdict(answer: Answer) -> Verdict:
    match answer.http_status:
        case 401 | 403:
            return Verdict.BLOCKED
        case 400:
            return Verdict.REJECTED
        case int(status) if 200 <= status <= 299 and answer.valid:
            return Verdict.SENT
    return Verdict.RETRY


def _default_detail(answer: Answer) -> str:
    if answer.http_status is None:
        return "no answer"
    return f"HTTP {answer.http_status}" if answer.valid else f"HTTP {answer.http_status} with an unreadable body"
