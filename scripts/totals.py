"""The demo's end: what the engine counted, and what the sandbox counted by itself, beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from scripts.processes import Failed

_BUG: Final = "the counts differ: that is a bug, please report it with the logs"


def compare(stats: Mapping[str, Any], sandbox: Mapping[str, Any], clients: int) -> None:
    """Print the totals; they must be equal.

    Args:
        stats: of the mailing.
        sandbox: its providers, as ``GET /sandbox/providers`` says.
        clients: the least that there are; whoever looks on may add some.

    Raises:
        Failed: they are not equal, or two providers accepted one message.
    """
    counts, reasons = stats["message_counts"], stats["reasons"]
    sent, not_sent, total = (int(counts[name]) for name in ("sent", "not_sent", "total"))
    words = ", ".join(f"{int(number)} {reason}" for reason, number in reasons.items() if int(number))
    print(f"\nEngine:  {total} = {sent} sent + {not_sent} not sent{f' ({words})' if words else ''}")
    delivered, undelivered, none = (int(stats["delivery"][name]) for name in ("delivered", "undelivered", "none"))
    print(
        f"         {sent} sent = {delivered} delivered + {undelivered} undelivered + {none} of which nothing was said"
    )
    providers = sandbox["providers"]
    for provider in providers:
        _print_provider("Sandbox" if len(providers) == 1 else provider["name"], provider["stats"])
    both = int(sandbox["accepted_by_two"]["count"])
    if len(providers) > 1:
        print(f"Both:    {both} texts accepted by two of them", flush=True)
    accepted = _sum(providers, lambda stats: stats["accepted_ids"]) - both
    refused = _sum(providers, _refused)
    said = [_sum(providers, lambda stats, name=name: stats["receipts"][name]) for name in ("delivered", "undelivered")]
    if total < clients or total != sent + not_sent or sent != accepted or not_sent != refused or both:
        raise Failed(_BUG)
    if [delivered, undelivered] != said or sent != delivered + undelivered + none:
        raise Failed(_BUG)


def _print_provider(name: str, stats: Mapping[str, Any]) -> None:
    calls = f"{_refused(stats)} refused with 400, {stats['requests']} calls in all,"
    print(f"{name + ':':<8} {stats['accepted_ids']} texts accepted, {calls}")
    print(f"         {stats['accepted_again_ids']} accepted twice")
    receipts = stats["receipts"]
    said = ", ".join(f"{receipts[name]} {name}" for name in ("delivered", "undelivered", "lost"))
    print(f"         receipts: {said}, {receipts['repeated']} repeated, {receipts['reordered']} reordered", flush=True)


def waiting(sandbox: Mapping[str, Any]) -> int:
    """How many receipts are still to come."""
    return _sum(sandbox["providers"], lambda stats: stats["receipts"]["waiting"])


def _refused(stats: Mapping[str, Any]) -> int:
    return int(stats["by_status"].get("400", 0))


def _sum(providers: Sequence[Mapping[str, Any]], number: Any) -> int:
    return sum(int(number(provider["stats"])) for provider in providers)
