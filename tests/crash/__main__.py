"""The long campaign of kills (``scripts/crash``): both policies unless one is named.

Exit codes: 0 the invariants of tests/crash/campaign.py, personal.py and receipts.py held, 1 one did not (what broke is
printed), 2 a bad flag.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.crash.campaign import POLICIES, Report, run
from tests.crash.personal import PersonalReport, run_personal
from tests.crash.receipts import run_receipts


def main(arguments: Sequence[str]) -> int:
    """Run and report; returns the exit code."""
    flags = _flags(arguments)
    policies = [flags.on_uncertain] if flags.on_uncertain else list(POLICIES)
    campaigns = (_campaign, _personal, _receipts)
    return max([campaign(flags, policy) for campaign in campaigns for policy in policies])


def _flags(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/crash", description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=_count, default=5000, help="clients of the mailing (5000)")
    parser.add_argument("--kills", type=_count, default=10, help="kill -9, spread over the mailing (10)")
    parser.add_argument("--workers", type=_count, default=64, help="calls at the same time (64)")
    parser.add_argument("--slots", type=_count, default=0, help="MAILING_SLOTS (as many as workers)")
    parser.add_argument("--on-uncertain", choices=list(POLICIES), help="one policy only")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("should be a whole number above 0")
    return int(text)


def _campaign(flags: argparse.Namespace, policy: str) -> int:
    print(f"on_uncertain = {policy}: {flags.messages} messages, {flags.kills} kills, {flags.workers} workers")
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        report = asyncio.run(
            run(
                Path(folder),
                messages=flags.messages,
                kills=flags.kills,
                workers=flags.workers,
                slots=flags.slots,
                on_uncertain=policy,
                tell=partial(_say, flush=True),
            )
        )
    _print(report)
    return int(bool(report.faults()))


def _personal(flags: argparse.Namespace, policy: str) -> int:
    print(
        f"a fixed audience, each its own text; on_uncertain = {policy}: {flags.messages} clients, {flags.kills} kills"
    )
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        report = asyncio.run(
            run_personal(
                Path(folder),
                messages=flags.messages,
                kills=flags.kills,
                workers=flags.workers,
                on_uncertain=policy,
                tell=partial(_say, flush=True),
            )
        )
    _print_personal(report)
    return int(bool(report.faults()))


def _receipts(flags: argparse.Namespace, policy: str) -> int:
    print(f"two providers, and receipts; on_uncertain = {policy}: {flags.messages} clients, {flags.kills} kills")
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        report = asyncio.run(
            run_receipts(
                Path(folder),
                messages=flags.messages,
                kills=flags.kills,
                workers=flags.workers,
                on_uncertain=policy,
                tell=partial(_say, flush=True),
            )
        )
    elsewhere = sum(len({call.provider for call in calls}) > 1 for calls in report.calls.values())
    print(
        f"  {len(report.sent)} sent, {len(report.confirmed)} of them by a receipt; {elsewhere} were at both providers"
    )
    print(f"  {len(report.desk.answered)} messages with receipts, {report.desk.refused} calls that no engine answered")
    _print_faults(report.faults())
    return int(bool(report.faults()))


def _print_personal(report: PersonalReport) -> None:
    sent, incomplete = sum(one.is_sent for one in report.told), len(report.incomplete)
    late = sum(not person.is_meant and person.tag == "buyer" for person in report.people.values())
    print(f"  {sent} sent, {incomplete} incomplete, {len(report.uncertain)} uncertain; {late} came too late")
    _print_faults(report.faults())


def _say(line: str, *, flush: bool) -> None:
    print(f"  {line}", flush=flush)


def _print(report: Report) -> None:
    in_flight = sum(len(kill.in_flight) for kill in report.kills)
    lines = {
        "ended": f"{len(report.sent)} sent + {len(report.uncertain)} uncertain, {len(report.others)} neither",
        "counters": "{} pending, {} sent, {} not sent".format(*report.counted),
        "in flight": f"{in_flight} at the kills, at most {max(len(kill.in_flight) for kill in report.kills)} at one",
        "provider": f"knows {report.accepted}; called twice {report.repeated}, in flight of these"
        f" {report.repeated_in_flight}",
        "engine check": report.check or "all counters agree with the messages",
        "SQLite": report.damage
        or f"integrity_check and foreign_key_check ok, after each of {len(report.kills)} kills too",
        "took": f"{report.seconds:.0f} s",
    }
    for name, text in lines.items():
        print(f"  {name + ':':<14}{text}")
    _print_faults(report.faults())


def _print_faults(faults: Sequence[str]) -> None:
    print("  The invariant held." if not faults else "  BROKEN:\n" + "\n".join(f"    {fault}" for fault in faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
