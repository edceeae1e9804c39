"""Lines that callers cause: no caller, and not all together, may make the log grow as they like."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

PERIOD_SECONDS: Final = 1.0
_CAUSES_MAX: Final = 1_000
_ALL_EACH_PERIOD: Final = 20
"""Lines of all causes together in a period: a caller may have many addresses."""


class LineLimit:
    """Lets one line through in each period for each cause, and some for all together.

    What is left out is counted; the next line that is let through says it: ``more=17``. Of each cause, unless the
    cause is no longer remembered (the last thousand are): then it is counted for nobody.
    """

    def __init__(
        self,
        *,
        period_seconds: float = PERIOD_SECONDS,
        all_each_period: int = _ALL_EACH_PERIOD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._period_seconds, self._all_each_period, self._clock = period_seconds, all_each_period, clock
        self._causes: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        """By cause: when a line was let through last, and how many were left out since."""
        self._period_began, self._in_period = float("-inf"), 0

    def admit(self, cause: Hashable) -> int | None:
        """Whether a line may be written: how many of this cause were left out before it; ``None``: it may not."""
        now = self._clock()
        last, left_out = self._causes.get(cause, (float("-inf"), 0))
        if now - self._period_began >= self._period_seconds:
            self._period_began, self._in_period = now, 0
        if now - last < self._period_seconds or self._in_period >= self._all_each_period:
            self._remember(cause, last, left_out + 1)
            return None
        self._in_period += 1
        self._remember(cause, now, 0)
        return left_out

    def write(self, write: Callable[..., object], event: str, cause: Hashable, **fields: object) -> None:
        """Write a line with a logger's method (``log.warning``), unless it is one too many."""
        left_out = self.admit((event, cause))
        if left_out is not None:
            write(event, **fields, **({"more": left_out} if left_out else {}))

    def _remember(self, cause: Hashable, last: float, left_out: int) -> None:
        self._causes[cause] = (last, left_out)
        self._causes.move_to_end(cause)
        if len(self._causes) > _CAUSES_MAX:
            self._causes.popitem(last=False)


class LineLimitFilter(logging.Filter):
    """The same for a library's own logger: one line in each period for each of its messages."""

    def __init__(self, limit: LineLimit | None = None) -> None:
        super().__init__()
        self._limit = limit or LineLimit()

    def filter(self, record: logging.LogRecord) -> bool:
        """See ``logging.Filter``."""
        left_out = self._limit.admit((record.name, record.levelno, record.lineno))
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out} more like this)", None
        return left_out is not None
