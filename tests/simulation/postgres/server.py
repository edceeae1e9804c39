"""The server: sessions and their statements, waits and time-outs in virtual time, and what befalls a server.

It runs in a context of its own: what a client has sent goes on here while the client is frozen or dead.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from functools import lru_cache
from random import Random
from typing import Any, Final

import asyncpg

from tests.simulation.loop import EPOCH_US, PROGRAM, VirtualLoop
from tests.simulation.postgres.data import Data, MustWait, Transaction
from tests.simulation.postgres.locks import Locks, Wait
from tests.simulation.postgres.tables import Template
from tests.simulation.postgres.text import BEGIN, Command, Kind

DEADLOCK_SECONDS: Final = 1.0
_UNITS: Final = {"": 0.001, "ms": 0.001, "s": 1.0, "min": 60.0}
_VIOLATIONS: Final[Mapping[str, type[Exception]]] = {
    "UNIQUE": asyncpg.UniqueViolationError,
    "FOREIGN": asyncpg.ForeignKeyViolationError,
    "CHECK": asyncpg.CheckViolationError,
    "NOT": asyncpg.NotNullViolationError,
}
_CLOSED: Final = "connection was closed in the middle of operation"

Answer = tuple[list[tuple[Any, ...]], str]
"""Rows, and the status that ``execute`` returns."""


@lru_cache(maxsize=64)
def seconds(setting: str) -> float:
    """A setting such as ``15s``; 0: off."""
    number = re.match(r"\d+", setting)
    assert number is not None, setting
    return int(number[0]) * _UNITS[setting[number.end() :].strip()]


class Request:
    """A statement that was sent, until it is answered."""

    __slots__ = ("args", "began_seconds", "command", "error", "is_cancelled", "is_done", "label", "on_done", "result")

    def __init__(self, command: Command, args: Sequence[Any], label: str = "") -> None:
        """``label``: what its transaction is for, for the log of waits."""
        self.command, self.args, self.label = command, args, label
        self.is_done = self.is_cancelled = False
        self.result: Answer | None = None
        self.error: Exception | None = None
        self.on_done: Callable[[], None] | None = None
        self.began_seconds = 0.0


class Server:
    """One PostgreSQL."""

    def __init__(self, loop: VirtualLoop, template: Template, disorder: Random | None = None) -> None:
        self.loop, self.template = loop, template
        self.locks = Locks(loop.time)
        self.data = Data(template, self.locks, disorder)
        self.data.tell_time(lambda: EPOCH_US + loop.now_us)
        self.sessions: list[Session] = []
        self.is_away = self.is_read_only = False
        """Refuses connections; or is what a failover or a full disk makes of it, for transactions from now on."""
        self.on_commit: Callable[[Transaction], None] = lambda transaction: None
        self.statements = self.deadlocks = 0
        self.prepared: set[str] = set()
        """Statements that some connection has prepared."""
        self.is_new = True
        """It has just been started; else all statements had been prepared before."""
        self.bugs: list[str] = []
        """What this model could not do. The product takes it for a failing store, so somebody has to look here."""
        self.context: Context = copy_context()
        self.context.run(PROGRAM.set, None)
        self.waiting = 0

    def connect(self, settings: Mapping[str, str], program: str) -> Session:
        """Begin a session.

        Raises:
            ConnectionRefusedError: there is no server.
        """
        if self.is_away:
            raise ConnectionRefusedError(111, "Connection refused")
        session = Session(self, settings, program)
        self.sessions.append(session)
        return session

    def go_away(self) -> None:
        """Stop, as in a restart: all sessions end, nobody gets a new one until ``come_back``."""
        self.is_away = True
        for session in list(self.sessions):
            session.end(asyncpg.AdminShutdownError("terminating connection due to administrator command"))

    def come_back(self) -> None:
        """Accept connections again."""
        self.is_away = False

    def hang_up(self, program: str) -> None:
        """A client's machine has closed all its connections, as the death of its process does."""
        for session in list(self.sessions):
            if session.program == program:
                session.hang_up()

    def command(self, text: str) -> Command:
        """See ``text.py``."""
        known = self.template.commands
        if (command := known.get(text)) is None:
            known[text] = command = Command.of(text, self.template.keys)
        return command

    def later(self, delay_seconds: float, callback: Callable[..., None], *args: Any) -> Any:
        """Do something here, whatever becomes of the client."""
        return self.loop.call_later(delay_seconds, callback, *args, context=self.context)

    def end_idle(self) -> None:
        """Somebody asks who has locks, and does not wait: whoever should not have them any more has none."""
        for session in list(self.sessions):
            session.end_if_idle()

    def look_for_idle(self) -> None:
        """Somebody waits: whoever is idle in a transaction may be the reason."""
        for session in self.sessions:
            session.watch_idleness()


