"""Short campaigns for the suite; the long ones: ``scripts/chaos``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.campaigns import CAMPAIGNS
from tests.chaos.report import Report
from tests.chaos.world import Plan, World, world

Act = Callable[[World], Awaitable[None]]
LEASE_SECONDS = 3.0
_SMALL: dict[str, Any] = {"clients": 60, "workers": 8, "queue": 8}


async def short(folder: Path, name: str, *acts: Act, shape: dict[str, Any] = _SMALL, **plan: Any) -> Report:
    """A small world of this campaign, and what happens in it; asserts that what must hold has held."""
    campaign = CAMPAIGNS[name]
    if why := campaign.missing():
        pytest.skip(why)
    options: dict[str, Any] = {
        "engines": 2,
        "lease_seconds": LEASE_SECONDS,
        "longest_seconds": 2.5,
        "shutdown_seconds": 3.0,
        "seed": 1,
    }
    planned = Plan(folder, **options | plan)
    async with world(planned, replace(campaign.shape(planned), **shape)) as here:
        for act in acts:
            await act(here)
    figures = here.report.figures()
    print("\n".join(f"{each}: {text}" for each, text in figures.items()))
    assert here.report.faults() == [], (here.report.faults(), figures)
    return here.report
