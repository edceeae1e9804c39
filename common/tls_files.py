"""PEM files, checked here in words: OpenSSL and gRPC only say later that a handshake failed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn


class TlsError(Exception):
    """A file is not what it should be: one line for the operator."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option
        """How the operator named the file."""
        self.problem = problem


Conflict = tuple[str, str]
"""A setting's name, and what is wrong with it; see ``common.settings.ProcessSettings.conflicts``."""


def pair_conflicts(side: str, cert: Path | None, key: Path | None) -> list[Conflict]:
    """What is wrong with the settings ``{side}_cert`` and ``{side}_key``: one is missing, or the files are no pair."""
    names = (f"{side}_cert", f"{side}_key")
    if cert is not None and key is not None:
        return _conflicts(lambda: load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), names, cert, key))
    if cert is not None:
        return [(names[1], f"is missing: MAILING_{names[0].upper()} is set")]
    return [] if key is None else [(names[0], f"is missing: MAILING_{names[1].upper()} is set")]


def ca_conflicts(name: str, path: Path | None) -> list[Conflict]:
    """What is wrong with the setting ``name``, a file of certificates of authorities."""
    return [] if path is None else _conflicts(lambda: check_ca(name, path, read_pem(name, path)))


def _conflicts(check: Callable[[], None]) -> list[Conflict]:
    try:
        check()
    except TlsError as error:
        return [(error.option, error.problem)]
    return []


def read_pem(option: str, path: Path) -> bytes:
    """Read a file; ``option`` is how the operator named it. Raises TlsError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(option, f"cannot read {path}: {error.strerror}") from None


def check_ca(option: str, path: Path, content: bytes) -> None:
    """Raise TlsError unless ``content`` has a certificate."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise TlsError(option, f"{path} has no certificate in PEM form") from None


def load_pair(context: ssl.SSLContext, options: tuple[str, str], cert: Path, key: Path) -> None:
    """Load a certificate and its private key, named by ``options``. Raises TlsError when they are no good."""

    def refuse() -> NoReturn:  # Python would ask at the terminal, gRPC could not use the answer
        raise TlsError(options[1], f"{key} has a passphrase; write one without: openssl pkey -in {key} -out FILE")

    try:
        context.load_cert_chain(cert, key, refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsError(options[1], f"{key} is not the private key of {cert}") from None
        raise TlsError(options[0], f"no certificate and key in PEM form in {cert} and {key}") from None
    except OSError as error:
        raise TlsError(options[0], f"cannot read {cert} and {key}: {error.strerror}") from None


def server_context(options: tuple[str, str], cert: Path, key: Path) -> ssl.SSLContext:
    """Make what a server shows: TLS 1.2 or newer. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_pair(context, options, cert, key)
    return context
