"""The secret of the panel's cookies: from the settings, or made once and kept in a file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from common import private
from common.logs import get_logger
from gateway.settings import SECRET_LENGTH_MIN, Settings

log = get_logger(__name__)


def panel_secret(settings: Settings) -> str:
    """Read the secret, or make it. With the file people stay signed in over a restart."""
    if settings.admin_secret is not None:
        return settings.admin_secret
    path = settings.admin_secret_file
    try:
        return _kept(path)
    except (OSError, ValueError) as error:
        log.warning("panel.secret_not_kept", file=str(path), error=str(error), effect="a restart signs everybody out")
        return secrets.token_hex(32)


def _kept(path: Path) -> str:
    if not path.exists():
        private.make_folder(path.parent)
        _make(path)
    return _read(path)


def _make(path: Path) -> None:
    """Of gateways that start at once the first one's is kept; nobody sees a file that is not whole yet."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
        os.link(draft, path)
    except FileExistsError:
        pass  # another gateway was first
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> str:
    found = path.read_text(encoding="utf-8").strip()
    if len(found) < SECRET_LENGTH_MIN:
        raise ValueError(f"has fewer than {SECRET_LENGTH_MIN} characters: delete it")
    if path.stat().st_mode & 0o077:
        log.warning("panel.secret_readable", file=str(path), effect="others on this machine can forge sign-ins")
    return found
