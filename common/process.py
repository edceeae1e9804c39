"""What we ask of our process."""

from __future__ import annotations

import gc
import os
import resource
import signal
import stat
import threading
import time
from contextlib import suppress
from typing import Final

PARENT_PIPE: Final = "MAILING_PARENT_PIPE"
"""The number of a file descriptor that we inherit: the end of a pipe, whose other end closes when our parent dies."""
_STOP_MARGIN_SECONDS: Final = 5.0

# The hot path makes and drops many objects and hardly any cycles: with Python's default threshold of 700
# the collector took a tenth of the engine's time (scripts/bench/deliver.py) to find nothing.
_GC_THRESHOLDS = (50_000, 20, 50)


def tune() -> None:
    """Allow as many open files as the system lets us, and collect garbage less eagerly."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Each call in flight is a socket; the soft limit is often 1,024, the hard one far higher.
        with suppress(ValueError, OSError):  # where the hard limit is "infinite" it may still be refused
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # What was imported stays: it need not be looked at again, not even once (60 ms of a start, for 1 MiB of garbage).
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.enable()


def end_with_parent(stop_seconds: float) -> None:
    """End when the process that started us is gone, if it has asked for that; however it died.

    A pipe and not ``PR_SET_PDEATHSIG``: it works on every Unix, it is there before our first instruction, and it asks
    after the process, not after its thread. What comes then is SIGTERM, as from a parent that stops us in order; and
    after ``stop_seconds`` and a margin the end, for nobody else is left to see to it.
    """
    # Taken out of the environment: to a process that we start the number means nothing, or another file.
    number = os.environ.pop(PARENT_PIPE, "")
    if not number.isdecimal():
        return
    try:
        if not stat.S_ISFIFO(os.fstat(int(number)).st_mode):
            return
        os.set_inheritable(int(number), False)
    except (OSError, OverflowError):
        return
    arguments = (int(number), stop_seconds + _STOP_MARGIN_SECONDS)
    threading.Thread(target=_wait_for_the_end, args=arguments, name="parent", daemon=True).start()


def _wait_for_the_end(pipe: int, stop_seconds: float) -> None:
    """A thread, for it must hear of it also while the event loop has not begun, or hangs."""
    while os.read(pipe, 1):  # nothing is ever written; the end of the file is the end of the parent
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(stop_seconds)
    os._exit(1)
