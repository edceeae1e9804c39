"""Faults that were found from outside, put back: how many lives of several engines would have shown each.

    python -m tests.simulation.as_found F4 --lives 60

A test says that each still fits the code. The letters are those of the campaigns against the first release.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.simulation.ablate import Changes, install


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them."""

    says: str
    changes: Changes
    troubles: tuple[str, ...] = ()
    """That show it; none: it needs none."""


FAULTS: Final = {
    "F1": Fault(
        "the builder locks the mailing for the whole of a chunk, against those who refer to it",
        {
            "engine.store.audience": [
                ("await tx.row(_MAILING, mailing_id)", 'await tx.row(_MAILING + " FOR UPDATE", mailing_id)')
            ]
        },
    ),
    "F2": Fault(
        "a read-only server is taken for a bad row, and outcomes are thrown away",
        {
            "engine.store.postgres_errors": [
                (
                    'return not (error.sqlstate or "").startswith(ROW_CLASSES)',
                    'return not (error.sqlstate or "").startswith((*ROW_CLASSES, "25006"))',
                )
            ],
            "engine.delivery.recorder": [
                (
                    "await self._stored(batch, store, refused) or not refused",
                    "await self._stored(batch, store, refused) or True",
                )
            ],
        },
        ("read-only",),
    ),
    "F4": Fault(
        "an engine that froze in a transaction keeps its locks for a minute",
        {
            "engine.store.postgres_lanes": [
                ("reply_seconds: float = 4.5", "reply_seconds: float = 66.0"),
                ("lock_seconds: float = 3.0", "lock_seconds: float = 15.0"),
                ("idle_seconds: float = 2.0", "idle_seconds: float = 60.0"),
            ]
        },
        ("freeze inside",),
    ),
    "F6": Fault(
        "after an outage the first engine takes the claims of those that come back a moment later",
        {"engine.delivery.recovery": [("self.contact.lasts_us() >= self._wait_us", "True")]},
        ("outage",),
    ),
    "F8": Fault(
        "another engine does not hear that a client was changed",
        {"engine.store.owners": [("    if elsewhere:\n", "    if False:\n")]},
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Live with the fault; always 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.as_found", description=__doc__.partition("\n")[0])
    parser.add_argument("fault", choices=sorted(FAULTS))
    parser.add_argument("--lives", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=0)
    flags = parser.parse_args(arguments)
    fault = FAULTS[flags.fault]
    install(fault.changes)
    from tests.simulation.campaign import live_many_here, silence

    parts: Counter[str] = Counter()
    broken = []
    with silence():
        for seed in range(flags.first_seed, flags.first_seed + flags.lives):
            if found := live_many_here(seed, 3, fault.troubles):
                broken.append(seed)
                parts.update({each.partition(":")[0] for each in found})
    print(f"{flags.fault}, {fault.says}: seen in {len(broken)} of {flags.lives} lives, the first is {broken[:1]}.")
    print(f"Lives by part of the invariant: {dict(sorted(parts.items()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
