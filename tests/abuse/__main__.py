"""Attack a service and measure what others notice (``scripts/abuse``).

Exit codes: 0 every floor held, 1 one was broken (marked with an exclamation mark), 2 a bad flag or nothing to attack.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

from tests.abuse import roles, rpc, web
from tests.abuse.attack import Attack
from tests.abuse.measure import (
    LOG_LINES_MAX,
    MEMORY_MIB_MAX,
    SPEED_SHARE_MIN,
    WAIT_SECONDS_MAX,
    Measuring,
    Row,
)
from tests.abuse.target import Attacked, Target, Unusable, own, running

ATTACKS: Final = tuple(sorted((*web.ATTACKS, *roles.ATTACKS, *rpc.ATTACKS), key=lambda attack: attack.name))
_WIDTH: Final = max(len(attack.title) for attack in ATTACKS)
HEADER: Final = (
    f"{'':<3}{'attack':<{_WIDTH}}  {'gateway s':>10}  {'engine s':>10}  {'memory MiB':>11}  {'speed kept':>11}  "
    f"{'log lines/s':>12}   what the attackers saw"
)
FLOORS: Final = (
    f"Floors: /healthz of the gateway and of the engine wait less than {WAIT_SECONDS_MAX:g} s; less than "
    f"{MEMORY_MIB_MAX:g} MiB more memory, both together\n"
    f"(in 5 and 6 beside the {roles.HASHES_MIB:g} MiB of password hashes); "
    f"{SPEED_SHARE_MIN:g} of the sending speed is kept; the engine's log grows by {LOG_LINES_MAX:g} line\n"
    "a second at most. ! marks what is broken."
)


def main(arguments: Sequence[str]) -> int:
    """Attack and report; returns the exit code."""
    flags = _flags(arguments)
    if flags.list:
        print("\n".join(f"{attack.name:<3}{attack.title}" for attack in ATTACKS))
        return 0
    try:
        with _attacked(flags) as attacked, Measuring(attacked) as measuring:
            print(HEADER, flush=True)
            rows = []
            for attack in _chosen(flags.only, attacked.target):
                rows.append(measuring.measure(attack, flags.seconds))
                print(shown(rows[-1]), flush=True)
    except (Unusable, RuntimeError, OSError) as error:
        print(f"abuse: {error}", file=sys.stderr)
        return 2
    broken = [row.name for row in rows if row.broken]
    print(FLOORS)
    print(f"Broken: {', '.join(broken)}" if broken else "All floors held.")
    return 1 if broken else 0


def shown(row: Row) -> str:
    """One line of the table."""
    cells = [
        _cell(f"{row.gateway_wait_seconds:.2f}", 10, "gateway" in row.broken),
        _cell(f"{row.engine_wait_seconds:.2f}", 10, "engine" in row.broken),
        _cell("-" if row.memory_mib is None else f"{row.memory_mib:,.0f}", 11, "memory" in row.broken),
        _cell("-" if row.speed_share is None else f"{row.speed_share:.2f}", 11, "speed" in row.broken),
        _cell("-" if row.log_lines is None else f"{row.log_lines:,.1f}", 12, "log" in row.broken),
    ]
    return f"{row.name:<3}{row.title:<{_WIDTH}}  {'  '.join(cells)} {'!' if 'note' in row.broken else ' '} {row.note}"


def _cell(text: str, width: int, is_broken: bool) -> str:
    return f"{text + ' !' if is_broken else text + '  ':>{width}}"


def _chosen(only: Sequence[str], target: Target) -> list[Attack]:
    """Those that are asked for and possible; the number of an issue's line means all its letters."""
    known = {attack.name for attack in ATTACKS} | {attack.name.rstrip("abcdef") for attack in ATTACKS}
    if unknown := set(only) - known:
        raise Unusable(f"there is no attack {min(unknown)}; --list names them")
    asked = [each for each in ATTACKS if not only or each.name in only or each.name.rstrip("abcdef") in only]
    possible = [
        each
        for each in asked
        if not (each.needs_password and target.password is None) and not (each.needs_mailing and not target.mailing_id)
    ]
    for each in asked:
        if each not in possible:
            print(f"{each.name:<3}{each.title}: left out, it needs --password or a mailing")
    return possible


def _attacked(flags: argparse.Namespace) -> AbstractContextManager[Attacked]:
    if flags.http is None:
        return own(flags.clients, flags.rate)
    token = os.environ.get("MAILING_API_TOKEN", "")
    if not token:
        raise Unusable("MAILING_API_TOKEN should be the token of an admin of the service at --http")
    return running(flags.http, flags.grpc, flags.metrics, token, os.environ.get("MAILING_ADMIN_PASSWORD"))


def _flags(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/abuse",
        description=(__doc__ or "").partition("\n")[0],
        epilog=f"{FLOORS} Against a running service: MAILING_API_TOKEN (an admin's), and for the attacks on passwords "
        "MAILING_ADMIN_PASSWORD; its log is not looked at, and its speed only while a mailing is under way.",
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these attacks only, such as 1a or 4")
    parser.add_argument("--seconds", type=_positive, default=8.0, help="how long an attack goes on (8)")
    parser.add_argument("--clients", type=int, default=300_000, help="of a service of its own (300000)")
    parser.add_argument("--rate", type=_positive, default=800.0, help="texts a second that it sends meanwhile (800)")
    parser.add_argument("--http", metavar="HOST:PORT", help="attack the gateway that runs there, on this machine")
    parser.add_argument("--grpc", metavar="HOST:PORT", default="127.0.0.1:50051", help="its engine (127.0.0.1:50051)")
    parser.add_argument(
        "--metrics", metavar="HOST:PORT", default="127.0.0.1:9101", help="and the engine's metrics port"
    )
    parser.add_argument("--list", action="store_true", help="name the attacks and end")
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 10_000:
        raise argparse.ArgumentTypeError("should be a number above 0")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
