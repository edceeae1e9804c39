"""What an attack is, and what all of them are made of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.abuse.target import Target


@dataclass(frozen=True, slots=True)
class Seen:
    """What the attackers have to tell."""

    note: str = ""
    is_bad: bool = False
    """Whether they have got what they must not get."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One row of the table."""

    name: str
    """A number of its kind, and a letter (docs/security.md)."""
    title: str
    run: Callable[[Target, float], Awaitable[Seen]]
    needs_password: bool = False
    needs_mailing: bool = False
    memory_mib: float = 0.0
    """What the service takes for this by design, however many ask for it."""


async def ask(
    address: str, method: str, path: str, body: bytes, headers: Mapping[str, str], wait_seconds: float = 60.0
) -> int:
    """The status of one request on a connection of its own; 0: none came. The body may be refused half-way."""
    host, _, port = address.rpartition(":")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address}", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer = None
    try:
        async with asyncio.timeout(wait_seconds):
            reader, writer = await asyncio.open_connection(host, int(port))
            with suppress(ConnectionError):
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                await writer.drain()
            return status_of(await reader.readline())
    except (OSError, TimeoutError):
        return 0
    finally:
        if writer is not None:
            writer.transport.abort()


def status_of(line: bytes) -> int:
    """The status in the first line of an answer."""
    words = line.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


async def at_once(count: int, seconds: float, what: Callable[[int], Awaitable[object]]) -> int:
    """Let so many do it again and again until the time is over; returns how often it was done. Failures count."""
    until, done = time.monotonic() + seconds, 0

    async def one(number: int) -> None:
        nonlocal done
        while time.monotonic() < until:
            await what(number)
            done += 1

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))
    return done


def counted(statuses: list[int]) -> str:
    """``15 x 401``: the answers, the most frequent first."""
    kinds = sorted(set(statuses), key=lambda status: -statuses.count(status))
    return ", ".join(f"{statuses.count(status)} x {status or 'no answer'}" for status in kinds)
