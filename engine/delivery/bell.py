"""The bell: a part that changes something rings it, and need not know which parts rest.

Ticker, audience builder and workers rest while there is nothing to do for them. Each comes to see for itself what has
changed, so a needless ring costs a moment and does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Bell:
    """One for an engine."""

    def __init__(self) -> None:
        self.work = asyncio.Event()
        """The ticker waits for it, and clears it."""
        self.audiences = asyncio.Event()
        """The audience builder waits for it, and clears it."""
        self.wakes: list[Callable[[], None]] = []
        """The queues let the workers wait, and each adds here what wakes its own."""

    def ring(self) -> None:
        """What may be called, claimed or built has changed."""
        self.audiences.set()
        self.work.set()
        for wake in self.wakes:
            wake()

    def ring_for_work(self) -> None:
        """There may be more to claim than the ticker knows of."""
        self.work.set()
