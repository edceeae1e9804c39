"""SQLite files that are migrated already: to copy one costs a twentieth of migrating a new one."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.store import Store


def migrated(path: Path) -> str:
    """The URL of a file with nothing in it, as an engine leaves it that was started and stopped. What is there already
    stays as it is."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(_template())
    return f"sqlite://{path}"


@cache
def _template() -> bytes:
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside:  # the test's own loop may run here
        file = Path(folder) / "mailing.db"
        beside.submit(asyncio.run, _migrate(file)).result()
        return file.read_bytes()


async def _migrate(file: Path) -> None:
    await (await Store.open(f"sqlite://{file}", inline=True)).close()
