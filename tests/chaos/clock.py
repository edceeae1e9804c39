"""The clock of one engine's machine jumps by up to two hours, forwards and backwards (libfaketime).

INVARIANT. Whatever the clock says: no message is lost, all counters are right, nothing is delayed by more than a minute
(rule 11), and only what was in flight at a jump is called twice (as many as slots at most). Monotonic time goes on.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

from tests.chaos.world import Plan, Shape, World

DATABASES = ("sqlite", "postgres")
_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib")
_JUMP_SECONDS = 7200
_SEEN_SECONDS = 1
"""The library reads its file so often: a jump is seen so late."""
DELAY_SECONDS = 60.0


def missing() -> str:
    """Why it can't run here; empty: it can."""
    return "" if _library() else "there is no libfaketime (Debian, Ubuntu: apt install libfaketime)"


def _library() -> str:
    paths = [Path(folder) / "faketime" / "libfaketimeMT.so.1" for folder in _FOLDERS]
    return next((str(path) for path in paths if path.exists()), "")


def shape(plan: Plan) -> Shape:
    """Each engine has a clock of its own."""

    def environ(number: int) -> dict[str, str]:
        _clock(plan, number).write_text("+0\n")
        return {
            "LD_PRELOAD": _library(),
            "FAKETIME_TIMESTAMP_FILE": str(_clock(plan, number)),
            "FAKETIME_CACHE_DURATION": str(_SEEN_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }

    return Shape(environ=environ, window=timedelta(seconds=4 * _JUMP_SECONDS))


def _clock(plan: Plan, number: int) -> Path:
    return plan.folder / f"clock-{number}"


async def act(here: World, events: int) -> None:
    """So many jumps."""
    here.judges.append(_judge)
    here.report.recovery_seconds = here.report.stall_seconds = DELAY_SECONDS
    for _ in range(events):
        await here.pause(1.0, 4.0)
        await _jump(here)


async def _jump(here: World) -> None:
    number = here.random.choice(here.numbers)
    clock = _clock(here.plan, number)
    now = int(clock.read_text())
    then = 0 if now and here.random.random() < 0.4 else here.random.randint(-_JUMP_SECONDS, _JUMP_SECONDS)
    with here.event("clock back" if then < now else "clock forward", here.numbers, is_outage=True):
        replaced = clock.with_suffix(".new")
        replaced.write_text(f"{then:+d}\n")
        replaced.rename(clock)
        await asyncio.sleep(_SEEN_SECONDS + 0.1)
    await here.back(number, time.time(), DELAY_SECONDS + 5)


async def _judge(here: World) -> None:
    """A campaign whose clocks did not jump has shown nothing."""
    report, far_us = here.report, int(DELAY_SECONDS * 1e6)
    begin_us, end_us = int(report.began * 1e6) - far_us, int(report.ended * 1e6) + far_us
    ((moved,),) = await here.database.query(
        f"SELECT count(*) FROM message WHERE finished_us NOT BETWEEN {begin_us} AND {end_us}"
    )
    report.more["by a wrong clock"] = f"{moved} messages sent"
    if not moved:
        report.broken.append("no message was sent by a wrong clock: libfaketime does not work here")
