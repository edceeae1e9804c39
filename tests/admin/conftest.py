"""One gateway with its engine for each test, and its admin signed in to the panel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession, DummyCookieJar

from tests.admin.rig import Panel, sign_in
from tests.gateway.rig import Gateway, serving
from tests.rules.rig import until


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """All of it, running; cookies are the tests' own business."""
    async with AsyncExitStack() as stack:
        # Long texts: what the panel writes must not be bound by what a URL holds.
        made = await stack.enter_async_context(serving(tmp_path, segments_max=255))
        http = ClientSession(headers=made.http.headers, cookie_jar=DummyCookieJar())
        found = replace(made, http=await stack.enter_async_context(http))
        await until(lambda: _is_ready(found))  # on a busy machine the gateway's first connection takes its time
        yield found


async def _is_ready(gateway: Gateway) -> bool:
    async with gateway.http.get(f"{gateway.url}/readyz") as answer:
        return answer.status == 200


@pytest.fixture
async def panel(gateway: Gateway) -> Panel:
    """The admin's."""
    return await sign_in(gateway)
