"""Short campaigns for the suite; the long ones: ``scripts/chaos``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.campaigns import CAMPAIGNS
from tests.chaos.report import Report
from tests.chaos.world import Plan, world

LEASE_SECONDS = 3.0


async def short(folder: Path, name: str, events: int, *more: tuple[str, int], **plan: object) -> Report:
    """A campaign, and further ones in its world; asserts that what must hold has held."""
    campaign = CAMPAIGNS[name]
    if why := campaign.missing():
        pytest.skip(why)
    options = {
        "engines": 2,
        "lease_seconds": LEASE_SECONDS,
        "longest_seconds": 2.5,
        "shutdown_seconds": 3.0,
        "seed": 1,
    } | plan
    planned = Plan(folder, events=events, **options)  # type: ignore[arg-type]
    async with world(planned, campaign.shape(planned)) as here:
        for each, count in ((name, events), *more):
            await CAMPAIGNS[each].act(here, count)
    figures = here.report.figures()
    print("\n".join(f"{each}: {text}" for each, text in figures.items()))
    assert here.report.faults() == [], figures
    return here.report
