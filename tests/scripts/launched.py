"""``python -m scripts.launch`` for tests: a real engine, gateway and sandbox, on free ports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.patience import PATIENT_SECONDS

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PATH: Final = os.pathsep.join([str(ROOT), str(ROOT / "proto")])
CLEAN: Final = {name: value for name, value in os.environ.items() if not name.startswith(("MAILING_", "FBRQ_"))}


class Launched:
    """``python -m scripts.launch`` with its output in a file."""

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        self.folder, self.output = folder, folder / "output"
        ours = {"MAILING_DATABASE_URL": f"sqlite://{folder / 'mailing.db'}", "MAILING_RUN_FOLDER": str(folder / "data")}
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scripts.launch", *arguments],
                cwd=ROOT,
                env={**CLEAN, "PYTHONPATH": PATH, **ours, **environ},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def wait_for(self, words: str, limit_seconds: float = 2 * PATIENT_SECONDS) -> None:
        """Wait for words in the output."""
        deadline = time.monotonic() + limit_seconds
        while words not in self.text():
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.05)

    def children(self) -> list[int]:
        """The process ids of its children."""
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in tasks.read_text().split()]


@contextmanager
def up(folder: Path, *arguments: str, **environ: str) -> Iterator[Launched]:
    """It runs, and has printed its addresses."""
    started = Launched(folder, "--free-ports", *arguments, **environ)
    try:
        started.wait_for("Ctrl-C stops all.")
        yield started
    finally:
        if started.process.poll() is None:
            started.process.terminate()
            started.process.wait(PATIENT_SECONDS)
