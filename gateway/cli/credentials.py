"""Where the `mailing` command finds its API token: the option, the environment, `.env`, the file of `scripts/run`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from dotenv import dotenv_values

from gateway.cli.failures import UsageFailure

VARIABLE = "MAILING_API_TOKEN"
SIGN_IN_FILE = "sign-in.env"
"""In the data folder of `scripts/run`: the token and password that it made."""


def find_token(given: str | None, target: str) -> str | None:
    """The token to show to the engine at `target`; None when there is none anywhere.

    `given` is what the option or the environment says. `sign-in.env` is asked last, and only for an engine on this
    machine: the token of the engine here is no business of one elsewhere. Raises UsageFailure for a file that can't be
    read, and for a token that can't be sent.
    """
    token = given
    if not token:
        dot_env = _values(Path(".env"))
        token = dot_env.get(VARIABLE)
        if not token and _is_loopback(target):
            folder = os.environ.get("MAILING_RUN_FOLDER") or dot_env.get("MAILING_RUN_FOLDER") or "data"
            token = _values(Path(folder) / SIGN_IN_FILE).get(VARIABLE)
    if not token:
        return None
    if not all("!" <= character <= "~" for character in token):
        raise UsageFailure(f"{VARIABLE} (--token): visible ASCII characters only, without spaces")
    return token


def _values(file: Path) -> Mapping[str, str | None]:
    """What a file of settings says; nothing when it is not there."""
    try:
        return dotenv_values(file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageFailure(f"can't read {file}: {reason}") from None


def _is_loopback(target: str) -> bool:
    """Whether a gRPC address is on this machine for sure; a name but `localhost` may be anywhere."""
    host = target.rpartition(":")[0].rpartition("/")[2].strip("[]")
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return target.startswith("unix:")
    return address.is_loopback or address.is_unspecified  # 0.0.0.0: what an engine that listens everywhere is told
