"""PEM files, checked here in words: OpenSSL and gRPC only say later that a handshake failed."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn


class TlsError(Exception):
    """A file is not what it should be: one line for the operator."""


def read_pem(option: str, path: Path) -> bytes:
    """Read a file; ``option`` is how the operator named it. Raises TlsError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"{option}: cannot read {path}: {error.strerror}") from None


def check_ca(option: str, path: Path, content: bytes) -> None:
    """Raise TlsError unless ``content`` has a certificate."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise TlsError(f"{option}: {path} has no certificate in PEM form") from None


def load_pair(context: ssl.SSLContext, options: tuple[str, str], cert: Path, key: Path) -> None:
    """Load a certificate and its private key, named by ``options``. Raises TlsError when they are no good."""

    def refuse() -> NoReturn:  # Python would ask at the terminal, gRPC could not use the answer
        raise TlsError(f"{options[1]}: {key} has a passphrase; write one without: openssl pkey -in {key} -out FILE")

    try:
        context.load_cert_chain(cert, key, refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsError(f"{options[1]}: {key} is not the private key of {cert}") from None
        raise TlsError(f"{', '.join(options)}: no certificate and key in PEM form in {cert} and {key}") from None
    except OSError as error:
        raise TlsError(f"{', '.join(options)}: cannot read {cert} and {key}: {error.strerror}") from None


def server_context(options: tuple[str, str], cert: Path, key: Path) -> ssl.SSLContext:
    """Make what a server shows: TLS 1.2 or newer. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_pair(context, options, cert, key)
    return context