class Session:
    """One connection's half here."""

    def __init__(self, server: Server, settings: Mapping[str, str], program: str) -> None:
        self.server, self.program = server, program
        self._settings = dict(settings)
        self.transaction: Transaction | None = None
        self._local: dict[str, str] = {}
        """Settings until the transaction's end."""
        self.is_ended = self.is_failed = False
        """Failed: a statement did, and all that may follow is a roll-back."""
        self.why_ended: Exception | None = None
        self.awaits_rest = False
        """A command has begun, and not come to its end."""
        self._is_hung_up = False
        self._in_transit = 0
        self._request: Request | None = None
        self._timers: list[Any] = []
        self._waits: list[Wait] = []
        self._idle_since_seconds: float | None = None
        self._idle_timer: Any = None

    # -- what a client sends -------------------------------------------------------------------
    def send(self, request: Request, delay_seconds: float = 0.0) -> None:
        """A statement is on its way; ``request.on_done`` is told when it is answered."""
        if not delay_seconds:
            self._receive(request)
            return
        self._in_transit += 1
        self.server.later(delay_seconds, self._arrive, request)

    def cancel(self, request: Request) -> None:
        """Stop a statement that has been sent."""
        request.is_cancelled = True
        if self._request is request:
            self._fail(request, asyncpg.QueryCanceledError("canceling statement due to user request"))

    def wait_for_rest(self) -> None:
        """A command has begun, and its rest has not come. No limit ends that, neither the one for idle transactions
        nor the one for statements (docs/decisions/simulated-postgres.md)."""
        self._idle_since_seconds, self.awaits_rest = None, True

    def hang_up(self) -> None:
        """The client has closed: what it has sent is done first."""
        self._is_hung_up = True
        self._end_if_left()

    def end(self, error: Exception | None) -> None:
        """Over: roll back, and let go of all locks."""
        if self.is_ended:
            return
        self.is_ended, self.why_ended = True, error
        self.server.sessions.remove(self)
        request = self._request
        self._leave_queue()
        if self.transaction is not None:
            self._finish(commit=False)
        if request is not None:
            self._answer(request, error=asyncpg.ConnectionDoesNotExistError(_CLOSED))

    # -- statements ----------------------------------------------------------------------------
    def _arrive(self, request: Request) -> None:
        self._in_transit -= 1
        self._receive(request)
        self._end_if_left()

    def _receive(self, request: Request) -> None:
        server = self.server
        if self._idle_since_seconds is not None and not self.is_ended and self._is_idle_for_too_long():
            self._end_idle()
        if self.is_ended:
            self._answer(request, error=self.why_ended or asyncpg.ConnectionDoesNotExistError(_CLOSED))
            return
        if request.command.looks_at_locks:
            server.end_idle()
        server.statements += 1
        request.began_seconds = server.loop.time()
        self._idle_since_seconds, self.awaits_rest = None, False
        self._run(request)

    def _run(self, request: Request) -> None:
        if request.is_cancelled:
            self._fail(request, asyncpg.QueryCanceledError("canceling statement due to user request"))
            return
        try:
            answer = self._do(request)
        except MustWait as wait:
            self._wait(request, wait)
        except asyncpg.PostgresError as error:
            self._fail(request, error)
        except sqlite3.IntegrityError as error:
            self._fail(request, _VIOLATIONS[str(error).split(" ", 1)[0]](str(error)))
        except Exception as error:
            self.server.bugs.append(f"{error!r} in {request.command.text!r} {request.args!r}")
            self._fail(request, asyncpg.InternalServerError(repr(error)))
        else:
            self._answer(request, answer)

    def _do(self, request: Request) -> Answer:
        command, transaction = request.command, self.transaction
        kind = command.kind
        if kind is Kind.BEGIN:
            return self._begin(command, request.label)
        if kind is Kind.COMMIT or kind is Kind.ROLLBACK:
            return self._end_transaction(commit=kind is Kind.COMMIT)
        if self.is_failed and kind is not Kind.ROLLBACK_TO:
            raise asyncpg.InFailedSQLTransactionError(
                "current transaction is aborted, commands ignored until end of transaction block"
            )
        if transaction is None:  # a statement by itself
            return self._alone(request)
        if kind is Kind.STATEMENT:
            return self._statement(transaction, command, request.args)
        if kind is Kind.SET:
            self._set(command)
            return [], "SET"
        return self._savepoint(transaction, kind, command.name)

    def _begin(self, command: Command, label: str) -> Answer:
        is_read_only = command.is_read_only or self.server.is_read_only
        self.transaction = Transaction(label, self.program, is_read_only=is_read_only)
        self.is_failed = False
        if command.settings:
            self._set(command)
        return [], "BEGIN"

    def _set(self, command: Command) -> None:
        for is_local, name, value in command.settings:
            (self._local if is_local else self._settings)[name] = value

    def _statement(self, transaction: Transaction, command: Command, args: Sequence[Any]) -> Answer:
        statement = command.statement
        if statement.advisory is not None:
            key = ("advisory", *args)
            is_ours = self.server.locks.take(transaction, key, statement.advisory)
            if not is_ours and not statement.only_tries:
                raise MustWait(key, statement.advisory)
            return [(is_ours,)], "SELECT 1"
        if transaction.is_read_only and statement.locks_or_changes:
            raise asyncpg.ReadOnlySQLTransactionError(
                f"cannot execute {statement.word.split()[0]} in a read-only transaction"
            )
        rows, number = self.server.data.execute(transaction, statement, args)
        return rows, f"{statement.word} {len(rows) if statement.word == 'SELECT' else number}"

    def _alone(self, request: Request) -> Answer:
        self._begin(BEGIN, request.label)
        answer = self._do(request)
        self._finish(commit=True)
        return answer

    def _savepoint(self, transaction: Transaction, kind: Kind, name: str) -> Answer:
        if kind is Kind.SAVEPOINT:
            transaction.savepoints[name] = (len(transaction.changes), len(transaction.held))
        elif kind is Kind.RELEASE:
            del transaction.savepoints[name]
        else:
            self.server.locks.release(transaction, self.server.data.roll_back(transaction, name))
            self.is_failed = False
        return [], kind.value.split(maxsplit=1)[0]

    def _end_transaction(self, *, commit: bool) -> Answer:
        commit = commit and not self.is_failed
        if self.transaction is not None:
            self._finish(commit=commit)
        return [], "COMMIT" if commit else "ROLLBACK"

    def _finish(self, *, commit: bool) -> None:
        transaction, self.transaction = self.transaction, None
        self.is_failed, self._local = False, {}
        assert transaction is not None
        if commit:
            self.server.data.commit(transaction)
            if transaction.changes:
                self.server.on_commit(transaction)
        else:
            self.server.data.roll_back(transaction)
        self.server.locks.release(transaction)

    def _fail(self, request: Request, error: Exception) -> None:
        """A statement fails, and its transaction with it: its locks are free at once."""
        self._leave_queue()
        transaction = self.transaction
        if transaction is not None:
            self.is_failed = True
            kept = self.server.data.roll_back(transaction, next(reversed(transaction.savepoints), ""))
            self.server.locks.release(transaction, kept)
        self._answer(request, error=error)

    def _answer(self, request: Request, answer: Answer | None = None, error: Exception | None = None) -> None:
        self._request = None
        request.result, request.error, request.is_done = answer, error, True
        if self.transaction is not None:
            self._idle_since_seconds = self.server.loop.time()
            if self.server.waiting:
                self.watch_idleness()
        if request.on_done is not None:
            request.on_done()
        if self._is_hung_up:
            self._end_if_left()

    def _end_if_left(self) -> None:
        if self._is_hung_up and self._request is None and not self._in_transit:
            self.end(None)

    # -- waiting -------------------------------------------------------------------------------
    def _wait(self, request: Request, wait: MustWait) -> None:
        server, transaction = self.server, self.transaction
        assert transaction is not None
        self._request = request
        self._waits = server.locks.wait(transaction, wait.key, wait.mode, self._on_turn)
        server.waiting += 1
        passed_seconds = server.loop.time() - request.began_seconds
        self._timers = [
            server.later(max(0.0, limit - passed), self._time_out, request, error)
            for limit, passed, error in (
                (DEADLOCK_SECONDS, 0.0, asyncpg.DeadlockDetectedError("deadlock detected")),
                (self._limit("lock_timeout"), 0.0, asyncpg.LockNotAvailableError("canceling: lock timeout")),
                (self._limit("statement_timeout"), passed_seconds, asyncpg.QueryCanceledError("statement timeout")),
            )
            if limit
        ]
        server.look_for_idle()

    def _limit(self, name: str) -> float:
        return seconds(self._local.get(name) or self._settings.get(name, "0"))

    def _time_out(self, request: Request, error: Exception) -> None:
        transaction = self.transaction
        if self._request is not request or transaction is None:
            return
        if isinstance(error, asyncpg.DeadlockDetectedError) and not self.server.locks.is_deadlocked(transaction):
            return
        self.server.deadlocks += isinstance(error, asyncpg.DeadlockDetectedError)
        self._fail(request, error)

    def _on_turn(self) -> None:
        request = self._request
        assert request is not None
        self._stop_waiting()
        self._request = request
        # Not at once: whoever let go of the lock is not done yet.
        self.server.loop.call_soon(self._go_on, request, context=self.server.context)

    def _go_on(self, request: Request) -> None:
        if self._request is request and not request.is_done:
            self._request = None
            self._run(request)
            self._end_if_left()

    def _leave_queue(self) -> None:
        if self.transaction is not None and self.transaction.waiter is not None:
            self.server.locks.give_up(self.transaction)
        self._stop_waiting()
        self._request = None

    def _stop_waiting(self) -> None:
        if not self._timers:
            return
        self.server.waiting -= 1
        for timer in self._timers:
            timer.cancel()
        for wait in self._waits:
            wait.ended_seconds = self.server.loop.time()
        self._timers, self._waits = [], []

    # -- idle in a transaction -----------------------------------------------------------------
    def watch_idleness(self) -> None:
        """End this session when it has been idle in a transaction for as long as it may. Costs nothing while nobody
        waits: if nobody does, it is enough to look when the client speaks again, or somebody skips what is locked."""
        limit = self._limit("idle_in_transaction_session_timeout")
        if limit and self._idle_since_seconds is not None and self._idle_timer is None and self.transaction is not None:
            left = self._idle_since_seconds + limit - self.server.loop.time()
            self._idle_timer = self.server.later(max(0.0, left), self._look_at_idleness)

    def _look_at_idleness(self) -> None:
        self._idle_timer = None
        if self.is_ended or self._request is not None or self._in_transit:
            return
        if self._is_idle_for_too_long():
            self._end_idle()
        elif self.server.waiting:
            self.watch_idleness()

    def end_if_idle(self) -> None:
        """End this session if it has been idle in a transaction for too long."""
        if not self.is_ended and self._request is None and not self._in_transit and self._is_idle_for_too_long():
            self._end_idle()

    def _is_idle_for_too_long(self) -> bool:
        since = self._idle_since_seconds
        if since is None or self.transaction is None or self.server.loop.time() == since:
            return False
        limit = self._limit("idle_in_transaction_session_timeout")
        return bool(limit) and self.server.loop.time() >= since + limit - 1e-9

    def _end_idle(self) -> None:
        self.end(asyncpg.IdleInTransactionSessionTimeoutError("terminating: idle-in-transaction timeout"))
