#!/usr/bin/env python3
"""Take the pictures of README.md anew, from a real demo: docs/images/demo.svg and docs/images/sandbox.png.

    .venv/bin/python scripts/screenshots.py

Runs ``scripts/run --demo`` in a pseudo-terminal and, while the bar moves, photographs the sandbox's page with a
headless Chromium (``apt-get install chromium``). Look at both before you commit them.
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
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT: Final = Path(__file__).resolve().parent.parent
IMAGES: Final = ROOT / "docs" / "images"
COLUMNS: Final = 92
LINES: Final = 40
PAGE_SIZE: Final = "1200,760"
PHOTOGRAPH_AT: Final = 10.0
"""Per cent. The browser needs a second or two, in which the bar goes on."""
KEEP_FRAME_AT: Final = 60.0
_TOKEN: Final = re.compile(r"(\x1b\[1A|\x1b\[2K|\x1b\[\?\d+[hl]|\r|\n)")
"""All that moves the cursor here: rich goes up line by line, clears each and writes it anew."""
_PERCENT: Final = re.compile(r"(\d+\.\d)%")
_FONT: Final = re.compile(r"@font-face \{\{.*?\}\}", re.DOTALL)
"""rich loads a font from the network; a picture in a repository should not."""


def main() -> int:
    """Entry point; returns the exit code."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("screenshots: needs Chromium on the PATH", file=sys.stderr)
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        screen = _watch_demo(browser, Path(folder))
    _save_terminal(screen, IMAGES / "demo.svg")
    print(f"{IMAGES / 'demo.svg'}, {IMAGES / 'sandbox.png'}: look at them.")
    return 0


def _watch_demo(browser: str, folder: Path) -> str:
    """Run the demo; return what its terminal showed in the middle of the mailing."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm-256color", "MAILING_RUN_FOLDER": "data"}
    command = [str(ROOT / "scripts" / "run"), "--demo", "--exit"]
    demo = subprocess.Popen(command, env=environ, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    photograph: subprocess.Popen[bytes] | None = None
    kept, output = "", b""
    while chunk := _read(master):
        output += chunk
        screen = output.decode(errors="ignore")
        percent = _percent(screen)
        if photograph is None and percent >= PHOTOGRAPH_AT:
            photograph = _photograph(browser, screen, folder)
        if percent <= KEEP_FRAME_AT:
            kept = screen
    if demo.wait() != 0 or photograph is None or photograph.wait(60) != 0:
        raise SystemExit(f"screenshots: the demo or the browser failed:\n{output.decode(errors='replace')}")
    return kept


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65_536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def _percent(screen: str) -> float:
    found = _PERCENT.findall(screen.rpartition("Mailing ")[2])
    return float(found[-1]) if found else 0.0


def _photograph(browser: str, screen: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a browser that takes the page's picture, with a profile of its own and no calls home."""
    found = re.search(r"provider +(http://[0-9.:]+/)", screen)
    assert found is not None
    quiet = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={PAGE_SIZE}", *quiet)
    files = (f"--user-data-dir={folder / 'profile'}", f"--screenshot={IMAGES / 'sandbox.png'}")
    command = [browser, *flags, *files, "--virtual-time-budget=1500", found[1]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _save_terminal(screen: str, path: Path) -> None:
    """Draw what the terminal shows."""
    shown = "\n".join(["$ ./scripts/run --demo", *_lines(screen)]).rstrip()
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text.from_ansi(shown))
        svg = console.export_svg(title="Mailing Service", code_format=_FONT.sub("", CONSOLE_SVG_FORMAT))
    path.write_text(svg)


def _lines(screen: str) -> list[str]:
    """What is on the screen after all that was written to it; colours stay in."""
    lines, row = [""], 0
    for token in _TOKEN.split(screen):
        if token == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif token == "\x1b[1A":
            row = max(0, row - 1)
        elif token == "\x1b[2K":
            lines[row] = ""
        elif token and not _TOKEN.fullmatch(token):
            lines[row] += token
    return lines


if __name__ == "__main__":
    sys.exit(main())
