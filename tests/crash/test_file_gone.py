"""The database's file is removed under a real engine: docs/operating.md, "When something fails"."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.crash.campaign import register
from tests.crash.processes import Engine, sandbox_within

SLOTS = 16
NOTICED_SECONDS = 20
"""It takes about one; more on a machine with much else to do."""


def ready(address: str) -> tuple[int, Any]:
    """What ``/readyz`` says."""
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def metrics_address(log: Path) -> str:
    started = next(line for line in log.read_text().splitlines() if '"engine.started"' in line)
    return str(json.loads(started)["metrics"])


@pytest.mark.slow
async def test_a_file_that_is_removed_stops_sending_and_is_said_to_be(tmp_path: Path) -> None:
    async with sandbox_within(0.2) as provider:
        engine = Engine(tmp_path, f"{provider.url}/v1", workers=SLOTS)
        await engine.start()
        try:
            address = metrics_address(tmp_path / "engine.log")
            await register(engine.target, NOTICED_SECONDS * SLOTS * 5, "resend")
            await provider.accepted(SLOTS)
            assert (await asyncio.to_thread(ready, address))[0] == 200
            engine.database.unlink()
            async with asyncio.timeout(NOTICED_SECONDS):
                while (said := await asyncio.to_thread(ready, address))[0] == 200:
                    await asyncio.sleep(0.05)
            calls = (await provider.stats())["requests"]
            assert "mailing.db was removed while the engine runs" in str(said[1])
            await asyncio.sleep(1)
            assert (await provider.stats())["requests"] - calls <= SLOTS
            assert not engine.database.exists()
        finally:
            await engine.kill()
