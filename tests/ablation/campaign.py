"""INVARIANT. Each safeguard of the product, switched off by itself, is missed: by simulated lives or, with the reason
in the table, by none of them; and in any case by a test (``scripts/ablate``).

Each is switched off in processes of its own: one lives until a life breaks the invariant of ``tests/simulation``, the
others run a test each, which must fail. Lives have the seeds 0, 1, 2, …, so what was seen once is seen again.

Exit codes: 0 each is missed as the table says, 1 one is not, 2 a bad flag.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from tests.ablation.table import Safeguard, safeguards

_CONTROL_LIVES: Final = 60
"""So many must keep the invariant with nothing off."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How one safeguard was missed."""

    lives: int = 0
    """So many were lived."""
    fault: str = ""
    """What the last one broke; empty: nothing."""
    blind: tuple[str, ...] = ()
    """Tests that did not fail."""

    def complaints(self, safeguard: Safeguard) -> list[str]:
        """What is not as the table says."""
        missed = [f"{test} does not fail" for test in self.blind]
        if self.lives and not self.fault:
            missed.append(f"{self.lives} lives did not see it")
        return missed


def main(arguments: Sequence[str]) -> int:
    """Switch them off one by one; returns the exit code."""
    flags = _flags(arguments)
    chosen = [one for one in safeguards() if flags.only is None or flags.only in one.name]
    if not chosen:
        print(f"no safeguard has {flags.only!r} in its name")
        return 2
    for kind in sorted({one.lives for one in chosen} - {"none"}) if flags.lives else ():
        # What is seen without it has to be blamed on its absence.
        lives, fault = _live("", kind, min(flags.lives, _CONTROL_LIVES), flags)
        if fault:
            print(f"With nothing off, life {flags.first_seed + lives - 1} ({kind}) breaks the invariant: {fault}")
            return 1
    print("| safeguard | lives | seen after | by | test |\n|---|---|---|---|---|")
    complaints = 0
    with ThreadPoolExecutor(flags.jobs) as pool:
        for safeguard, seen in _in_order(pool, chosen, flags):
            print(_row(safeguard, seen), flush=True)
            for complaint in seen.complaints(safeguard):
                complaints += 1
                print(f"\n**{safeguard.name}**: {complaint}\n", flush=True)
    print(f"\n{len(chosen)} safeguards off, one at a time: {complaints or 'no'} complaints.")
    return 1 if complaints else 0


def _flags(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/ablate", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--only", metavar="NAME", help="those whose names contain this")
    parser.add_argument("--lives", type=int, default=5000, help="at most so many a safeguard; 0: only tests (5000)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="lives have the seeds N, N+1, … (0)")
    parser.add_argument("--seconds", type=int, default=3600, help="and at most so long (3600)")
    parser.add_argument("--tests", action="store_true", help="only the tests, as --lives 0")
    parser.add_argument("--no-tests", action="store_true", help="only the lives")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one for each core)")
    flags = parser.parse_args(arguments)
    flags.lives = 0 if flags.tests else flags.lives
    return flags


def _in_order(
    pool: ThreadPoolExecutor, chosen: Sequence[Safeguard], flags: argparse.Namespace
) -> Iterator[tuple[Safeguard, Seen]]:
    waiting: list[tuple[Safeguard, Future[Seen]]] = [(one, pool.submit(_look, one, flags)) for one in chosen]
    for safeguard, future in waiting:
        yield safeguard, future.result()


def _look(safeguard: Safeguard, flags: argparse.Namespace) -> Seen:
    blind = () if flags.no_tests else tuple(test for test in safeguard.tests if not _fails(safeguard, test))
    if safeguard.lives == "none" or not flags.lives:
        return Seen(blind=blind)
    lives, fault = _live(safeguard.name, safeguard.lives, flags.lives, flags)
    return Seen(lives, fault, blind)


def _live(name: str, kind: str, number: int, flags: argparse.Namespace) -> tuple[int, str]:
    """How many lives there were, and what the last one broke."""
    said = _off(name, "lives", kind, *map(str, (flags.first_seed, number, flags.seconds)))
    return said["lives"], next(iter(said["faults"]), "")


def _fails(safeguard: Safeguard, test: str) -> bool:
    return bool(_off(safeguard.name, "test", test)["failed"])


def _off(name: str, *what: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.ablation.off", name, *what]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)}: {ran.stderr}")
    said: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return said


def _row(safeguard: Safeguard, seen: Seen) -> str:
    if safeguard.lives == "none":
        after, by = "", safeguard.why
    else:
        after, by = (str(seen.lives), seen.fault) if seen.fault else (f"not in {seen.lives}", "")
    cells = (safeguard.name, safeguard.lives, after, by.replace("\n", " ")[:160], " ".join(safeguard.tests))
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
