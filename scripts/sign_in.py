"""The first account's password and the first token, for `scripts/run`: made once, kept where only their owner reads;
and beside them where it listens, while it runs: with free ports nobody could guess that."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from common import private
from scripts.processes import Failed

PASSWORD: Final = "MAILING_ADMIN_PASSWORD"
TOKEN: Final = "MAILING_API_TOKEN"
FILE: Final = "sign-in.env"
"""In the data folder; `mailing` looks there too (cli/credentials.py)."""
ADDRESSES: Final = ("MAILING_ENGINE_TARGET", "MAILING_HTTP_URL", "MAILING_METRICS_URL", "MAILING_SANDBOX_URL")
_HEADER: Final = (
    "# Made by scripts/run, for this machine: account `admin`, an API token, and while it runs, where it listens.\n"
)


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
    with _failing(file):
        kept = _read(file)
        new = {name: _make(name) for name in wanted if name not in kept}
        if new:
            _write(file, kept | new)
    return SignIn(file, given | {name: (kept | new)[name] for name in wanted}, frozenset(wanted))


def keep_addresses(folder: Path, addresses: Mapping[str, str]) -> dict[str, str]:
    """Write down where the service listens; return what stood there, of a run that still goes on or was killed.

    Raises:
        Failed: the file can't be read or written.
    """
    with _failing(folder / FILE):
        kept = _read(folder / FILE)
        _write(folder / FILE, _others(kept) | dict(addresses))
    return {name: value for name, value in kept.items() if name in ADDRESSES}


def forget_addresses(folder: Path, addresses: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Take them out again, unless they are those of somebody who has started since; without a secret no file is left.

    Args:
        folder: where the file is.
        addresses: what ``keep_addresses`` was given.
        before: what it has returned, if that is still true: put back.

    Raises:
        Failed: the file can't be read or written.
    """
    file = folder / FILE
    with _failing(file):
        kept = _read(file)
        if not addresses or {name: kept.get(name) for name in addresses} != addresses:
            return
        left = _others(kept) | dict(before)
        if left:
            _write(file, left)
        else:
            file.unlink()


@contextmanager
def _failing(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Failed(f"can't keep the sign-in in {file}: {reason}") from None


def _others(kept: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in kept.items() if name not in ADDRESSES}


def _read(file: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(file, interpolate=False).items() if value}


def _make(name: str) -> str:
    """16 characters that a person can copy, or a token in the engine's own form."""
    return f"mlt_{secrets.token_urlsafe(32)}" if name == TOKEN else secrets.token_urlsafe(12)


def _write(file: Path, values: Mapping[str, str]) -> None:
    private.write(file, _HEADER + "".join(f"{name}={value}\n" for name, value in values.items()))
