"""What the provider's answer means for a message.

An outcome is *known* or *unknown*; nothing here guesses. It is known that nothing was sent when the request never left
(a refused connection) and when a complete answer says so (500 and 503 too). It is unknown when the request may have
arrived and no complete answer came back, and when something on the way answered in the provider's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from engine.domain.message import Event
from engine.domain.retry import parse_retry_after


class Verdict(Enum):
    """What to do next."""

    SENT = "sent"
    REJECTED = "rejected"
    RETRY = "retry"
    """Certainly not sent; try again later."""
    BUSY = "busy"
    """Certainly not sent, and nothing else would be: the provider has too much to do, or is ill."""
    UNKNOWN = "unknown"
    """Perhaps sent: the mailing's ``on_uncertain`` says what follows."""
    FORBIDDEN = "forbidden"
    """403: this message's failure, or a token that is refused; several in a row tell."""
    BLOCKED = "blocked"
    """The provider does not accept our token: nothing can be sent until it does."""


class Answer(NamedTuple):  # one for each call: a frozen dataclass takes several times as long to make
    """What came back from one call, as the adapter saw it, not yet judged."""

    http_status: int | None
    """``None``: no complete answer (time-out, refused, reset, cut off, not HTTP)."""
    valid: bool
    """Of a 2xx: its body is the provider's (empty, or a JSON object). A page of HTML is not."""
    detail: str
    """What happened, in words for people; empty when there is nothing to add to the status."""
    retry_after: str | None = None
    """The ``Retry-After`` header as it came."""
    arrived: bool = True
    """The request may have reached the provider. False: no connection was made."""
    code: float = 0
    """Of a valid 2xx: the number that its object has as ``code``. 0: that, or there is none."""
    provider_message_id: str | None = None
    """What the provider calls the message; ``None``: it has not said."""
    verdict: Verdict | None = None
    """Judged already, by the provider's own description; ``None``: its HTTP status says it (``classify``)."""
    smpp_status: int | None = None
    """The ``command_status`` of a response over SMPP; ``None``: there was none, or the provider speaks HTTP."""


_EVENTS: Final[Mapping[Verdict, Event]] = {
    Verdict.SENT: Event.ACCEPT,
    Verdict.REJECTED: Event.REJECT,
    Verdict.RETRY: Event.DEFER,
    Verdict.BUSY: Event.DEFER,
    Verdict.UNKNOWN: Event.MISS,
    Verdict.FORBIDDEN: Event.DEFER,
    Verdict.BLOCKED: Event.DEFER,
}

_OK: Final = 200
_SUCCESS: Final = range(200, 300)
_SERVER_ERROR_MIN: Final = 500
_STATUSES: Final[Mapping[int, Verdict]] = {
    400: Verdict.REJECTED,
    401: Verdict.BLOCKED,
    403: Verdict.FORBIDDEN,
    # A proxy or a load balancer says these when it waited in vain for the provider, which may be at work still.
    408: Verdict.UNKNOWN,
    502: Verdict.UNKNOWN,
    504: Verdict.UNKNOWN,
}
_TOO_MANY_REQUESTS: Final = 429
_ANSWERED: Final = frozenset({Verdict.SENT, Verdict.REJECTED, Verdict.FORBIDDEN})
"""Nobody but the provider itself can have said these."""
_HOLDS_ALL: Final = frozenset({_TOO_MANY_REQUESTS, 503})
"""With ``Retry-After`` these speak of the provider, not of one message."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, judged."""

    verdict: Verdict
    http_status: int | None
    detail: str
    """The reason in words; empty on success, never empty otherwise."""
    retry_after_seconds: float | None
    """How long the provider asked to be left alone; ``None``: it did not, or the message is final."""
    smpp_status: int | None = None
    """As in ``Answer``."""

    @property
    def event(self) -> Event:
        """What happens to the message: ``ACCEPT``, ``REJECT``, ``DEFER`` or ``MISS``."""
        return _EVENTS[self.verdict]

    @property
    def shows_life(self) -> bool:
        """A working provider has answered, be it with a refusal: a hundred dead numbers are no outage."""
        status = self.http_status
        if self.verdict in (Verdict.UNKNOWN, Verdict.BUSY):
            return False
        if status is None:  # of a protocol without such statuses, or there was no answer
            return self.verdict in _ANSWERED
        return status < _SERVER_ERROR_MIN and status != _TOO_MANY_REQUESTS

    @property
    def is_misaddressed(self) -> bool:
        """Somebody else said "all right": most likely there is no provider at this address."""
        return self.verdict is Verdict.UNKNOWN and self.http_status in _SUCCESS

    @property
    def hold_seconds(self) -> float:
        """How long the provider wants no call at all; 0: it said nothing of this kind."""
        holds_all = self.http_status in _HOLDS_ALL or self.verdict is Verdict.BUSY
        return (self.retry_after_seconds or 0.0) if holds_all else 0.0


_SENT: Final = Outcome(Verdict.SENT, _OK, "", None)


def classify(answer: Answer, now_us: int) -> Outcome:
    """Judge an answer that came at ``now_us`` (an HTTP date in ``Retry-After`` counts from there)."""
    if answer.valid and answer.http_status == _OK and not answer.code and answer.verdict is None:
        return _SENT  # nearly every answer: not worth a new object
    verdict = _verdict(answer)
    if verdict is Verdict.SENT:
        return Outcome(verdict, answer.http_status, "", None, answer.smpp_status)
    detail = answer.detail or _default_detail(answer)
    wait_seconds = None if verdict is Verdict.REJECTED else parse_retry_after(answer.retry_after, now_us)
    return Outcome(verdict, answer.http_status, detail, wait_seconds, answer.smpp_status)


def _verdict(answer: Answer) -> Verdict:
    if answer.verdict is not None:
        return answer.verdict
    status = answer.http_status
    if status is None:
        return Verdict.UNKNOWN if answer.arrived else Verdict.RETRY
    if status not in _SUCCESS:
        return _STATUSES.get(status, Verdict.RETRY)
    if not answer.valid:
        return Verdict.UNKNOWN
    return Verdict.RETRY if answer.code else Verdict.SENT


def _default_detail(answer: Answer) -> str:
    if answer.http_status is None:
        return "no answer"
    if answer.http_status not in _SUCCESS:
        return f"HTTP {answer.http_status}"
    return f"HTTP {answer.http_status} with " + (f"code {answer.code:g}" if answer.valid else "an unreadable body")
