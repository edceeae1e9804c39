"""A provider that answers as a test says: what the sandbox, which keeps to the contract, never would."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from aiohttp import web

Reply = Callable[[int, int], web.Response | None]
"""Gets the phone number and which call for it this is, from 1. ``None``: no answer, ever."""


@dataclass
class OddProvider:
    """Stands in for ``Sandbox`` in ``rig.running``."""

    reply: Reply
    url: str = ""
    token: str = "of-no-matter"
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """(time of the event loop, phone number) of each call."""

    def calls(self) -> Counter[int]:
        """How often each phone number was called."""
        return Counter(phone for _, phone in self.arrivals)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one call."""
        phone = orjson.loads(await request.read())["phone"]
        self.arrivals.append((asyncio.get_running_loop().time(), phone))
        response = self.reply(phone, self.calls()[phone])
        if response is None:
            await asyncio.Event().wait()
        assert response is not None
        return response


@asynccontextmanager
async def odd_provider(reply: Reply) -> AsyncIterator[OddProvider]:
    """Serve on a free port of loopback."""
    provider = OddProvider(reply)
    app = web.Application()
    app.router.add_post("/v1/send/{id}", provider.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield provider
    finally:
        await runner.cleanup()


def accepted() -> web.Response:
    """What the contract knows as a success."""
    return web.Response(body=b'{"code":0,"message":"OK"}', content_type="application/json")
