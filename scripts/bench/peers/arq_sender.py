"""arq: a job a message on Redis, asyncio. ``arq arq_sender.Worker`` sends, ``python arq_sender.py`` registers."""
# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import asyncio
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from async_sender import Sender, add
from common_sender import IN_FLIGHT, REDIS, serve_async

_SETTINGS = RedisSettings.from_dsn(REDIS)
_AT_ONCE = 500


async def send_message(context: dict[str, Any], message_id: int) -> None:
    """The job."""
    await context["sender"].send(message_id)


async def _start(context: dict[str, Any]) -> None:
    context["sender"] = await Sender.open()


class Worker:
    """arq reads its attributes."""

    functions = (send_message,)
    on_startup = _start
    redis_settings = _SETTINGS
    max_jobs = IN_FLIGHT
    poll_delay = 0.01
    keep_result = 0


def main() -> None:
    """Register what the standard input says."""
    loop = asyncio.new_event_loop()
    redis = loop.run_until_complete(create_pool(_SETTINGS))

    async def register(mailing_id: int, count: int) -> None:
        ids = await add(mailing_id, count)
        for first in range(0, len(ids), _AT_ONCE):
            jobs = (redis.enqueue_job("send_message", each) for each in ids[first : first + _AT_ONCE])
            await asyncio.gather(*jobs)

    serve_async(register, loop)


if __name__ == "__main__":
    main()
