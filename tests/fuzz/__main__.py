"""Long campaigns of new inputs: ``scripts/fuzz edges``, ``rpc``, ``rest``; modules of these names have the invariants.

An input that breaks an edge is kept under ``tests/fuzz/corpus``: commit it together with the mend.
Exit codes: 0 nothing was found, 1 something was, 2 a bad flag.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence

from tests.fuzz.campaign import edges_campaign, rest_campaign, rpc_campaign, running


def main(arguments: Sequence[str]) -> int:
    """Run and report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("campaign", choices=["edges", "rpc", "rest"])
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="how long to try new inputs; each edge tries 2,000 at least (300)"
    )
    parser.add_argument("--seed", type=int, default=1, help="where the series of inputs begins (1)")
    flags = parser.parse_args(arguments)
    try:
        if flags.campaign == "edges":
            edges_campaign(flags.seconds, flags.seed)
        else:
            _against_a_service(flags.campaign, flags.seconds, flags.seed)
    except AssertionError as error:
        traceback.print_exception(error)
        print(f"FOUND something (--seed {flags.seed})", file=sys.stderr)
        return 1
    print("Nothing was found.")
    return 0


def _against_a_service(campaign: str, seconds: float, seed: int) -> None:
    done, deadline = 0, time.monotonic() + seconds
    with running() as target:
        while time.monotonic() < deadline:
            if campaign == "rpc":
                done += rpc_campaign(target, examples=25, seed=seed)
            else:
                done += rest_campaign(target, runs=20, seed=seed)
            seed += 1
            print(f"{campaign}: {done:,} {'calls' if campaign == 'rpc' else 'steps'}", flush=True)
        target.check_logs()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
