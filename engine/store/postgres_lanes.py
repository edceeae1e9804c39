"""How long an operation waits for PostgreSQL, by what it waits for and by its lane.

A server that has died or is cut off says nothing: its packets are dropped, a proxy before it forwards no more, or its
processes stand still. So every wait ends on our side: noticed within 5 s, retried within 1 s, connected within 3 s. A
server that lives gives up a little earlier by itself, and its connection is kept.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.store.database import LONG_SECONDS, Lane
from engine.store.planning import BY_KEYS

Isolation = Literal["READ COMMITTED", "REPEATABLE READ READ ONLY", "ALONE"]
"""``ALONE``: one statement, in no transaction of ours."""

_BELOW: Final = 0.9
"""The server's limit for a statement, as a part of ours."""
_LONG_STATEMENT_SECONDS: Final = LONG_SECONDS + 1
_UPKEEP_SECONDS: Final = 6 * 3600.0
_UPKEEP_LOCK_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest that each wait may take."""

    turn_seconds: float = 4.0
    """For a connection of the pool."""
    connect_seconds: float = 3.0
    """For a new one, within that."""
    reply_seconds: float = 4.5
    """For the server's answer to one statement. Then the connection is taken for dead."""
    lock_seconds: float = 3.0
    """For a row that another transaction has locked."""
    idle_seconds: float = 2.0
    """From one statement of a transaction to the next. An engine that stands still inside a transaction (frozen, or
    its machine is gone) holds its locks until then, and others wait for them."""

    @property
    def server_settings(self) -> dict[str, str]:
        """What the server is asked to observe in a session."""
        return {
            "statement_timeout": _ms(self.reply_seconds * _BELOW),
            "lock_timeout": _ms(self.lock_seconds),
            "idle_in_transaction_session_timeout": _ms(self.idle_seconds),
        }

    def terms(self, lane: Lane) -> Terms:
        """What holds for a transaction in this lane."""
        if lane is Lane.LONG:
            return Terms(_LONG_STATEMENT_SECONDS / _BELOW, f"; SET LOCAL statement_timeout = '{LONG_SECONDS + 1:g}s'")
        if lane is Lane.UPKEEP:
            return Terms(_UPKEEP_SECONDS, _UPKEEP)
        return Terms(self.reply_seconds, f"; {BY_KEYS}" if lane is Lane.DELIVERY else "")

    def watch(self, connection: Any) -> None:
        """Ask the kernel to notice that the server is gone, also while no statement runs."""
        watched = connection._transport.get_extra_info("socket")
        if watched is None or watched.family not in (socket.AF_INET, socket.AF_INET6):
            return
        watched.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        seconds = max(1, int(self.reply_seconds))
        for name, value in (
            ("TCP_USER_TIMEOUT", int(self.reply_seconds * 1000)),
            ("TCP_KEEPIDLE", seconds),
            ("TCP_KEEPALIVE", seconds),  # the same on macOS
            ("TCP_KEEPINTVL", 1),
            ("TCP_KEEPCNT", seconds),
        ):
            if hasattr(socket, name):
                watched.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a transaction: how long it waits, and how it begins."""

    reply_seconds: float
    """How long we wait for the answer to one of its statements."""
    set_local: str
    """What it begins with, where the session's settings are not for it."""

    def begin(self, isolation: Isolation) -> str:
        """Its first statement."""
        return f"BEGIN ISOLATION LEVEL {isolation}{self.set_local}"


def _ms(seconds: float) -> str:
    return f"{int(seconds * 1000)}ms"


_UPKEEP: Final = (
    "; SET LOCAL statement_timeout = 0"
    f"; SET LOCAL lock_timeout = '{_ms(_UPKEEP_LOCK_SECONDS)}'"
    f"; SET LOCAL idle_in_transaction_session_timeout = '{_ms(_UPKEEP_LOCK_SECONDS)}'"
)
