"""``python -m gateway``: the program is ``gateway.program``."""

from __future__ import annotations

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # until ``process.tune``: nothing that is imported goes, and to ask that was an eighth of a start
    from gateway.program import main

    sys.exit(main())
