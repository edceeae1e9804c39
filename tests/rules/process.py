"""An engine as a process of its own, that can be killed or frozen; its API looks like the rig's."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from grpc import aio

from engine.service import Service
from engine.settings import load
from scripts.sandbox import Sandbox
from tests.rules.rig import QUICK, Rig, until

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 30


def environment(flags: dict[str, Any]) -> dict[str, str]:
    """This process's environment with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAILING_", "FBRQ_"))}
    settings = {f"MAILING_{name.upper()}": str(value) for name, value in flags.items() if name != "fbrq_token"}
    path = os.pathsep.join((str(ROOT), str(ROOT / "proto")))
    return {**kept, **settings, "FBRQ_TOKEN": str(flags["fbrq_token"]), "PYTHONPATH": path}


class EngineProcess:
    """``python -m engine``; ``rig`` speaks to it."""

    def __init__(self, process: asyncio.subprocess.Process, rig: Rig) -> None:
        self._process, self.rig = process, rig

    async def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        await self._process.wait()

    def freeze(self) -> None:
        """Let it do nothing, without its knowing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def engine_process(
    folder: Path, sandbox: Sandbox, database_url: str | None = None, **settings: Any
) -> AsyncIterator[EngineProcess]:
    """Start an engine (on a SQLite file in ``folder`` unless a URL is given); whatever happens, it is killed."""
    flags = {
        "database_url": database_url or f"sqlite://{folder / 'mailing.db'}",
        "provider_url": sandbox.url,
        "fbrq_token": sandbox.token,
        **QUICK,
        **settings,
        "log_format": "json",
    }
    log = _log(folder)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine"), cwd=folder, env=environment(flags), stdout=output, stderr=output
        )
    try:
        await until(lambda: process.returncode is not None or _target(log), _START_SECONDS)
        assert process.returncode is None, log.read_text()
        async with aio.insecure_channel(_target(log)) as channel:
            # The service is there for its settings only: it is never started here.
            yield EngineProcess(process, Rig(sandbox, Service(load(flags, {}, None)), channel))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _log(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder / "engine.log"


def _target(log: Path) -> str:
    for line in log.read_bytes().splitlines():
        if b'"engine.started"' in line:
            return str(json.loads(line)["grpc"])
    return ""
