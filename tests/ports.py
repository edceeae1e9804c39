"""A port that a test may leave and come back to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port() -> Iterator[int]:
    """A port of loopback that refuses while nobody of the test listens there.

    A port that was only found free is soon somebody else's: four processes of tests connect hundreds of times a
    second, each time from a free port. This one is bound and does not listen. So the system gives it to nobody, and
    who asks for it by its number with ``SO_REUSEADDR`` (asyncio and gRPC do) may listen there.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])
