"""What we ask of our process."""

from __future__ import annotations

import gc
import resource
from contextlib import suppress

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
    gc.collect()
    gc.freeze()  # what was imported stays: it need not be looked at again
    gc.set_threshold(*_GC_THRESHOLDS)
