"""The channel to the engine: one for the whole gateway, which finds the engine again by itself."""

from __future__ import annotations

import ssl
from typing import Any, Final

import grpc
import orjson
from grpc import aio

from common.setting_types import authority_of
from common.tls_files import TlsError, check_ca, load_pair, read_pem
from gateway.settings import Settings

_SERVICE_CONFIG: Final[dict[str, Any]] = {
    # Several engines behind one name take turns.
    "loadBalancingConfig": [{"round_robin": {}}],
}
OPTIONS: Final = (
    ("grpc.service_config", orjson.dumps(_SERVICE_CONFIG).decode()),
    ("grpc.enable_http_proxy", 0),  # the engine is near: an HTTP proxy from the environment is not for it
    # An engine that starts again is found within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # In spite of its name: how long one attempt to connect may take. On a busy machine 100 ms are too few, and a call
    # that finds no connection at its first try fails.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # An engine that vanished without a word is noticed within 20 s; it allows a ping every 10 s.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
)


def open_channel(settings: Settings) -> aio.Channel:
    """Make the channel; it connects when it is first used. Raises TlsError for PEM files that are no good."""
    if settings.engine_tls_ca is None:
        return aio.insecure_channel(settings.engine_target, OPTIONS)
    options = (*OPTIONS, *authority_of(settings.engine_target))
    return aio.secure_channel(settings.engine_target, _credentials(settings), options)


def _credentials(settings: Settings) -> grpc.ChannelCredentials:
    ca, cert, key = settings.engine_tls_ca, settings.engine_tls_cert, settings.engine_tls_key
    if ca is None:
        raise TlsError("MAILING_ENGINE_TLS_CA", "is missing")
    root = read_pem("MAILING_ENGINE_TLS_CA", ca)
    check_ca("MAILING_ENGINE_TLS_CA", ca, root)
    if cert is None or key is None:
        return grpc.ssl_channel_credentials(root)
    options = ("MAILING_ENGINE_TLS_CERT", "MAILING_ENGINE_TLS_KEY")
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), options, cert, key)
    return grpc.ssl_channel_credentials(root, read_pem(options[1], key), read_pem(options[0], cert))
