"""Opening a database: its schema, its settings, and what is said when it can't be opened."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from engine.domain.routing import OF_FBRQ
from engine.store import DatabaseInUse, DatabaseTooNew, DatabaseUnavailable, Store, StoreUnavailable, claims, orm
from engine.store.database import Lane, Tx
from engine.store.migrate import migrate
from engine.store.routes import index_for, may_have, with_numbers
from tests.store.conftest import KINDS, Opener
from tests.store.world import LEASE, NOW, a_mailing_with, add_clients, add_engine, add_mailing

INTEGERS = {"BIGINT", "INT", "INTEGER", "SMALLINT"}


async def columns(tx: Tx) -> dict[str, dict[str, tuple[str, bool]]]:
    """Of each table, each column's kind and whether it may be NULL."""
    if tx.dialect.is_sqlite:
        sql = (
            'SELECT m.name, c.name, c.type, NOT c."notnull" FROM sqlite_master AS m, pragma_table_info(m.name) AS c'
            " WHERE m.type = 'table'"
        )
    else:
        sql = (
            "SELECT table_name, column_name, data_type, is_nullable = 'YES' FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        )
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for table, column, kind, null in await tx.rows(sql):
        found.setdefault(table, {})[column] = (family(kind), bool(null))
    return found


def family(kind: str) -> str:
    """The kind of a column, whatever the database calls it."""
    name = kind.upper().split("(")[0]
    if name in INTEGERS:
        return "integer"
    return {"TEXT": "text", "VARCHAR": "text", "CHARACTER VARYING": "text", "DOUBLE PRECISION": "real"}.get(
        name, name.lower()
    )


async def test_models_and_migrated_schema_agree(store: Store) -> None:
    found = await store._db.read(columns)
    kinds = {"BigIntField": "integer", "IntField": "integer", "SmallIntField": "integer", "BooleanField": "boolean"}
    kinds |= {"CharField": "text", "TextField": "text", "FloatField": "real"}
    described: dict[str, dict[str, tuple[str, bool]]] = {}
    apps = orm._apps
    assert apps is not None
    for model in apps.apps[orm.APP].values():
        meta = model._meta
        if meta.db_table == "aerich":
            continue
        described[meta.db_table] = {
            column: (kinds[type(meta.fields_map[name]).__name__], bool(meta.fields_map[name].null))
            for name, column in meta.fields_db_projection.items()
        }
    for table in ("aerich", "sqlite_sequence"):
        found.pop(table, None)
    assert found == described


async def test_migrating_again_does_nothing(open_store: Opener) -> None:
    store = await open_store()
    await add_clients(store, 1)
    assert await migrate(store._db) == []


async def test_a_database_from_the_future_is_refused(open_store: Opener, kind: str) -> None:
    store = await open_store()

    async def advance(tx: Tx) -> int:
        return await tx.run("INSERT INTO aerich (version, app, content) VALUES ('99_later.py', 'store', '{}')")

    await store._db.transaction(advance)
    await store.close()
    with pytest.raises(DatabaseTooNew, match=r"99_later\.py"):
        await open_store()


BAD_ROWS = {
    "unknown status": "UPDATE message SET status = 5",
    "not sent without a reason": "UPDATE message SET status = 4",
    "taken by nobody": "UPDATE message SET status = 1, attempt = 1",
    "pending and owned": "UPDATE message SET owner = 1",
    "pending and stale": "UPDATE message SET stale = TRUE",
    "sent without a call": "UPDATE message SET status = 3",
    "pending without a client": "UPDATE message SET client_id = NULL",
    "a second message for one pair": (
        "INSERT INTO message (mailing_id, client_id, create_us) SELECT mailing_id, client_id, 1 FROM message"
    ),
    "a message for no mailing": "UPDATE message SET mailing_id = 404",
    "a phone number from elsewhere": "UPDATE client SET phone_number = 123",
    "an end before the start": "UPDATE mailing SET end_us = start_us",
    "half of local hours": "UPDATE mailing SET local_from = 5",
    "a counter below zero": "UPDATE mailing_counters SET pending = -1",
    "a mailing gone before its messages": "DELETE FROM mailing",
    "a second control record": "INSERT INTO control (id) VALUES (2)",
}
OF_SQLITE = ("a message for no mailing", "a mailing gone before its messages")
"""PostgreSQL has no foreign keys of messages, for their cost: docs/decisions/references.md."""


@pytest.mark.parametrize("kind", KINDS[1:], indirect=True)  # SQLite's rules are the same with a thread
@pytest.mark.parametrize("name", BAD_ROWS)
async def test_the_database_itself_refuses(store: Store, kind: str, name: str) -> None:
    if kind == "postgres" and name in OF_SQLITE:
        pytest.skip("no foreign keys")
    await a_mailing_with(store, 1)

    async def spoil(tx: Tx) -> int:
        return await tx.run(BAD_ROWS[name])

    with pytest.raises((sqlite3.IntegrityError, asyncpg.IntegrityConstraintViolationError)):
        await store._db.transaction(spoil)


async def test_claiming_reads_the_partial_index_and_nothing_else(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 50)
    args = (mailing_id, NOW, NOW, 1, NOW, 10)

    async def explain(tx: Tx) -> str:
        index = tx.dialect.indexed_by(index_for(OF_FBRQ))
        said = {"allowed": may_have(OF_FBRQ), "budget": "", "index": index}
        if tx.dialect.is_sqlite:
            rows: Any = await tx.rows(f"EXPLAIN QUERY PLAN {claims._CLAIM_SQLITE.format(**said, more='')}", *args)
            return "\n".join(row[3] for row in rows)
        await tx.run("SET LOCAL enable_seqscan = off")  # 50 rows are one page
        rows = await tx.rows(f"EXPLAIN {claims._DUE_POSTGRES.format(**said, numbers=with_numbers(OF_FBRQ))}", *args)
        return "\n".join(row[0] for row in rows)

    plan = await store._db.transaction(explain)
    assert "message_due" in plan
    assert "TEMP B-TREE" not in plan
    assert "SCAN" not in plan  # SQLite: a whole table
    assert "Seq Scan on message" not in plan


@pytest.mark.parametrize("inline", [False, True])
async def test_sqlite_settings_hold_on_every_connection(tmp_path: Path, inline: bool) -> None:
    store = await Store.open(f"sqlite://{tmp_path / 'deep' / 'er' / 'mailing.db'}", inline=inline)

    async def settings(tx: Tx) -> list[Any]:
        names = ["journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete", "journal_size_limit"]
        names.append("query_only")
        return [await tx.value(f"PRAGMA {name}") for name in names]

    for lane in (Lane.DELIVERY, Lane.API):
        assert await store._db.transaction(settings, lane) == ["wal", 2, 1, 0, 1, 33554432, 0]
    for lane in Lane:
        assert await store._db.read(settings, lane) == ["wal", 2, 1, 0, 1, 33554432, 1]
    assert not store.shared
    await store.close()


async def test_a_sqlite_file_has_one_owner(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'mailing.db'}"
    first = await Store.open(url)
    with pytest.raises(DatabaseInUse, match=rf"in use by another engine \(process {os.getpid()}\)"):
        await Store.open(url)
    script = (
        "import asyncio\nfrom engine.store import Store\n"
        f"try: asyncio.run(Store.open({url!r}))\nexcept Exception as error: print(type(error).__name__)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)  # noqa: ASYNC221
    assert run.stdout.strip() == "DatabaseInUse"
    await first.close()
    await (await Store.open(url)).close()


async def test_a_database_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database, but it is long enough to be read as a header" * 20)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.db").mkdir()
    for url, said in (
        (f"sqlite://{tmp_path}/text.db", "not a database"),
        (f"sqlite://{tmp_path}/file/mailing.db", "folder"),
        (f"sqlite://{tmp_path}/folder.db", "it is a folder"),
        ("mysql://x", "must start with sqlite:// or postgres://"),
        ("postgres://u:p@127.0.0.1:1/none", r"can't open the database at postgres://u:\*\*\*@127.0.0.1:1/none: "),
    ):
        with pytest.raises(DatabaseUnavailable, match=said) as caught:
            await Store.open(url)
        assert "\n" not in str(caught.value)
        assert "u:p" not in str(caught.value)


async def test_a_closed_store_says_so(open_store: Opener) -> None:
    store = await open_store()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.get_mailing(1)


async def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    async def work(tx: Tx) -> None:
        await tx.run("UPDATE control SET revision = 99")
        raise LookupError("no")

    with pytest.raises(LookupError):
        await store._db.transaction(work)
    assert (await store.read_control(0)).revision == 0


async def test_sqlite_in_memory_for_the_simulation() -> None:
    store = await Store.open("sqlite://:memory:", inline=True)
    await add_clients(store, 2)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    assert len(await store.claim(mailing_id, 9, owner=owner, now_us=NOW, lease_until_us=LEASE)) == 2
    await store.close()
