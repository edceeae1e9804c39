"""The program: run the engine, or one of its commands."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import uvloop

from common import logs, private, process
from common.command_line import BadSettings
from common.stopping import LEFT, Stop
from common.terminal import say, tolerate_terminal, words_of
from engine import copy_commands
from engine.access import commands
from engine.api.tls import ListenError
from engine.domain.errors import MailingError
from engine.ports import StoreUnavailable
from engine.provider import commands as provider_commands
from engine.service import Service
from engine.settings import PROGRAM, Settings, parse
from engine.store.damage import damage_of
from engine.store.errors import DatabaseUnavailable
from engine.store.opening import sqlite_file
from engine.store.store import Store


async def run(settings: Settings, stop: Stop) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    service = Service(settings)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, service.reload)
    await stop.serve(service)
    if service.is_whole:
        return 0
    stop.say_what_is_open()  # the parts of the stop kept their limits, and the database did not answer
    return LEFT


async def migrate(settings: Settings, _arguments: Mapping[str, Any]) -> int:
    """Bring the database to this version's schema; returns the exit code."""
    store = await Store.open(settings.database_url)
    await store.close()
    say(f"The database {settings.database_name} is up to date.")
    return 0


async def check(settings: Settings, _arguments: Mapping[str, Any]) -> int:
    """Look for damage, then recount and repair the counters; returns 0 when all was right, 1 when it was not. Of a
    damaged file nothing is repaired: what is counted there says nothing.

    Raises:
        DatabaseUnavailable: there is no such file. Opening would make an empty one, and say that all is well.
    """
    file = sqlite_file(settings.database_url)
    if file is not None:
        if not (file.is_file() and file.stat().st_size):
            raise DatabaseUnavailable(f"there is no database in {file}")
        if faults := await asyncio.to_thread(damage_of, file):
            for fault in faults:
                say(f"damaged: {fault}")
            say(f"The file {file} is damaged. Nothing was repaired: restore a backup.")
            return 1
    store = await Store.open(settings.database_url)
    try:
        mailings = await store.count_mailings()
        differences = await store.check()
    finally:
        await store.close()
    for found in differences:
        done = "repaired to" if found.repaired else "and can't be repaired: it should be"
        whose = "clients" if found.mailing_id is None else f"mailing {found.mailing_id}"
        say(f"{whose}: {found.name} was {found.stored}, {done} {found.counted}")
    if not differences:
        say(f"All counters agree with the messages. Mailings: {mailings}.")
    return 1 if differences else 0


Handler = Callable[[Settings, Mapping[str, Any]], Awaitable[int]]
COMMANDS: dict[str, Handler] = {
    "migrate": migrate,
    "check": check,
    **copy_commands.HANDLERS,
    **commands.HANDLERS,
    **provider_commands.HANDLERS,
}


def main() -> int:
    """Entry point; returns the exit code: 0 done, 1 it could not be done (one line says why), 2 bad settings.

    A process that leaves before its stop has ended does so with ``stopping.LEFT``.
    """
    tolerate_terminal()
    command, settings, arguments = parse(sys.argv[1:], os.environ, Path(".env"))
    logs.configure(settings.log_format, settings.log_level)
    stop = Stop(settings.shutdown_seconds)
    if command == "run":
        stop.watch_signals()
    process.end_with_parent(settings.shutdown_seconds)
    process.tune()
    private.umask()
    try:
        work = run(settings, stop) if command == "run" else COMMANDS[command](settings, arguments)
        return uvloop.run(work)  # type: ignore[arg-type]
    except BadSettings as error:
        for line in error.lines:
            say(f"{PROGRAM}: {line}", file=sys.stderr)
        return 2
    except (MailingError, DatabaseUnavailable, StoreUnavailable, ListenError, OSError) as error:
        say(f"{PROGRAM}: {words_of(error)}", file=sys.stderr)
        return 1
