"""Decides the answer to one call: token, body, faults. No sockets here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import orjson

from scripts.sandbox.faults import NO_FAULTS, Faults
from scripts.sandbox.ledger import Ledger
from scripts.sandbox.switches import draw

INT64_MAX: Final = 2**63 - 1
BODY_BYTES_MAX: Final = 1 << 20
_ACCEPTED: Final = frozenset({"200", "unanswered"})
_RESET: Final = frozenset({"reset", "unanswered"})
_DRAW_LATENCY: Final = 1 << 40
"""Added to the number of the call, so that latency and fault are drawn apart."""


class BadBody(Exception):
    """The body is not what docs/behaviour.md, section 3 says; the message says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    name: str
    """The status, or ``reset``, ``hang``, ``garbage`` or ``unanswered``."""
    status: int
    """0: no answer at all."""
    body: bytes = b""
    retry_after: str | None = None
    delay_seconds: float = 0.0

    @property
    def is_accepted(self) -> bool:
        """Whether the text goes out. Garbage may well be one sent: but the provider did not say so."""
        return self.name in _ACCEPTED

    @property
    def is_reset(self) -> bool:
        """Whether the connection is reset in the place of an answer."""
        return self.name in _RESET

    def wire(self) -> bytes:
        """The answer as HTTP/1.1."""
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(self.body)}",
        ]
        if self.retry_after is not None:
            lines.append(f"Retry-After: {self.retry_after}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


OK: Final = Reply("200", 200, b'{"code":0,"message":"OK"}')
RESET: Final = Reply("reset", 0)
UNANSWERED: Final = Reply("unanswered", 0)
HANG: Final = Reply("hang", 0)
GARBAGE: Final = Reply("garbage", 200, b"<html><body>It works!</body></html>")
_RESULTS: Final[tuple[tuple[int | Reply, ...], ...]] = (
    (400,),
    (429,),
    (500, 502, 503),
    (RESET,),
    (HANG,),
    (GARBAGE,),
    (UNANSWERED,),
)
"""What each share brings, in the order of ``faults.SHARES``."""


class Desk:
    """Takes calls, knows the faults, keeps the ledger."""

    def __init__(self, token: str, faults: Faults, seed: int, ledger: Ledger) -> None:
        self.token = token
        self.faults = faults
        self.seed = seed
        self.ledger = ledger
        self.on_accepted: Callable[[int, int], None] | None = None
        """Told of each text that is accepted, after the ledger: its id, and when, in microseconds since the epoch."""

    def take(self, path_id: bytes, authorized: bool, body: bytes) -> Reply:
        """Answer one call and remember it."""
        at_us = time.time_ns() // 1000
        try:
            message_id, phone, text = read_body(path_id, body)
        except BadBody as error:
            reply = _failure(400, str(error)) if authorized else _failure(401, "the token is not known")
            self.ledger.note_request(reply.name, at_us)
            return reply
        if authorized and self.faults is NO_FAULTS:
            reply, is_accepted = OK, True
        else:
            reply = self._choose(message_id, authorized, at_us / 1e6)
            is_accepted = reply.is_accepted
        self.ledger.note(message_id, phone, text, reply.name, is_accepted, at_us)
        if is_accepted and self.on_accepted is not None:
            self.on_accepted(message_id, at_us)
        return reply

    def delay_seconds(self, message_id_text: bytes) -> float:
        """How long the answer to the call just taken has to wait."""
        shortest, longest = self.faults.latency_seconds
        if shortest == longest:
            return shortest
        message_id = int(message_id_text) if message_id_text.isdigit() else 0
        nth = self.ledger.calls(message_id) + _DRAW_LATENCY
        return shortest + (longest - shortest) * draw(self.seed, message_id, nth)

    def _choose(self, message_id: int, authorized: bool, now: float) -> Reply:
        faults = self.faults
        if faults.reject_token or not authorized:
            return _failure(403 if faults.reject_token == 403 else 401, "the token is not known")
        if faults.outage:
            return RESET if faults.outage == "reset" else self._failure_with_retry(503, now)
        drawn = draw(self.seed, message_id, self.ledger.calls(message_id) + 1)
        for share, results in zip(faults.shares(), _RESULTS, strict=True):
            if drawn < share:
                # Where in its share the draw fell is as good as another draw.
                result = results[int(len(results) * drawn / share)]
                return result if isinstance(result, Reply) else self._failure_with_retry(result, now)
            drawn -= share
        return OK

    def _failure_with_retry(self, status: int, now: float) -> Reply:
        retry_after = self.faults.retry_after_header(now) if status in (429, 503) else None
        return _failure(status, f"a fault of the sandbox: {HTTPStatus(status).phrase}", retry_after)


def read_body(path_id: bytes, body: bytes) -> tuple[int, int, str]:
    """Return id, phone and text.

    Raises:
        BadBody: with the reason.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadBody(f"the body is not JSON: {error}") from None
    if type(data) is not dict:
        raise BadBody("the body should be a JSON object")
    message_id, phone, text = _int64(data, "id"), _int64(data, "phone"), data.get("text")
    if type(text) is not str or not text:
        raise BadBody("text: should be a string that is not empty")
    if path_id != b"%d" % message_id:
        raise BadBody("id: should be the same as in the path")
    return message_id, phone, text


def _int64(data: dict[str, object], name: str) -> int:
    value = data.get(name)
    if type(value) is not int or not -INT64_MAX <= value <= INT64_MAX:
        raise BadBody(f"{name}: should be a 64-bit integer")
    return value


def _failure(status: int, message: str, retry_after: str | None = None) -> Reply:
    return Reply(str(status), status, orjson.dumps({"code": status, "message": message}), retry_after)
