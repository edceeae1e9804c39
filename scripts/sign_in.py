"""The first account's password and the first token, for `scripts/run`: made once, kept where only their owner reads."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from common import private
from scripts.processes import Failed

PASSWORD: Final = "MAILING_ADMIN_PASSWORD"
TOKEN: Final = "MAILING_API_TOKEN"
FILE: Final = "sign-in.env"
"""In the data folder; `mailing` looks there too (gateway/cli/credentials.py)."""
_HEADER: Final = "# Made by scripts/run at its first start, for this machine: account `admin`, and an API token.\n"


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the engine is given, and who thought of it: what a person has set is never printed."""

    file: Path
    environ: Mapping[str, str]
    """Both variables."""
    made: frozenset[str]
    """Those that this script has made, now or at an earlier start."""


def sign_in(environ: Mapping[str, str], folder: Path) -> SignIn:
    """Take what is set, what the file in `folder` says, or make it and write the file.

    Raises:
        Failed: the file can't be read or written.
    """
    file = folder / FILE
    wanted = [name for name in (PASSWORD, TOKEN) if not environ.get(name)]
    given = {name: environ[name] for name in (PASSWORD, TOKEN) if name not in wanted}
    try:
        kept = {name: value for name, value in dotenv_values(file, interpolate=False).items() if value}
        new = {name: _make(name) for name in wanted if name not in kept}
        if new:
            _write(file, kept | new)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Failed(f"can't keep the sign-in in {file}: {reason}") from None
    return SignIn(file, given | {name: (kept | new)[name] for name in wanted}, frozenset(wanted))


def _make(name: str) -> str:
    """16 characters that a person can copy, or a token in the engine's own form."""
    return f"mlt_{secrets.token_urlsafe(32)}" if name == TOKEN else secrets.token_urlsafe(12)


def _write(file: Path, values: Mapping[str, str]) -> None:
    """Put a whole file in place of the old one, readable by its owner only from the first moment on."""
    private.make_folder(file.parent)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(_HEADER + "".join(f"{name}={value}\n" for name, value in values.items()))
    new.replace(file)
