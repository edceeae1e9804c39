#!/usr/bin/env python3
"""Take the README's moving picture anew, docs/images/demo.webp: a real demo, in the terminal and in the panel.

    python scripts/moving_picture.py [--free-ports]

Runs ``scripts/run --demo`` in a pseudo-terminal; while the bar moves, a headless Chromium (``apt-get install
chromium``) looks at the mailing's page again and again. Needs a minute and no network. Look at it before you commit it.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Final, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a file, from any folder

from scripts.chromium import ARGUMENTS, MISSING, find_chromium  # noqa: E402

PICTURE: Final = ROOT / "docs" / "images" / "demo.webp"
SIZE: Final = ViewportSize(width=1060, height=680)
COLUMNS: Final = 104
LINES: Final = 60
QUALITY: Final = 62
STEP_SECONDS: Final = 0.35
"""Between two looks at the panel, and so long each is shown."""
READ_SECONDS: Final = 2.5
"""What is to be read is shown so long."""
END_SECONDS: Final = 4.0
LOOKS_MAX: Final = 16
"""Of the panel's pictures; more would only be larger."""
DEMO_SECONDS: Final = 180.0
"""After so long the demo has failed."""
_RUNS: Final = "The mailing service runs."
_WATCHED: Final = "Demo: "
_CURSOR: Final = re.compile(r"(\x1b\[1A|\x1b\[2K|\x1b\[\?\d+[hl]|\r|\n)")
"""All that moves the cursor here: rich goes up line by line, clears each and writes it anew."""
_FONT: Final = re.compile(r"@font-face \{\{.*?\}\}", re.DOTALL)
"""rich loads a font from the network; nothing is loaded here."""


class Frame(NamedTuple):
    """One picture (PNG), and how long it is shown."""

    picture: bytes
    seconds: float


class Terminal:
    """The demo in a pseudo-terminal, and all that it has written."""

    def __init__(self, flags: Sequence[str]) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._home = tempfile.TemporaryDirectory()
        environ = {"PATH": os.environ["PATH"], "HOME": self._home.name, "TERM": "xterm-256color"}
        command = [str(ROOT / "scripts" / "run"), "--demo", "--exit", *flags]
        self._process = subprocess.Popen(command, env=environ, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self._output = b""
        self._reader = Thread(target=self._read, args=(master,), daemon=True)
        self._reader.start()

    def _read(self, master: int) -> None:
        with os.fdopen(master, "rb", buffering=0) as stream:
            try:
                while chunk := stream.read(65_536):
                    self._output += chunk
            except OSError:
                return  # how Linux says that the other end is closed

    @property
    def text(self) -> str:
        """All of it, with what moves the cursor."""
        return self._output.decode(errors="ignore")

    @property
    def is_over(self) -> bool:
        """Whether the demo has ended."""
        return self._process.poll() is not None

    def wait_for(self, words: str) -> None:
        """Return once the demo has said so."""
        limit = monotonic() + DEMO_SECONDS
        while words not in self.text:
            if self.is_over or monotonic() > limit:
                raise SystemExit(f"moving_picture: the demo failed:\n{self.text}")
            sleep(0.02)

    def close(self) -> int:
        """End it, if it has not ended; returns its exit code."""
        self._process.terminate()
        code = self._process.wait(60)
        self._reader.join(10)
        self._home.cleanup()
        return code

    def lines(self) -> list[str]:
        """What is on the screen after all that was written to it; colours stay in."""
        lines, row = [""], 0
        for token in _CURSOR.split(self.text):
            if token == "\n":
                row += 1
                lines += [""] * (row == len(lines))
            elif token == "\x1b[1A":
                row = max(0, row - 1)
            elif token == "\x1b[2K":
                lines[row] = ""
            elif token and not _CURSOR.fullmatch(token):
                lines[row] += token
        return lines


@contextmanager
def _running(flags: Sequence[str]) -> Iterator[Terminal]:
    terminal = Terminal(flags)
    try:
        yield terminal
    finally:
        terminal.close()


def _drawn(page: Page, lines: Sequence[str]) -> bytes:
    """The terminal with these lines, the last of them if there are many."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text.from_ansi("\n".join(["$ ./scripts/run --demo", *lines]).rstrip()))
        svg = console.export_svg(title="Mailing Service", code_format=_FONT.sub("", CONSOLE_SVG_FORMAT))
    page.set_content(f'<body style="margin:0;background:#292929"><div style="width:100vw">{svg}</div></body>')
    return page.screenshot()


def _signed_in(browser: Browser, text: str) -> Page:
    address = re.search(r"panel +(http://\S+)", text)
    password = re.search(r"sign in as +admin, (\S+)", text)
    assert address is not None
    assert password is not None
    page = browser.new_context(locale="en-GB", viewport=SIZE).new_page()
    page.goto(address[1])
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill(password[1])
    page.locator("form button[type=submit]").click()
    page.locator("#main-content").wait_for()
    return page


def _looks(page: Page, terminal: Terminal) -> list[bytes]:
    """The mailing's page, from its beginning until the demo is over or its receipts come."""
    page.evaluate("location.hash = '#/mailings/1/show'")
    page.get_by_role("button", name="Pause").first.wait_for()
    looks = []
    while not terminal.is_over:
        looks.append(page.screenshot())
        sleep(STEP_SECONDS)
    every = max(1, -(-len(looks) // LOOKS_MAX))
    return [*looks[:-1:every], looks[-1]]


def _frames(browser: Browser, terminal: Terminal) -> list[Frame]:
    blank = browser.new_context(viewport=SIZE).new_page()
    terminal.wait_for(_RUNS)
    terminal.wait_for(_WATCHED)
    begun, text = terminal.lines(), terminal.text
    looks = _looks(_signed_in(browser, text), terminal)
    ended = terminal.lines()
    return [
        Frame(_drawn(blank, []), STEP_SECONDS * 2),
        Frame(_drawn(blank, begun), READ_SECONDS),
        *(Frame(look, STEP_SECONDS) for look in looks[:-1]),
        Frame(looks[-1], READ_SECONDS),
        Frame(_drawn(blank, ended), END_SECONDS),
    ]


def _save(frames: Sequence[Frame]) -> None:
    first, *others = (Image.open(io.BytesIO(frame.picture)).convert("RGB") for frame in frames)
    durations = [round(frame.seconds * 1000) for frame in frames]
    with PICTURE.open("wb") as file:
        first.save(
            file,
            "WEBP",
            save_all=True,
            append_images=others,
            duration=durations,
            loop=0,
            quality=QUALITY,
            method=6,
            minimize_size=True,
        )


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--free-ports", action="store_true", help="where the usual ports are taken")
    flags = ["--free-ports"] if parser.parse_args().free_ports else []
    if (executable := find_chromium()) is None:
        sys.exit(f"moving_picture: {MISSING}")
    with _running(flags) as terminal, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        frames = _frames(browser, terminal)
        browser.close()
    _save(frames)
    print(f"{PICTURE}: {PICTURE.stat().st_size // 1024} KiB, {len(frames)} pictures: look at it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
