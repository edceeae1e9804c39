"""The headless Chromium of tests and pictures: where it is, and with which arguments it sees this machine only."""

from __future__ import annotations

import shutil
from typing import Final

NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first is the same Chromium without its windows: a page takes a quarter less of the processor."""
ARGUMENTS: Final = (
    # The network is closed: a name is not looked up, whatever the machine could reach.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have a small /dev/shm
)
MISSING: Final = "no Chromium on PATH: apt install chromium (as root, scripts/test does it)"


def find_chromium() -> str | None:
    """Chromium's path; ``None``: there is none on PATH."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)
