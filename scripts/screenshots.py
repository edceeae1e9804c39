#!/usr/bin/env python3
"""Take two pictures of docs/images anew, from real demos: sandbox.png and providers.png.

    .venv/bin/python scripts/screenshots.py

Runs ``scripts/run --demo`` in a pseudo-terminal and, while the bar moves, photographs the sandbox's page with a
headless Chromium (``apt-get install chromium``); then once more with two providers, the first of which fails in the
middle. Look at both before you commit them. The moving one is made by ``scripts/moving_picture.py``.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
IMAGES: Final = ROOT / "docs" / "images"
COLUMNS: Final = 92
LINES: Final = 40
COMMAND: Final = str(ROOT / "scripts" / "run")
PHOTOGRAPH_AT: Final = 10.0
"""Per cent. The browser needs a second or two, in which the bar goes on."""
OUTAGE_AT: Final = 30.0
PHOTOGRAPH_BOTH_AT: Final = 60.0
"""The page shows a minute: the outage and what followed are in it."""
OVER_AT: Final = 80.0
"""What the first provider may have taken waits for it: the demo does not end without it."""
_PERCENT: Final = re.compile(r"(\d+\.\d)%")


def main() -> int:
    """Entry point; returns the exit code."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("screenshots: needs Chromium on the PATH", file=sys.stderr)
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder, "one"), Path(folder, "two")
        look = partial(_photograph, browser, one, IMAGES / "sandbox.png", "1200,760")
        _watch_demo((), [(PHOTOGRAPH_AT, look)])
        look = partial(_photograph, browser, two, IMAGES / "providers.png", "1200,1000")
        _watch_demo(("--providers", "2"), [(OUTAGE_AT, _fail), (PHOTOGRAPH_BOTH_AT, look), (OVER_AT, _heal)])
    print(f"{IMAGES}/sandbox.png, providers.png: look at them.")
    return 0


Step = Callable[[str], subprocess.Popen[bytes] | None]
"""Does something while the demo runs, given what its terminal shows; returns what it has started."""


def _watch_demo(flags: Sequence[str], steps: Sequence[tuple[float, Step]]) -> None:
    """Run the demo, each step when the bar is at so many per cent."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    with tempfile.TemporaryDirectory() as home:
        environ = {"PATH": os.environ["PATH"], "HOME": home, "TERM": "xterm-256color", "MAILING_RUN_FOLDER": "data"}
        command = [COMMAND, "--demo", "--exit", *flags]
        demo = subprocess.Popen(command, env=environ, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        started: list[subprocess.Popen[bytes] | None] = []
        output = b""
        while chunk := _read(master):
            output += chunk
            screen = output.decode(errors="ignore")
            if len(started) < len(steps) and _percent(screen) >= steps[len(started)][0]:
                started.append(steps[len(started)][1](screen))
        codes = [process.wait(60) for process in (demo, *started) if process is not None]
    if any(codes) or len(started) < len(steps):
        raise SystemExit(f"screenshots: the demo or the browser failed:\n{output.decode(errors='replace')}")


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65_536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def _percent(screen: str) -> float:
    found = _PERCENT.findall(screen.rpartition("Mailing ")[2])
    return float(found[-1]) if found else 0.0


def _photograph(browser: str, profile: Path, picture: Path, size: str, screen: str) -> subprocess.Popen[bytes]:
    """Start a browser that takes the page's picture, with a profile of its own and no calls home."""
    quiet = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size}", *quiet)
    files = (f"--user-data-dir={profile}", f"--screenshot={picture}")
    command = [browser, *flags, *files, "--virtual-time-budget=1500", _sandbox_url(screen)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _fail(screen: str) -> None:
    """Let the first provider fail."""
    _set_outage(screen, b'{"outage": true}')


def _heal(screen: str) -> None:
    """Let it answer again."""
    _set_outage(screen, b'{"outage": false}')


def _set_outage(screen: str, body: bytes) -> None:
    request = urllib.request.Request(f"{_sandbox_url(screen)}sandbox/faults", body, method="PATCH")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10):
        pass


def _sandbox_url(screen: str) -> str:
    found = re.search(r"provider +(http://[0-9.:]+/)", screen)
    assert found is not None
    return found[1]


if __name__ == "__main__":
    sys.exit(main())
