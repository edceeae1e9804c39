"""A database of the size that the panel must stay fast with: many clients, and a message for each, most of them final.

Rows are written straight into the tables of a fresh schema, as an engine would have left them: delivering a million
messages first would take minutes and measure nothing that is wanted here.
"""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Final

from engine.store.client_counts import AS_THEY_ARE
from engine.store.store import Store

FIRST_PHONE: Final = 79_000_000_000
SMALL_MAILINGS: Final = 20
"""Beside the large one, each with a thousandth of the messages."""
PENDING_PERCENT: Final = 20
UNCERTAIN: Final = 37
"""So few messages of the large mailing are not sent for this reason; of all others there are many or none."""
_ZONES: Final = (
    "Europe/Kaliningrad", "Europe/Moscow", "Europe/Samara", "Asia/Yekaterinburg", "Asia/Omsk", "Asia/Krasnoyarsk",
    "Asia/Irkutsk", "Asia/Yakutsk", "Asia/Vladivostok", "Asia/Magadan", "Asia/Kamchatka",
)  # fmt: skip
_SECOND_US: Final = 1_000_000
_DAY_US: Final = 86_400 * _SECOND_US

_NUMBERS: Final = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)"
# 7919 is a prime: values are spread over the ids as they are in life, not in blocks that a cache would like.
_CLIENTS: Final = f"""
{_NUMBERS} INSERT INTO client (phone_number, phone_code, tag, time_zone, create_us, update_us)
SELECT {FIRST_PHONE} + i * 7919 % 999999937, substr({FIRST_PHONE} + i * 7919 % 999999937, 2, 3),
    CASE WHEN i % 5 = 0 THEN '' WHEN i % 7 = 0 THEN 'vip' WHEN i % 1000 = 1 THEN 'rare' ELSE 'tag ' || (i % 40) END,
    json_extract(:zones, '$[' || (i * 31 % 11) || ']'), :now_us, :now_us FROM n
"""
_MESSAGES: Final = f"""
{_NUMBERS} INSERT INTO message (mailing_id, client_id, status, reason, attempt, create_us, started_us, finished_us,
    http_status)
SELECT :mailing_id, :first + i, status, CASE WHEN status < 4 THEN NULL WHEN i < {UNCERTAIN} * 10 THEN 4
    WHEN i % 3 = 0 THEN 1 ELSE 2 END, CASE status WHEN 0 THEN 0 ELSE 1 END, :now_us,
    CASE status WHEN 0 THEN NULL ELSE :now_us END, CASE status WHEN 0 THEN NULL ELSE :now_us END,
    CASE status WHEN 3 THEN 200 WHEN 4 THEN 400 END
FROM (SELECT i, CASE WHEN i % 10 = 9 THEN 4 WHEN i * 100 >= :count * {100 - PENDING_PERCENT} THEN 0 ELSE 3 END AS status
    FROM n)
"""
_COUNTERS: Final = """
INSERT INTO mailing_counters (mailing_id, pending, sent, expired, rejected, cancelled, uncertain, attempts)
SELECT mailing_id, count(*) FILTER (WHERE status <= 2), count(*) FILTER (WHERE status = 3),
    count(*) FILTER (WHERE reason = 1), count(*) FILTER (WHERE reason = 2), count(*) FILTER (WHERE reason = 3),
    count(*) FILTER (WHERE reason = 4), count(*) FILTER (WHERE status >= 3) FROM message GROUP BY mailing_id
"""
_TIMELINE: Final = f"""
{_NUMBERS} INSERT INTO mailing_stat (mailing_id, kind, key, count)
SELECT m.id, kind, :step - i, 1 + i % 100 FROM n CROSS JOIN mailing AS m
CROSS JOIN (SELECT 'timeline_sent' AS kind UNION ALL SELECT 'timeline_not_sent' UNION ALL SELECT 'timeline_deferred')
WHERE m.id = 1 OR i % 100 = 0
"""
TIMELINE_STEPS: Final = 8_640
"""A day in steps of ten seconds."""


async def fill(path: Path, clients: int, messages: int, *, timeline_steps: int = TIMELINE_STEPS) -> int:
    """Make the file, which must not be there, and fill it; returns the id of the large mailing.

    The large mailing is paused and its end is a day away, so that an engine on the file leaves it alone; so are the
    small ones.
    """
    store = await Store.open(f"sqlite://{path}")
    await store.close()
    now_us = time.time_ns() // 1_000
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA cache_size = -262144")
    connection.execute("PRAGMA temp_store = 2")
    with connection:
        connection.execute(_CLIENTS, {"count": clients, "zones": json.dumps(_ZONES), "now_us": now_us})
        connection.execute("DELETE FROM client_count")
        connection.execute(f"INSERT INTO client_count (kind, value, number) {AS_THEY_ARE}")
        for number in range(1 + SMALL_MAILINGS):
            _add_mailing(connection, number, clients, messages, now_us)
        connection.execute(_COUNTERS)
        step = now_us // (10 * _SECOND_US)
        connection.execute(_TIMELINE, {"count": timeline_steps, "step": step})
    connection.close()
    return 1


def _add_mailing(connection: sqlite3.Connection, number: int, clients: int, messages: int, now_us: int) -> None:
    small = messages // 1_000
    count = small if number else messages - SMALL_MAILINGS * small
    mailing_id = connection.execute(
        "INSERT INTO mailing (text, start_us, end_us, on_uncertain, paused,"
        " audience_ready, audience_cursor, create_us, update_us)"
        " VALUES (?, ?, ?, 'resend', 1, 1, 9000000000, ?, ?) RETURNING id",
        (f"mailing number {number}", now_us - _DAY_US, now_us + _DAY_US + number, now_us, now_us),
    ).fetchone()[0]
    first = 1 if number == 0 else 1 + number * clients // (2 * SMALL_MAILINGS)
    values = {"count": count, "mailing_id": mailing_id, "first": first, "now_us": now_us}
    connection.execute(_MESSAGES, values)
