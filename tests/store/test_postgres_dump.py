"""How PostgreSQL's own programs are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import postgres_url
from engine.store import postgres_dump
from engine.store.errors import DatabaseUnavailable


def test_what_they_are_told() -> None:
    """All of the URL, and the password in no argument, which other users of the machine could read."""
    url = postgres_url.parse(
        "postgres://me:s%40fe@db:6543/mailing?sslmode=require&application_name=x&connect_timeout=3"
    )
    assert postgres_dump.environment(url) == {
        "PGHOST": "db",
        "PGPORT": "6543",
        "PGUSER": "me",
        "PGPASSWORD": "s@fe",
        "PGDATABASE": "mailing",
        "PGSSLMODE": "require",
        "PGAPPNAME": "x",
        "PGCONNECT_TIMEOUT": "3",
    }
    assert "PGPASSWORD" not in postgres_dump.environment(postgres_url.parse("postgres://db/mailing"))


def test_each_parameter_has_a_place_or_is_refused() -> None:
    """None is left out without a word: it may be the one that asks for encryption."""
    taken = {"host", "port", "user", "password", "dbname"}
    assert postgres_url.PARAMETERS.keys() - postgres_dump.VARIABLES.keys() - taken == {"sslpassword"}
    url = postgres_url.PostgresUrl("db", 5432, "mailing", parameters={"sslpassword": "x"})
    with pytest.raises(DatabaseUnavailable, match="sslpassword"):
        postgres_dump.environment(url)


async def test_a_program_that_is_missing_or_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says which package has it, or what it said itself."""
    monkeypatch.setenv("PATH", str(tmp_path))
    url = postgres_url.parse("postgres://db/mailing")
    with pytest.raises(DatabaseUnavailable, match="pg_dump is not installed: the package postgresql-client"):
        await postgres_dump.dump(url, tmp_path / "x")
    program = tmp_path / "pg_restore"
    program.write_text('#!/bin/sh\necho "no such\n  database $PGDATABASE" >&2\nexit 1\n')
    program.chmod(0o755)
    said = r"pg_restore failed \(the database must be there and be empty; .*\): no such database mailing"
    with pytest.raises(DatabaseUnavailable, match=said):
        await postgres_dump.restore(url, tmp_path / "x")
