"""Lines of a log that differ in numbers only: rendered once, and written by one call.

A line costs some 65 us in a process that is busy: a chain of processors, and a write of its own, at which the
interpreter lock changes hands. Of lines that are alike each costs 1 us. They look as if each had been logged by itself,
with the same time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

_STAND_IN: Final = 100_000_000_000_000_000
"""And those after it stand for numbers while a line is rendered: nothing else in a line has so many digits."""


def log_alike(
    log: FilteringBoundLogger, event: str, names: Sequence[str], rows: Iterable[Sequence[int]], **shared: str
) -> None:
    """Log the event at INFO once for each row.

    Args:
        log: the logger.
        event: its name.
        names: of the numbers in a row, two at least.
        rows: the numbers of each line.
        shared: texts that are the same in all lines.
    """
    if not log.is_enabled_for(logging.INFO):
        return
    bound: Any = log.bind()
    stand_ins = {name: _STAND_IN + place for place, name in enumerate(names)}
    (line,), _ = bound._process_event("info", event, {**stand_ins, **shared})
    line = line.replace("%", "%%")
    order = sorted(range(len(names)), key=lambda place: line.index(str(_STAND_IN + place)))
    for number in stand_ins.values():
        line = line.replace(str(number), "%d")
    pick = itemgetter(*order)
    bound._logger.info("\n".join([line % pick(row) for row in rows]))
