"""Which implementations the fault tests run on.

``MAILING_TEST_HTTP_CANDIDATES=1`` adds the one that lost, so that the decision in
docs/decisions/http-client.md can be tried again.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable

import pytest

from engine.ports import Provider
from engine.provider.fbrq import FbrqProvider
from scripts.bench.aiohttp_provider import AiohttpProvider
from tests.provider.described_fbrq import DescribedFbrq

TOKEN = "secret-token-of-tests"
MakeProvider = Callable[..., Provider]
_CANDIDATES: list[MakeProvider] = [FbrqProvider, DescribedFbrq]
if os.environ.get("MAILING_TEST_HTTP_CANDIDATES"):
    _CANDIDATES.append(AiohttpProvider)


@pytest.fixture(params=_CANDIDATES, ids=lambda c: c.__name__)
async def make_provider(request: pytest.FixtureRequest) -> AsyncIterator[MakeProvider]:
    """A provider for a URL, closed at the end of the test."""
    made: list[Provider] = []

    def make(url: str, **options: float) -> Provider:
        made.append(request.param(url, TOKEN, **options))
        return made[-1]

    yield make
    for provider in made:
        await provider.close()
