"""The PEM files for an engine that uses TLS: checked here, as gRPC only says later that the handshake failed."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

import grpc

from cli.failures import UsageFailure
from common.tls_files import TlsError, check_ca, load_pair, read_pem


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
    try:
        root = read_pem("--tls-ca", ca)
        check_ca("--tls-ca", ca, root)
        if cert is None or key is None:
            return grpc.ssl_channel_credentials(root)
        chain, private = read_pem("--tls-cert", cert), read_pem("--tls-key", key)
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ("--tls-cert", "--tls-key"), cert, key)
    except TlsError as error:
        raise UsageFailure(str(error)) from None
    return grpc.ssl_channel_credentials(root, private, chain)
