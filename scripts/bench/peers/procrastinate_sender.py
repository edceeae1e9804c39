"""procrastinate: a job a message in PostgreSQL, asyncio.

``procrastinate --app procrastinate_sender.app worker`` sends, ``python procrastinate_sender.py`` registers.
"""
# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"

from __future__ import annotations

import asyncio

from async_sender import Sender, add
from common_sender import DATABASE, serve_async
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=DATABASE))
_senders: list[Sender] = []


@app.task(name="send_message")
async def send_message(message_id: int) -> None:
    """The job."""
    if not _senders:
        _senders.append(await Sender.open())
    await _senders[0].send(message_id)


def main() -> None:
    """Register what the standard input says."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(app.open_async())

    async def register(mailing_id: int, count: int) -> None:
        ids = await add(mailing_id, count)
        await send_message.batch_defer_async(*({"message_id": each} for each in ids))

    serve_async(register, loop)


if __name__ == "__main__":
    main()
