"""``python -m engine backup``, ``restore`` and ``hold``: copies of the database, and what makes them safe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from common import private
from common.terminal import say
from engine import postgres_url
from engine.clock import SystemClock
from engine.delivery.control_keeper import ALIVE_SECONDS
from engine.domain.units import in_us
from engine.settings import Settings
from engine.store import postgres_dump
from engine.store.errors import DatabaseInUse, DatabaseUnavailable
from engine.store.opening import sqlite_file
from engine.store.sqlite_copy import copy_file, restored
from engine.store.store import Store

Arguments = Mapping[str, Any]

_HELD: Final = "An engine that starts on it sends nothing until somebody resumes sending: mailing engine resume"


async def backup(settings: Settings, arguments: Arguments) -> int:
    """``backup FILE``: also while engines use the database; returns the exit code.

    Raises:
        DatabaseUnavailable: with a line that says why there is no copy.
    """
    target = Path(arguments["file"])
    file = _file_of(settings)
    if file is not None:
        copy_file(file, target, SystemClock().now_us())
    else:
        with private.new_file(target) as part:
            await postgres_dump.dump(postgres_url.parse(settings.database_url), part)
    say(f"{target} has {settings.database_name} as it was when this began.")
    return 0


async def restore(settings: Settings, arguments: Arguments) -> int:
    """``restore FILE``: to where there is no database yet; returns the exit code.

    Raises:
        DatabaseUnavailable: with a line that says why nothing was restored.
    """
    copy = Path(arguments["file"])
    file = _file_of(settings)
    if file is not None:
        with restored(copy, file) as part:
            await _mark(f"sqlite://{part}")
    else:
        await postgres_dump.restore(postgres_url.parse(settings.database_url), copy)
        await _mark(settings.database_url)
    say(f"{settings.database_name} has what {copy} had. {_HELD}")
    return 0


async def hold(settings: Settings, _arguments: Arguments) -> int:
    """``hold``: say that this database is a copy, which was made by other means; returns the exit code.

    Raises:
        DatabaseInUse: an engine runs on it.
    """
    await _mark(settings.database_url, is_used=True)
    say(f"{settings.database_name} is taken for a copy. {_HELD}")
    return 0


HANDLERS: Final[Mapping[str, Callable[[Settings, Arguments], Awaitable[int]]]] = {
    "backup": backup,
    "restore": restore,
    "hold": hold,
}
"""By the command's name in ``settings.COMMANDS``."""


async def _mark(url: str, *, is_used: bool = False) -> None:
    """``is_used``: an engine may run on it. In what was just restored are engines of the original."""
    now_us = SystemClock().now_us()
    store = await Store.open(url)
    try:
        alive = (await store.read_control(now_us - in_us(ALIVE_SECONDS))).engines
        if is_used and store.shared and alive:
            raise DatabaseInUse(f"an engine runs on this database ({alive[0].name}): stop it first")
        await store.mark_copy(now_us)
    finally:
        await store.close()


def _file_of(settings: Settings) -> Path | None:
    """The file of a SQLite database; None: it is on a server."""
    if settings.database_url == "sqlite://:memory:":
        raise DatabaseUnavailable("a database in memory can't be copied")
    return sqlite_file(settings.database_url)
