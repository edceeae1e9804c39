"""One gateway with its engine for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.rig import Gateway, serving


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """All of it, running; whose provider has nothing against any text."""
    async with serving(tmp_path) as gateway:
        yield gateway
