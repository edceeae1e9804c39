"""An event loop with real sockets whose clock jumps: its time passes only while nothing is to be done."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any, Final

_SETTLE_SECONDS: Final = 0.02
"""What one end of a connection of this process has written has come to the other end by then."""


class _JumpingSelector(selectors.DefaultSelector):
    """Tells of what is ready; where nothing is, the time that it was to wait has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        found = super().select(min(timeout, _SETTLE_SECONDS))
        if not found:
            self.passed_seconds += timeout
        return found


class JumpingLoop(asyncio.SelectorEventLoop):
    """A test with limits of parts of a second does not depend on what else the machine does, and waits for none.

    All ends of its connections are in this process, and no work is in other threads: both would be overtaken.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.passed_seconds

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]
        raise AssertionError("time would not wait for a thread")
