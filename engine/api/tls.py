"""The certificate of the gRPC API, read again whenever its files change: a new one needs no restart."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from common.logs import get_logger
from common.pem import PemFiles

log = get_logger(__name__)


class ListenError(Exception):
    """The address can't be listened on, or the certificate can't be used: one line for the operator."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of the server; with ``client_ca`` only callers with a certificate of that CA get in."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    def credentials(self) -> ServerCertificate:
        """Read the files. Raises ListenError when one can't be read."""
        try:
            return ServerCertificate(self)
        except OSError as error:
            raise ListenError(f"can't read {error.filename}: {error.strerror}") from None


class ServerCertificate:
    """gRPC asks for it at each handshake; it is read again when one of the files has changed, or on ``reload``. Files
    that don't belong together (one of them is written, the other not yet) are left alone until they do."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._files: Final = PemFiles([tls.cert, tls.key, *([] if tls.client_ca is None else [tls.client_ca])])
        self.credentials: Final = grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            self._fetch,  # type: ignore[arg-type]  # None is what its documentation allows, and its stub forgets
            require_client_authentication=tls.client_ca is not None,
        )

    def reload(self) -> None:
        """Read the files at the next handshake, changed or not (SIGHUP)."""
        self._files.forget()

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """What the next handshake uses; ``None``: what the last one did. gRPC calls this from a thread of its own."""
        if not self._files.changed():
            return None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._tls.cert, self._tls.key)
            configuration = self._configuration()
        except (OSError, ssl.SSLError) as error:
            log.error("tls.not_reloaded", cert=str(self._tls.cert), error=str(error), still="the one before is in use")
            return None
        log.info("tls.reloaded", cert=str(self._tls.cert))
        return configuration

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        pair = (self._tls.key.read_bytes(), self._tls.cert.read_bytes())
        client_ca = None if self._tls.client_ca is None else self._tls.client_ca.read_bytes()
        return grpc.ssl_server_certificate_configuration([pair], client_ca)
