"""Copies of a PostgreSQL database, by the server's own programs: nobody knows its tables, and its versions, better."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from engine.postgres_url import PostgresUrl
from engine.store.errors import DatabaseUnavailable

VARIABLES: Final[Mapping[str, str]] = {
    "application_name": "PGAPPNAME",
    "channel_binding": "PGCHANNELBINDING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "gssencmode": "PGGSSENCMODE",
    "options": "PGOPTIONS",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
"""Where libpq looks for what a URL says. An argument would show the password to all users of the machine."""
_WORDS_MAX: Final = 500
_RESTORE_HINT: Final = " (the database must be there and be empty; nothing in it was changed)"


async def dump(url: PostgresUrl, file: Path) -> None:
    """Write a database to a file, as of one moment and while it is used.

    Raises:
        DatabaseUnavailable: ``pg_dump`` is missing, or it failed: with its words.
    """
    await _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", "--file", str(file))


async def restore(url: PostgresUrl, file: Path) -> None:
    """Fill a database from a file: all of it, or nothing.

    Raises:
        DatabaseUnavailable: ``pg_restore`` is missing, or it failed: with its words.
    """
    what = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    await _run("pg_restore", url, *what, "--dbname", url.database, str(file), hint=_RESTORE_HINT)


def environment(url: PostgresUrl) -> dict[str, str]:
    """What tells libpq where the database is, beside what this process was told.

    Raises:
        DatabaseUnavailable: the URL has a parameter that can't be said so.
    """
    if unknown := sorted(url.parameters.keys() - VARIABLES.keys()):
        raise DatabaseUnavailable(f"{unknown[0]} of the database's URL can't be given to PostgreSQL's own programs")
    said = {
        "PGHOST": url.host,
        "PGPORT": str(url.port),
        "PGUSER": url.user,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        **{VARIABLES[name]: value for name, value in url.parameters.items()},
    }
    return {name: value for name, value in said.items() if value is not None}


async def _run(program: str, url: PostgresUrl, *arguments: str, hint: str = "") -> None:
    found = shutil.which(program)
    if found is None:
        raise DatabaseUnavailable(
            f"{program} is not installed: the package postgresql-client has it, of the server's version or a later one"
        )
    process = await asyncio.create_subprocess_exec(
        found,
        *arguments,
        env={**os.environ, **environment(url)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        words = " ".join(said.decode(errors="replace").split())
        raise DatabaseUnavailable(f"{program} failed{hint}: {words[:_WORDS_MAX]}")
