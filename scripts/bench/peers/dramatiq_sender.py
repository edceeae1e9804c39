"""dramatiq: a message of its own for each of ours on Redis, threads. ``dramatiq dramatiq_sender`` sends."""
# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any

import dramatiq
import psycopg
import requests
from common_sender import ADD, DATABASE, HEADERS, READ, REDIS, TIME_OUT_SECONDS, URL, WRITE, serve, status_of
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=REDIS))
_READ = READ.format(id="%s")
_WRITE = WRITE.format(id="%s", status="%s")
_ADD = ADD.format(mailing_id="%s", count="%s")


class _Thread(threading.local):
    """Its connections are kept."""

    @cached_property
    def session(self) -> requests.Session:
        made = requests.Session()
        made.headers.update(HEADERS)
        return made

    @cached_property
    def database(self) -> Any:
        return psycopg.connect(DATABASE, autocommit=True)


_own = _Thread()


@dramatiq.actor
def send_message(message_id: int) -> None:
    """The actor."""
    row = _own.database.execute(_READ, (message_id,)).fetchone()
    if row is None:
        return
    body = {"id": message_id, "phone": row[0], "text": row[1]}
    answer = _own.session.post(f"{URL}/send/{message_id}", json=body, timeout=TIME_OUT_SECONDS)
    _own.database.execute(_WRITE, (status_of(answer.status_code), message_id))


def _register(mailing_id: int, count: int) -> None:
    with psycopg.connect(DATABASE) as connection:
        ids = [row[0] for row in connection.execute(_ADD, (mailing_id, count))]
    for each in ids:
        send_message.send(each)


if __name__ == "__main__":
    serve(_register)
