"""Files that only their owner may read, from the first moment on."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Put a whole file (mode 0600) in place of the old one; make its folder where there is none.

    Raises:
        OSError: it can't be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    new.replace(file)


def check_private(file: Path) -> None:
    """Raise OSError where ``write_private`` could not write the file; what it holds stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    trial = file.with_name(f"{file.name}.{os.getpid()}")
    os.close(os.open(trial, os.O_WRONLY | os.O_CREAT, 0o600))
    trial.unlink()
