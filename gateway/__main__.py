"""``python -m gateway``: run the gateway."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from common import logs, private, process
from common.terminal import say, tolerate_terminal
from gateway.service import Service
from gateway.settings import PROGRAM, Settings, parse
from gateway.tls import TlsError


async def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop)
    service = Service(settings)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    try:
        await service.start()
        await stop.wait()
    finally:
        await service.stop()
    return 0


def _on_signal(stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(1)  # asked twice: whoever asks does not want to wait
    stop.set()


def main() -> int:
    """Entry point; returns the exit code: 0 done, 1 it could not be done (one line says why), 2 bad settings."""
    tolerate_terminal()
    settings = parse(sys.argv[1:], os.environ, Path(".env")).settings
    logs.configure(settings.log_format, settings.log_level)
    process.end_with_parent(settings.shutdown_seconds)
    process.tune()
    private.umask()
    try:
        return uvloop.run(run(settings))
    except (TlsError, OSError) as error:
        say(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
