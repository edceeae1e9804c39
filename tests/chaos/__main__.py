"""Campaigns of faults with real processes (``scripts/chaos``): one by its name, or all.

Exit codes: 0 the invariant held, 1 it did not (what broke is printed, the logs are kept), 2 a bad flag, 3 it can't run
here.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from tests.chaos.campaigns import CAMPAIGNS, Campaign
from tests.chaos.report import Report
from tests.chaos.world import Plan

_NOT_HERE = 3


def main(arguments: Sequence[str]) -> int:
    """Run and report; returns the exit code."""
    flags = _flags(arguments)
    # The gateway runs in this process: what it notes down of each call is of no use here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chosen = CAMPAIGNS.values() if flags.campaign == "all" else [CAMPAIGNS[flags.campaign]]
    codes = [_campaign(campaign, database, flags) for campaign in chosen for database in _databases(campaign, flags)]
    if not codes:
        print(f"chaos: {flags.campaign} is not for {flags.database}", file=sys.stderr)
        return 2
    ran = [code for code in codes if code != _NOT_HERE]
    return max(ran) if ran else _NOT_HERE


def _flags(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("campaign", choices=[*CAMPAIGNS, "all"])
    parser.add_argument("--events", type=_count, default=20, help="faults, or changes of edits (20)")
    parser.add_argument("--database", choices=["sqlite", "postgres"], help="one only (each that the campaign is for)")
    parser.add_argument("--engines", type=_count, default=3, help="on PostgreSQL (3); one on SQLite")
    parser.add_argument("--seed", type=int, help="decides whom and when (drawn)")
    parser.add_argument("--lease-seconds", type=float, default=10.0, help="MAILING_LEASE_SECONDS (10)")
    parser.add_argument("--longest-seconds", type=float, default=70.0, help="of a freeze or an outage (70)")
    parser.add_argument("--quiet", action="store_true", help="only figures")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("should be a whole number above 0")
    return int(text)


def _databases(campaign: Campaign, flags: argparse.Namespace) -> list[str]:
    return [each for each in campaign.databases if flags.database in (None, each)]


def _campaign(campaign: Campaign, database: str, flags: argparse.Namespace) -> int:
    seed = random.randrange(1_000_000) if flags.seed is None else flags.seed
    title = f"{campaign.name} on {database}, {flags.events} events, seed {seed}"
    if why := campaign.missing():
        print(f"{title}: can't run here: {why}")
        return _NOT_HERE
    print(f"{title}\n{campaign.invariant}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{campaign.name}-"))
    plan = Plan(
        folder,
        database=database,
        events=flags.events,
        engines=flags.engines,
        seed=seed,
        lease_seconds=flags.lease_seconds,
        longest_seconds=flags.longest_seconds,
        tell=(lambda line: None) if flags.quiet else _say,
    )
    began = time.monotonic()
    report = asyncio.run(campaign.run(plan))
    faults = report.faults()
    _print(report, faults, time.monotonic() - began)
    if faults:
        print(f"  Logs: {folder}", flush=True)
        return 1
    shutil.rmtree(folder)
    return 0


def _say(line: str) -> None:
    print(f"    {line}", flush=True)


def _print(report: Report, faults: Sequence[str], seconds: float) -> None:
    for name, text in (report.figures() | {"took": f"{seconds:.0f} s"}).items():
        print(f"  {name + ':':<18}{text}")
    print("  The invariant held." if not faults else "  BROKEN:\n" + "\n".join(f"    {fault}" for fault in faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
