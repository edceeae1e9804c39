"""A database that version 0.1.0 left in the middle of its work is brought to today's schema, and nothing is lost."""

from __future__ import annotations

import importlib
from pathlib import Path
from pkgutil import iter_modules

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.message import Reason, Status
from engine.domain.window import LocalHours
from engine.store import Store, orm
from engine.store.database import Lane, Tx
from engine.store.migrate import LOCATION, migrate
from engine.store.opening import open_database
from engine.store.rows import MessageQuery, Page
from tests.store.conftest import Databases
from tests.store.world import END, LEASE, NOW, START, add_engine

OF_0_1_0 = 2
"""So many migrations it had."""

ROWS = f"""
INSERT INTO client (id, phone_number, phone_code, tag, time_zone, create_us, update_us) VALUES
 (1, 79160000001, '916', 'vip', 'Europe/Moscow', 1, 1), (2, 79160000002, '916', 'vip', 'UTC', 1, 1),
 (3, 79160000003, '916', '', 'Asia/Omsk', 1, 1), (4, 79160000004, '916', 'vip', 'UTC', 1, 1),
 (5, 79160000005, '916', 'vip', 'UTC', 1, 1);
INSERT INTO mailing (id, text, filter_tags, filter_phone_codes, start_us, end_us, local_from, local_to, rate_limit,
 on_uncertain, paused, cancelled_us, audience_ready, audience_generation, audience_cursor, create_us, update_us) VALUES
 (1, 'hello', '["vip"]', '["916"]', {START}, {END}, NULL, NULL, NULL, 'resend', FALSE, NULL, TRUE, 0, 5, 1, 1),
 (2, 'over', '[]', '[]', 1, 2, 540, 1260, 2.5, 'not_sent', TRUE, 3, TRUE, 0, 5, 1, 1);
INSERT INTO message (id, mailing_id, client_id, status, reason, attempt, due_us, owner, create_us, started_us,
 finished_us, http_status, detail) VALUES
 (1, 1, 1, 3, NULL, 1, 0, NULL, 1, 5, 6, 200, ''), (2, 1, 2, 0, NULL, 1, 0, NULL, 1, 5, 6, 503, 'HTTP 503'),
 (3, 1, 4, 2, NULL, 1, {LEASE}, 1, 1, 5, NULL, NULL, ''), (4, 1, 5, 0, NULL, 0, 0, NULL, 1, NULL, NULL, NULL, ''),
 (5, 2, 1, 4, 3, 0, 0, NULL, 1, NULL, 3, NULL, ''), (6, 2, NULL, 3, NULL, 1, 0, NULL, 1, 1, 2, 200, ''),
 (7, 2, 3, 4, 1, 0, 0, NULL, 1, NULL, 3, NULL, '');
INSERT INTO mailing_counters (mailing_id, pending, sent, expired, rejected, cancelled, uncertain, attempts, retried)
 VALUES (1, 3, 1, 0, 0, 0, 0, 2, 0), (2, 0, 1, 1, 0, 1, 0, 1, 0);
INSERT INTO attempt (id, message_id, number, lost, started_us, finished_us, http_status, detail) VALUES
 (1, 2, 1, FALSE, 5, 6, 503, 'HTTP 503');
INSERT INTO engine (id, name, started_us, heartbeat_us, workers) VALUES (1, 'old', 1, 1, 64);
INSERT INTO account (id, name, role, password_hash, create_us) VALUES (1, 'maria', 3, 'x', 1);
INSERT INTO api_token (id, name, role, secret_hash, hint, created_by, create_us) VALUES
 (1, 'reports', 1, '{"a" * 64}', 'abcd', 'maria', 1);
"""


async def _make_old(tx: Tx) -> None:
    folder = LOCATION / orm.APP
    names = sorted(
        (module.name for module in iter_modules([str(folder)])), key=lambda name: int(name.partition("_")[0])
    )
    kept = "INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL" if tx.dialect.is_sqlite else "SERIAL NOT NULL PRIMARY KEY"
    content = "JSON" if tx.dialect.is_sqlite else "JSONB"
    await tx.run(
        f"CREATE TABLE aerich (id {kept}, version VARCHAR(255) NOT NULL, app VARCHAR(100) NOT NULL,"
        f" content {content} NOT NULL)"
    )
    for name in names[:OF_0_1_0]:
        module = importlib.import_module(f"engine.store.migrations.{orm.APP}.{name}")
        await tx.orm.execute_script(await module.upgrade(tx.orm))
        await tx.run(f"INSERT INTO aerich (version, app, content) VALUES ('{name}.py', '{orm.APP}', '{{}}')")
    await tx.orm.execute_script(ROWS)
    if not tx.dialect.is_sqlite:  # ids were given here, not taken
        for table in ("client", "mailing", "message", "attempt", "engine", "account", "api_token"):
            await tx.rows(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


async def test_what_0_1_0_left_goes_on(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite://{tmp_path / 'old.db'}"
    if kind == "postgres":
        databases: Databases = request.getfixturevalue("postgres_url")
        url = databases(empty=True)
        request.addfinalizer(lambda: databases.not_needed(url))
    database = await open_database(url, inline=kind == "sqlite-inline")
    try:
        await database.transaction(_make_old, Lane.UPKEEP)
        assert len(await migrate(database)) > 10
        await _goes_on(Store(database))
    finally:
        await database.close()


async def _goes_on(store: Store) -> None:
    assert await store.check() == []
    messages = (await store.list_messages(MessageQuery(), Page(100))).items
    assert {message.id: (message.status, message.reason) for message in messages} == {
        1: (Status.SENT, None),
        2: (Status.PENDING, None),
        3: (Status.CALLING, None),
        4: (Status.PENDING, None),
        5: (Status.NOT_SENT, Reason.CANCELLED),
        6: (Status.SENT, None),
        7: (Status.NOT_SENT, Reason.EXPIRED),
    }
    first, second = await store.get_mailing(1), await store.get_mailing(2)
    assert first.filter == AudienceFilter(tags=("vip",), phone_codes=("916",))
    assert (second.local_hours, second.rate_limit, second.on_uncertain) == (LocalHours(540, 1260), 2.5, "not_sent")
    claims = await store.claim(1, 10, owner=await add_engine(store), now_us=NOW, lease_until_us=LEASE)
    assert [(claim.message_id, claim.attempt) for claim in claims] == [(2, 2), (4, 1)]
    assert await store.check() == []
