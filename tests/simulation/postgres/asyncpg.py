"""asyncpg's face: what the store calls of a pool and its connections, and what can befall one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from contextvars import ContextVar
from dataclasses import dataclass
from random import Random
from typing import Any, NoReturn

import asyncpg

from tests.simulation.loop import VirtualLoop
from tests.simulation.postgres.server import Answer, Request, Server, Session
from tests.simulation.postgres.text import Kind

VERB: ContextVar[str] = ContextVar("verb", default="")
"""What the transaction is for, for the log of waits."""


@dataclass
class Network:
    """What lies between one client and the server. Shares are in 0..1."""

    random: Random
    slow: float = 0.0
    """Of the transactions: these take time before each statement and after it; the others run in one turn."""
    seconds: tuple[float, float] = (0.0, 0.02)
    """How long one way takes, in a slow one."""
    cut: float = 0.0
    """Of the statements: the connection breaks instead."""
    lose_commit: float = 0.0
    """Of the commits: done, but the connection breaks before the answer."""
    is_black: bool = False
    """All that is sent is lost without a word, for connections that there are now, for ever; for new ones, while it
    lasts."""


class Pool:
    """``asyncpg.Pool``."""

    def __init__(
        self,
        server: Server,
        network: Network,
        program: str,
        *,
        max_size: int,
        server_settings: dict[str, str],
        connect_seconds: float = 60.0,
    ) -> None:
        self.server, self.network, self.program = server, network, program
        self.settings, self._connect_seconds = server_settings, connect_seconds
        self._idle: list[Connection] = []
        self._free = max_size
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._is_closed = False
        self.connections: list[Connection] = []

    def acquire(self, *, timeout: float | None = None) -> _Acquiring:
        """A connection, to be awaited or entered."""
        return _Acquiring(self, timeout)

    async def take(self, timeout: float | None) -> Connection:
        """See ``acquire``."""
        if self._is_closed:
            raise asyncpg.InterfaceError("pool is closed")
        if timeout is None:
            return await self._take()
        async with asyncio.timeout(timeout):
            return await self._take()

    async def _take(self) -> Connection:
        while not self._free:
            waiter: asyncio.Future[None] = self.server.loop.create_future()
            self._waiters.append(waiter)
            await waiter
        self._free -= 1
        try:
            while self._idle:
                if not (connection := self._idle.pop()).is_closed():
                    return connection
            return await self._connect()
        except BaseException:
            self._give_place()
            raise

    async def _connect(self) -> Connection:
        network = self.network
        if network.is_black:
            await asyncio.sleep(self._connect_seconds)
            raise TimeoutError
        if network.slow and network.random.random() < network.slow:
            await asyncio.sleep(network.random.uniform(*network.seconds))
        connection = Connection(self, self.server.connect(self.settings, self.program))
        self.connections = [each for each in self.connections if not each.is_closed()]
        self.connections.append(connection)
        return connection

    async def release(self, connection: Connection, *, timeout: float | None = None) -> None:
        """Take one back."""
        connection.reset()
        if not connection.is_closed():
            self._idle.append(connection)
        self._give_place()

    def _give_place(self) -> None:
        self._free += 1
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break

    async def expire_connections(self) -> None:
        """New ones from now on."""
        for connection in self._idle:
            connection.terminate()
        self._idle = []

    async def close(self) -> None:
        """Let go of all."""
        self.terminate()

    def terminate(self) -> None:
        """At once."""
        self._is_closed = True
        for connection in self.connections:
            connection.terminate()

    @property
    def _holders(self) -> list[_Holder]:
        return [_Holder(connection) for connection in self._idle]

    def black_out(self) -> None:
        """The connections that there are will hear nothing any more."""
        for connection in self.connections:
            connection.is_black = True


class _Holder:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def is_idle(self) -> bool:
        return not self._connection.is_closed()

    def terminate(self) -> None:
        self._connection.terminate()


class _Acquiring:
    def __init__(self, pool: Pool, timeout: float | None) -> None:
        self._pool, self._timeout = pool, timeout
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._pool.take(self._timeout).__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.take(self._timeout)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        assert self._connection is not None
        await self._pool.release(self._connection)


class Connection:
    """``asyncpg.Connection``."""

    def __init__(self, pool: Pool, session: Session) -> None:
        self._pool, self._session = pool, session
        self._loop: VirtualLoop = pool.server.loop
        self._is_closed = self._is_slow = self._is_atomic = False
        self.is_black = False
        self._prepared: set[str] = set()
        self._con = self._protocol = self._stmt_cache = self  # asyncpg's names for what is one object here

    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False, deferrable: bool = False
    ) -> _Transaction:
        """To be entered."""
        return _Transaction(self, isolation, readonly)

    # -- prepared statements -------------------------------------------------------------------
    def get_record_class(self) -> type:
        """What rows are, a part of the cache's keys."""
        return tuple

    def has(self, key: tuple[str, type, bool]) -> bool:
        """Whether the statement is prepared. Of one that was prepared on any connection of this server, it is said that
        it was when this one was made: a life has few statements and many connections."""
        if key[0] in self._prepared:
            return True
        server = self._pool.server
        if server.is_new and key[0] not in server.prepared:
            return False
        self._prepared.add(key[0])
        return True

    async def _get_statement(self, query: str, timeout: float | None) -> None:
        self._check_open()
        self._prepared.add(query)
        self._pool.server.prepared.add(query)

    async def _parse(self, query: str, limit: float | None) -> None:
        """What asyncpg does with a statement that it meets for the first time: ask what it is like, and read the
        answer. Meanwhile the server waits for the rest of the command, and ends nothing."""
        self._prepared.add(query)
        is_known = not self._pool.server.is_new or self._session.transaction is None
        if is_known or self._is_atomic or self.is_black:
            return
        self._session.wait_for_rest()
        future: asyncio.Future[None] = self._loop.create_future()
        self._pool.server.later(self._pool.network.random.uniform(*self._pool.network.seconds), _wake, future)
        await self._within(future, limit)

    # -- statements ----------------------------------------------------------------------------
    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[tuple[Any, ...]]:
        """Rows."""
        if query not in self._prepared:
            await self._parse(query, timeout)
        return (await self.ask(query, args, timeout))[0]

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> tuple[Any, ...] | None:
        """The first row."""
        return next(iter((await self.ask(query, args, timeout))[0]), None)

    async def fetchval(self, query: str, *args: Any, timeout: float | None = None) -> Any:
        """The first column of the first row."""
        row = await self.fetchrow(query, *args, timeout=timeout)
        return None if row is None else row[0]

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """The status. Without arguments the text is one whole command."""
        if args and query not in self._prepared:
            await self._parse(query, timeout)
        return (await self.ask(query, args, timeout))[1]

    def is_closed(self) -> bool:
        """As far as the client knows: the server's end is heard of unless the network is black."""
        return self._is_closed or (self._session.is_ended and not self.is_black)

    def is_in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._session.transaction is not None

    def get_server_pid(self) -> int:
        """A number of its own."""
        return id(self._session)

    async def close(self, *, timeout: float | None = None) -> None:
        """Close."""
        self.terminate()

    def terminate(self) -> None:
        """Close without waiting for anybody. A server that hears nothing keeps the session."""
        if not self._is_closed:
            self._is_closed = True
            if not self.is_black:
                self._session.hang_up()

    def reset(self) -> None:
        """Ready for the next one."""
        if self.is_black:
            self._is_closed = True
        elif not self.is_closed() and self._session.transaction is not None:
            self.terminate()

    # -- asking --------------------------------------------------------------------------------
    async def ask(self, text: str, args: tuple[Any, ...], timeout: float | None = None) -> Answer:
        """Send a statement and wait for its answer."""
        self._check_open()
        pool = self._pool
        network, command = pool.network, pool.server.command(text)
        kind = command.kind
        is_first = kind is Kind.BEGIN or self._session.transaction is None
        if is_first:
            self._is_slow = bool(network.slow) and network.random.random() < network.slow
            self._is_atomic = command.is_atomic
        if network.cut and network.random.random() < network.cut:
            self._break()
        request = Request(command, args, VERB.get())
        is_slow = self._is_slow and (is_first or not self._is_atomic)
        if is_slow or self.is_black:
            await self._exchange(request, is_slow, timeout)
        else:
            self._session.send(request)
            if not request.is_done:
                await self._wait(request, self._loop.create_future(), timeout, 0.0)
        if network.lose_commit and kind is Kind.COMMIT and network.random.random() < network.lose_commit:
            self._break()
        if request.error is not None:
            raise request.error
        assert request.result is not None
        return request.result

    def _break(self) -> NoReturn:
        self.terminate()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    async def _exchange(self, request: Request, is_slow: bool, limit: float | None) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        if self.is_black:
            await self._within(future, limit)
        there, back = (self._pool.network.random.uniform(*self._pool.network.seconds) for _ in range(2))
        if is_slow:
            self._session.send(request, max(there, 1e-6))
        await self._wait(request, future, limit, back)

    async def _wait(self, request: Request, future: asyncio.Future[None], limit: float | None, back: float) -> None:
        def answered() -> None:
            if self.is_black:
                return
            if back:
                self._pool.server.later(back, _wake, future)
            else:
                _wake(future)

        request.on_done = answered
        try:
            await self._within(future, limit)
        except BaseException:
            request.on_done = None
            if not self.is_black and not request.is_done:
                self._session.cancel(request)
            raise

    async def _within(self, future: asyncio.Future[None], limit: float | None) -> None:
        if limit is None:
            await future
            return
        timer = self._loop.call_later(limit, _time_out, future)
        try:
            await future
        finally:
            timer.cancel()

    def _check_open(self) -> None:
        if self.is_closed():
            raise asyncpg.InterfaceError("connection is closed")


class _Transaction:
    def __init__(self, connection: Connection, isolation: str | None, readonly: bool) -> None:
        self._connection, self._isolation, self._readonly = connection, isolation, readonly

    async def __aenter__(self) -> None:
        await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.commit()
        elif kind is not GeneratorExit:
            await self.rollback()

    async def start(self) -> None:
        level = (self._isolation or "read_committed").replace("_", " ").upper()
        await self._connection.ask(f"BEGIN ISOLATION LEVEL {level}{' READ ONLY' if self._readonly else ''};", ())

    async def commit(self) -> None:
        await self._connection.ask("COMMIT;", ())

    async def rollback(self) -> None:
        await self._connection.ask("ROLLBACK;", ())


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _time_out(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())
