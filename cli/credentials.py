"""Where the `mailing` command finds the engine, its token and its certificates: the option, the environment, `.env`,
then (not certificates) the files that `scripts/run` and the engine have written in the data folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from cli.failures import UsageFailure
from cli.tls import TlsFiles
from common.setting_types import is_target_loopback

TOKEN = "MAILING_API_TOKEN"
TARGET = "MAILING_ENGINE_TARGET"
ALLOW_PLAINTEXT = "MAILING_ALLOW_PLAINTEXT"
TLS_FILES = ("MAILING_ENGINE_TLS_CA", "MAILING_ENGINE_TLS_CERT", "MAILING_ENGINE_TLS_KEY")
DEFAULT_TARGET = "127.0.0.1:50051"
SIGN_IN_FILES = ("sign-in.env", "first-sign-in.env")
"""In the data folder: what `scripts/run` has made, and what an engine has that was started without it."""


def find_target(given: str | None) -> str:
    """The engine's address; `given` is what the option or the environment says.

    `sign-in.env` names the engine that `scripts/run --free-ports` has started, wherever it listens. Raises UsageFailure
    for a file that can't be read.
    """
    return given or _dot_env().get(TARGET) or _kept(TARGET) or DEFAULT_TARGET


def find_token(given: str | None, target: str) -> str | None:
    """The token to show to the engine at `target`; None when there is none anywhere.

    `given` is what the option or the environment says. `sign-in.env` is asked last, and only for an engine on this
    machine: the token of the engine here is no business of one elsewhere. Raises UsageFailure for a file that can't be
    read, and for a token that can't be sent.
    """
    token = given or _dot_env().get(TOKEN)
    if not token and is_target_loopback(target):
        token = _kept(TOKEN)
    if not token:
        return None
    if not all("!" <= character <= "~" for character in token):
        raise UsageFailure(f"{TOKEN} (--token): visible ASCII characters only, without spaces")
    return token


def find_tls(given: TlsFiles) -> TlsFiles:
    """The PEM files: each as the option or the environment says, else as `.env` does, where the gateway finds its own.

    Raises UsageFailure for a `.env` that can't be read.
    """
    written = (_dot_env().get(name) for name in TLS_FILES)
    return TlsFiles(*(one or (Path(other) if other else None) for one, other in zip(given, written, strict=True)))


def refuse_plaintext(target: str, allowed: bool) -> None:
    """Raise UsageFailure where a token would travel beyond this machine in the clear, and nobody has allowed that."""
    if allowed or is_target_loopback(target) or (_dot_env().get(ALLOW_PLAINTEXT) or "").lower() in {"1", "true", "yes"}:
        return
    raise UsageFailure(
        f"the token would reach {target} in the clear: give --tls-ca, or --allow-plaintext ({ALLOW_PLAINTEXT}=true)"
    )


def _dot_env() -> Mapping[str, str | None]:
    return _values(Path(".env"))


def _kept(name: str) -> str | None:
    """What the files of the data folder say, the first that says something."""
    folder = Path(os.environ.get("MAILING_RUN_FOLDER") or _dot_env().get("MAILING_RUN_FOLDER") or "data")
    return next((value for file in SIGN_IN_FILES if (value := _values(folder / file).get(name))), None)


def _values(file: Path) -> Mapping[str, str | None]:
    """What a file of settings says; nothing when it is not there."""
    try:
        return dotenv_values(file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageFailure(f"can't read {file}: {reason}") from None
