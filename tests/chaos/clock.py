"""The clock of one engine's machine jumps by up to two hours, forwards and backwards (libfaketime).

INVARIANT. Whatever the clock says: no message is lost, all counters are right, nothing is delayed by more than a minute
(rule 11), and only what was in flight at a jump is called twice (as many as slots at most). Monotonic time does not
jump. A jump forwards ends leases: whose engine's clock is ahead takes over what others have in flight, so there every
engine's slots count.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from tests.chaos.report import Report
from tests.chaos.world import Plan, Shape, World, world

DATABASES = ("sqlite", "postgres")
_LIBRARIES = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
              "/usr/lib/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")  # fmt: skip
_JUMP_SECONDS = 7200
DELAY_SECONDS = 60.0


def missing() -> str:
    """Why it can't run here; empty: it can."""
    return "" if _library() else "there is no libfaketime (Debian, Ubuntu: apt install libfaketime)"


def _library() -> str:
    return next((path for path in _LIBRARIES if os.path.exists(path)), "")


async def run(plan: Plan) -> Report:
    """So many jumps."""
    files = {number: plan.folder / f"clock-{number}" for number in range(plan.engines)}
    for path in files.values():
        path.write_text("+0\n")

    def environ(number: int) -> dict[str, str]:
        return {
            "LD_PRELOAD": _library(),
            "FAKETIME_TIMESTAMP_FILE": str(files[number]),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }

    shape = Shape(environ=environ, window=timedelta(seconds=4 * _JUMP_SECONDS))
    async with world(plan, "clock", shape) as here:
        here.report.recovery_seconds = here.report.stall_seconds = DELAY_SECONDS
        for _ in range(plan.events):
            await here.pause(1.0, 4.0)
            await _jump(here, files)
        here.at_end = _judge
    return here.report


async def _jump(here: World, files: dict[int, Path]) -> None:
    number = here.random.choice(here.numbers)
    now = int(files[number].read_text())
    then = 0 if now and here.random.random() < 0.4 else here.random.randint(-_JUMP_SECONDS, _JUMP_SECONDS)
    with here.event("clock back" if then < now else "clock forward", here.numbers):
        replaced = files[number].with_suffix(".new")
        replaced.write_text(f"{then:+d}\n")
        replaced.rename(files[number])
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
