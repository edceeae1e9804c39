"""taskiq: a task a message on a list of Redis, asyncio. ``taskiq worker taskiq_sender:broker`` sends."""
# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"

from __future__ import annotations

import asyncio

from async_sender import Sender, add
from common_sender import REDIS, serve_async
from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(REDIS)
_AT_ONCE = 500


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def _start(state: TaskiqState) -> None:
    state.sender = await Sender.open()


@broker.task(task_name="send_message")
async def send_message(message_id: int) -> None:
    """The task."""
    await broker.state.sender.send(message_id)


def main() -> None:
    """Register what the standard input says."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(broker.startup())

    async def register(mailing_id: int, count: int) -> None:
        ids = await add(mailing_id, count)
        for first in range(0, len(ids), _AT_ONCE):
            await asyncio.gather(*(send_message.kiq(each) for each in ids[first : first + _AT_ONCE]))

    serve_async(register, loop)


if __name__ == "__main__":
    main()
