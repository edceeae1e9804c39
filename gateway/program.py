"""The program: run the gateway."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from common import logs, private, process
from common.stopping import Stop
from common.terminal import say, tolerate_terminal, words_of
from common.tls_files import TlsError
from gateway.service import Service
from gateway.settings import PROGRAM, Settings, parse


async def run(settings: Settings, stop: Stop) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    service = Service(settings)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, service.reload)
    await stop.serve(service)
    return 0


def main() -> int:
    """Entry point; returns the exit code: 0 done, 1 it could not be done (one line says why), 2 bad settings.

    A process that leaves before its stop has ended does so with ``stopping.LEFT``.
    """
    tolerate_terminal()
    settings = parse(sys.argv[1:], os.environ, Path(".env")).settings
    logs.configure(settings.log_format, settings.log_level)
    stop = Stop(settings.shutdown_seconds)
    stop.watch_signals()
    process.end_with_parent(settings.shutdown_seconds)
    process.tune()
    private.umask()
    try:
        return uvloop.run(run(settings, stop))
    except (TlsError, OSError) as error:
        say(f"{PROGRAM}: {words_of(error)}", file=sys.stderr)
        return 1
