"""``python -m engine``: the program is ``engine.program``."""

from __future__ import annotations

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # until ``process.tune``: nothing of what is imported goes, and a tenth of a start went to asking that
    from engine.program import main

    sys.exit(main())
