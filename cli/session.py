"""One command's connection to the engine, and where its output goes."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import typer

from cli.credentials import find_target, find_tls, find_token, refuse_plaintext
from cli.failures import failure_of
from cli.plain import dumps
from cli.terminal import Terminal
from cli.tls import TlsFiles, channel_credentials
from common.setting_types import authority_of
from mailing.v1.access_service_pb2_grpc import AccessServiceStub
from mailing.v1.client_service_pb2_grpc import ClientServiceStub
from mailing.v1.engine_service_pb2_grpc import EngineServiceStub
from mailing.v1.event_service_pb2_grpc import EventServiceStub
from mailing.v1.mailing_service_pb2_grpc import MailingServiceStub
from mailing.v1.message_service_pb2_grpc import MessageServiceStub
from mailing.v1.suppression_service_pb2_grpc import SuppressionServiceStub
from mailing.v1.webhook_service_pb2_grpc import WebhookServiceStub

if TYPE_CHECKING:  # these exist in the stubs' types only
    from mailing.v1.access_service_pb2_grpc import AccessServiceAsyncStub
    from mailing.v1.client_service_pb2_grpc import ClientServiceAsyncStub
    from mailing.v1.engine_service_pb2_grpc import EngineServiceAsyncStub
    from mailing.v1.event_service_pb2_grpc import EventServiceAsyncStub
    from mailing.v1.mailing_service_pb2_grpc import MailingServiceAsyncStub
    from mailing.v1.message_service_pb2_grpc import MessageServiceAsyncStub
    from mailing.v1.suppression_service_pb2_grpc import SuppressionServiceAsyncStub
    from mailing.v1.webhook_service_pb2_grpc import WebhookServiceAsyncStub

CALL_SECONDS = 30.0
"""How long one answer may take. Streams have no limit."""

_ENDLESS_WIDTH = 1000
"""Of a pipe or a file."""

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Options:
    """The options that every command takes."""

    target: str
    """As given; empty: to be found."""
    token: str | None
    tls: TlsFiles
    allow_plaintext: bool
    json: bool


class Session:
    """Stubs over one channel, the console for people and the switch for scripts."""

    def __init__(self, channel: grpc.aio.Channel, options: Options) -> None:
        self.target = options.target
        self.json = options.json
        self.out = Terminal(highlight=False)
        if not self.out.is_terminal and "COLUMNS" not in os.environ:
            self.out.width = _ENDLESS_WIDTH  # nothing has to be cut
        self.err = Terminal(stderr=True, highlight=False)
        self.metadata: Metadata = (("authorization", f"Bearer {options.token}"),) if options.token else ()
        self.clients: ClientServiceAsyncStub = ClientServiceStub(channel)
        self.mailings: MailingServiceAsyncStub = MailingServiceStub(channel)
        self.messages: MessageServiceAsyncStub = MessageServiceStub(channel)
        self.suppressions: SuppressionServiceAsyncStub = SuppressionServiceStub(channel)
        self.engine: EngineServiceAsyncStub = EngineServiceStub(channel)
        self.events: EventServiceAsyncStub = EventServiceStub(channel)
        self.webhooks: WebhookServiceAsyncStub = WebhookServiceStub(channel)
        self.access: AccessServiceAsyncStub = AccessServiceStub(channel)

    def dump(self, value: object, *, indent: bool = True) -> None:
        """Print JSON, for scripts."""
        # Elsewhere the terminal's own escapes would stand for what its encoding lacks, and they are no JSON.
        in_ascii = codecs.lookup(getattr(self.out.file, "encoding", None) or "utf-8").name != "utf-8"
        self.out.file.write(dumps(value, indent=indent, in_ascii=in_ascii) + "\n")
        self.out.file.flush()


def run(context: typer.Context, action: Callable[[Session], Awaitable[None]]) -> None:
    """Run a command's coroutine with a session; what gRPC reports becomes a Failure."""
    given: Options = context.find_root().obj
    # Only now: `--help` needs no token, and must not fail with a file that can't be read.
    target = find_target(given.target)
    options = replace(given, target=target, token=find_token(given.token, target), tls=find_tls(given.tls))
    if options.token is not None and options.tls.ca is None:
        refuse_plaintext(target, given.allow_plaintext)
    asyncio.run(_run(options, action))


async def _run(options: Options, action: Callable[[Session], Awaitable[None]]) -> None:
    async with _channel(options) as channel:
        try:
            await action(Session(channel, options))
        except grpc.aio.AioRpcError as error:
            raise failure_of(error, options.target) from error


def _channel(options: Options) -> grpc.aio.Channel:
    arguments = [
        ("grpc.enable_http_proxy", 0),  # the engine is near: an HTTP proxy from the environment is not for it
        ("grpc.initial_reconnect_backoff_ms", 200),  # `watch` is back soon after the engine is
        ("grpc.min_reconnect_backoff_ms", 5_000),  # one attempt may take so long: see ``gateway.channel``
        ("grpc.max_reconnect_backoff_ms", 2000),
        ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ]
    credentials = channel_credentials(options.tls)
    if credentials is None:
        return grpc.aio.insecure_channel(options.target, arguments)
    return grpc.aio.secure_channel(options.target, credentials, [*arguments, *authority_of(options.target)])
