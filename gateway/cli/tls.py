"""The PEM files for an engine that uses TLS: checked here, as gRPC only says later that the handshake failed."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple, NoReturn

import grpc

from gateway.cli.failures import UsageFailure


class TlsFiles(NamedTuple):
    """PEM files. Without any the engine is spoken to in plain text."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


def channel_credentials(files: TlsFiles) -> grpc.ChannelCredentials | None:
    """Credentials for a channel; None for plain text. Raises UsageFailure for what is missing or no good."""
    ca, cert, key = files
    if (cert is None) != (key is None):
        given, missing = ("--tls-cert", "--tls-key") if key is None else ("--tls-key", "--tls-cert")
        raise UsageFailure(f"{given} needs {missing}: a certificate is shown with its private key")
    if ca is None:
        if cert is not None:
            raise UsageFailure(
                "--tls-cert needs --tls-ca: the certificate authority that signed the engine's certificate"
            )
        return None
    root = _read("--tls-ca", ca)
    _check_ca(ca, root)
    if cert is None or key is None:
        return grpc.ssl_channel_credentials(root)
    chain, private = _read("--tls-cert", cert), _read("--tls-key", key)
    _check_pair(cert, key)
    return grpc.ssl_channel_credentials(root, private, chain)


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageFailure(f"{option}: cannot read {path}: {error.strerror}") from None


def _check_ca(path: Path, root: bytes) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=root.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise UsageFailure(f"--tls-ca: {path} has no certificate in PEM form") from None


def _check_pair(cert: Path, key: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def refuse() -> NoReturn:  # Python would ask at the terminal, gRPC could not use the answer
        raise UsageFailure(f"--tls-key: {key} has a passphrase; write one without: openssl pkey -in {key} -out FILE")

    try:
        context.load_cert_chain(cert, key, refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageFailure(f"--tls-key: {key} is not the private key of {cert}") from None
        raise UsageFailure(f"--tls-cert, --tls-key: no certificate and key in PEM form in {cert} and {key}") from None
