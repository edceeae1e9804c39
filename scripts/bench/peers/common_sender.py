"""What the senders share: where things are, and a registrar that waits for mailings.

``BENCH_URL`` is the provider, ``BENCH_DATABASE`` a PostgreSQL with the tables of ``senders.py``, ``BENCH_REDIS`` a
Redis and ``BENCH_IN_FLIGHT`` how many messages are to be sent at a time. Each sender does what its documentation shows
first, with the settings that make it faster where there are such.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

URL = os.environ["BENCH_URL"]
DATABASE = os.environ["BENCH_DATABASE"]
REDIS = os.environ["BENCH_REDIS"]
IN_FLIGHT = int(os.environ["BENCH_IN_FLIGHT"])
HEADERS = {"Authorization": "Bearer x"}
TIME_OUT_SECONDS = 10.0

READ = """
SELECT c.phone_number, g.text FROM message AS m JOIN client AS c ON c.id = m.client_id
JOIN mailing AS g ON g.id = m.mailing_id
WHERE m.id = {id} AND m.status = 'pending' AND now() BETWEEN g.start_time AND g.end_time
"""
WRITE = "UPDATE message SET status = {status}, sent_time = now() WHERE id = {id}"
ADD = """
INSERT INTO message (mailing_id, client_id)
SELECT {mailing_id}, id FROM client WHERE id <= {count} ORDER BY id RETURNING id
"""


def status_of(http_status: int) -> str:
    """What is stored of an answer."""
    return "sent" if http_status == 200 else "pending"


def serve(register: Callable[[int, int], Any]) -> None:
    """Register what the lines of the standard input say: the mailing's id, and for how many clients it is."""
    print("ready", flush=True)
    for line in sys.stdin:
        mailing_id, count = map(int, line.split())
        register(mailing_id, count)
        print("registered", flush=True)


def serve_async(register: Callable[[int, int], Awaitable[None]], loop: asyncio.AbstractEventLoop) -> None:
    """The same for a coroutine function."""
    serve(lambda mailing_id, count: loop.run_until_complete(register(mailing_id, count)))
