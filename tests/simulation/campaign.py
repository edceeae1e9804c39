"""Many simulated lives, one seed each (``scripts/simulate``); stops at the first that breaks the invariant.

One engine on SQLite (``life.py``), or with ``--engines`` several on one PostgreSQL (``many.py``). Exit codes: 0 all
lives kept it, 1 one did not (its seed and how to live it again are printed), 2 a bad flag.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial

import structlog

from tests.simulation.knobs import TROUBLES
from tests.simulation.life import NOTE_REMOVALS, Life
from tests.simulation.many import ManyLife
from tests.simulation.many_verdict import ManyVerdict
from tests.simulation.memory import File, make_file
from tests.simulation.one_verdict import OneVerdict
from tests.simulation.postgres.setup import migrated
from tests.simulation.postgres.tables import Template
from tests.simulation.snapshots import NOTING

_PROGRESS_SECONDS = 15.0
_SHOWN = 20
_GARBAGE_OBJECTS = 200_000
"""A life makes some hundreds of thousands that die at once; with Python's 700 it takes a sixth of the time to look."""


@contextmanager
def silence() -> Iterator[None]:
    """No log lines: simulated engines fail all the time, and writing about it takes most of the time."""
    before = structlog.get_config()
    _be_silent()
    try:
        yield
    finally:
        structlog.configure(**before)


def _be_silent() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.ReturnLoggerFactory(),
    )


def settle() -> None:
    """Make this process one that only lives: silent, and without looking for garbage among what stays until its end."""
    _be_silent()
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS)


def live(seed: int) -> list[str]:
    """One life; returns what was wrong with it."""
    life = Life(seed, _file())
    life.run()
    return OneVerdict(life).faults()


@cache
def _file() -> File:
    """Made once a process: to make it takes longer than a life."""
    return asyncio.run(make_file(NOTE_REMOVALS + NOTING))


def live_many(seed: int, engines: int, template: Template, troubles: tuple[str, ...] | None = None) -> list[str]:
    """One life of several engines; returns what was wrong with it."""
    life = ManyLife(seed, engines, template, troubles)
    life.run()
    return ManyVerdict(life).faults()


def main(arguments: Sequence[str]) -> int:
    """Live; returns the exit code."""
    flags = _flags(arguments)
    began = time.monotonic()
    lived, broken = _campaign(flags, _one(flags))
    seconds = time.monotonic() - began
    print(f"{lived} lives in {seconds:.0f} s: {lived * 60 / seconds:.0f} lives a minute, {flags.jobs} at a time.")
    if broken is None:
        print(f"Seeds {flags.first_seed} to {flags.first_seed + flags.lives - 1}: every life kept the invariant.")
        return 0
    seed, faults = broken
    invariant = "many.py and life.py name" if flags.engines > 1 else "life.py names"
    print(f"Life {seed} broke the invariant (tests/simulation/{invariant} its parts), {len(faults)} times:")
    for fault in faults[:_SHOWN]:
        print(f"  {fault}")
    again = f"{_again(flags)} --first-seed {seed} --lives 1 --log"
    print(f"To live it again, with the engine's log: scripts/simulate{again}")
    return 1


def _again(flags: argparse.Namespace) -> str:
    engines = f" --engines {flags.engines}" if flags.engines > 1 else ""
    return engines + "".join(f" --trouble '{kind}'" for kind in flags.trouble or ())


def _one(flags: argparse.Namespace) -> Callable[[int], list[str]]:
    """How one life is lived, by its seed."""
    if flags.engines == 1:
        return live
    troubles = None if flags.trouble is None else tuple(flags.trouble)
    return partial(live_many_here, engines=flags.engines, troubles=troubles)


def live_many_here(seed: int, engines: int, troubles: tuple[str, ...] | None) -> list[str]:
    """``live_many`` with this process's own template."""
    return live_many(seed, engines, _template(), troubles)


@cache
def _template() -> Template:
    """Made once a process."""
    return Template(asyncio.run(migrated()))


def _flags(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/simulate", description=__doc__.partition("\n")[0])
    parser.add_argument("--lives", type=_count, default=5000, help="how many (5000)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="they have the seeds N, N+1, … (0)")
    parser.add_argument("--engines", type=_count, default=1, help="at most so many, on PostgreSQL if more than one (1)")
    parser.add_argument(
        "--trouble", action="append", choices=TROUBLES, help="with several engines: only this; again for more"
    )
    parser.add_argument("--jobs", type=_count, default=os.cpu_count() or 1, help="processes (one for each core)")
    parser.add_argument("--log", action="store_true", help="show what the engines log, in one process")
    flags = parser.parse_args(arguments)
    if flags.trouble and flags.engines == 1:
        parser.error("--trouble needs --engines 2 or more")
    flags.jobs = 1 if flags.log or flags.lives == 1 else flags.jobs
    return flags


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("should be a whole number above 0")
    return int(text)


def _campaign(
    flags: argparse.Namespace, live_one: Callable[[int], list[str]]
) -> tuple[int, tuple[int, list[str]] | None]:
    """How many lives were lived, and the first one that was broken, with its faults."""
    seeds = range(flags.first_seed, flags.first_seed + flags.lives)
    one = partial(_caught, live_one)
    if flags.jobs == 1:
        if not flags.log:
            settle()
        return _follow(map(one, seeds), len(seeds))
    # New interpreters, not copies of this one: the same on each system, and no state is shared.
    with multiprocessing.get_context("spawn").Pool(flags.jobs, settle) as pool:
        return _follow(pool.imap(one, seeds, chunksize=4), len(seeds))


def _follow(results: Iterator[tuple[int, list[str]]], total: int) -> tuple[int, tuple[int, list[str]] | None]:
    lived, began = 0, time.monotonic()
    told = began
    for seed, faults in results:
        lived += 1
        if faults:
            return lived, (seed, faults)
        if (now := time.monotonic()) - told > _PROGRESS_SECONDS:
            print(f"{lived} of {total} lives, {lived * 60 / (now - began):.0f} a minute", flush=True)
            told = now
    return lived, None


def _caught(live_one: Callable[[int], list[str]], seed: int) -> tuple[int, list[str]]:
    try:
        return seed, live_one(seed)
    except Exception:
        return seed, [f"the life itself failed:\n{traceback.format_exc()}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
