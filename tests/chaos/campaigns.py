"""All campaigns by their names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos import clock, database, edits, freeze, kill, stop, webhooks
from tests.chaos.report import Report
from tests.chaos.world import Plan, Shape, World, world


@dataclass(frozen=True, slots=True)
class Campaign:
    """One kind of trouble."""

    name: str
    invariant: str
    databases: tuple[str, ...]
    shape: Callable[[Plan], Shape]
    act: Callable[[World, int], Awaitable[None]]
    missing: Callable[[], str]
    """What it needs and this machine has not; empty: nothing."""

    async def run(self, plan: Plan) -> Report:
        """In a world of its own."""
        async with world(plan, self.shape(plan)) as here:
            await self.act(here, plan.events)
        return here.report


def _invariant(text: str | None) -> str:
    return "  " + " ".join((text or "").partition("INVARIANT. ")[2].split())


_MODULES = {
    "kill": kill,
    "freeze": freeze,
    "stop": stop,
    "database": database,
    "clock": clock,
    "edits": edits,
    "webhooks": webhooks,
}
CAMPAIGNS = {
    name: Campaign(
        name,
        _invariant(module.__doc__),
        module.DATABASES,
        module.shape,
        module.act,
        getattr(module, "missing", lambda: ""),
    )
    for name, module in _MODULES.items()
}
