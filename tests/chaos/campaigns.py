"""All campaigns by their names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos import clock, database, freeze, kill, stop
from tests.chaos.report import Report
from tests.chaos.world import Plan


@dataclass(frozen=True, slots=True)
class Campaign:
    """One kind of trouble."""

    name: str
    invariant: str
    databases: tuple[str, ...]
    run: Callable[[Plan], Awaitable[Report]]
    missing: Callable[[], str] = lambda: ""
    """What it needs and this machine has not; empty: nothing."""


def _invariant(text: str | None) -> str:
    return "  " + " ".join((text or "").partition("INVARIANT. ")[2].split())


_MODULES = {"kill": kill, "freeze": freeze, "stop": stop, "database": database, "clock": clock}
CAMPAIGNS = {
    name: Campaign(
        name, _invariant(module.__doc__), module.DATABASES, module.run, getattr(module, "missing", lambda: "")
    )
    for name, module in _MODULES.items()
}
