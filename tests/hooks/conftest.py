"""What the tests of webhooks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.loop import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """An event loop in virtual time."""
    loop = VirtualLoop()
    yield loop
    loop.close()
