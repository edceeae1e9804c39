"""HTTP, as every kind of provider that speaks it calls: one client, one way to read what came and what did not.

The library is pyreqwest; why: docs/decisions/http-client.md. A call is the hottest line of the engine: its cost decides
how many messages a second a core can send. So everything that is the same for each call is made once (headers, the
time-out object).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final, NamedTuple, NoReturn
from urllib.parse import urlsplit

from pyreqwest.bytes import Bytes
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import (
    BuilderError,
    ClientClosedError,
    ConnectTimeoutError,
    PoolTimeoutError,
    PyreqwestError,
    RequestTimeoutError,
)
from pyreqwest.request import RequestBuilder
from pyreqwest.response import Response

from common.setting_types import is_unbroken
from common.tracing import outgoing
from engine.domain.outcome import Answer
from engine.ports import Request
from engine.provider.wording import timed_out

BODY_BYTES_MAX: Final = RequestBuilder.default_streamed_read_buffer_limit() - 1
"""The largest answer that is taken. One byte less than what the client itself reads ahead (64 KiB), so that
reading never has to wait for a body that is too large anyway."""
IDLE_SECONDS: Final = 4.0
"""How long an unused connection is kept. Many servers hang up after 5 s (Node, Apache, uvicorn): hanging
up first avoids calls on a connection that the server is just closing."""

CONNECT_SECONDS: Final = 5.0
"""How long a connection may take. Less than a call's time-out: then it is known that the request never left."""
_NOT_CONNECTED: Final = "client error (connect)"
"""A cause that the client names for all that goes wrong before the request leaves: name, connection, TLS."""

MISADDRESSED: Final = " with a body that is not JSON (the provider's address is probably wrong)"
REDIRECTED: Final = " (redirects are not followed)"
SUCCESS: Final = range(200, 300)
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CONNECTED_TOO_LATE: Final = "the connection could not be made in time"
_REASONS: Final = (
    ("connection refused", "connection refused"),
    ("connection reset", "connection reset by the provider"),
    ("broken pipe", "connection reset by the provider"),
    ("before message completed", "connection closed before the answer was complete"),
    ("unexpected eof", "connection closed before the answer was complete"),
    ("end of file before message length", "connection closed before the answer was complete"),
    ("invalid http version", "the answer is not HTTP"),
    ("too many open files", "too many open files on this machine"),
    ("dns error", "the provider's host name could not be resolved"),
    ("certificate", "the provider's TLS certificate is not trusted"),
    ("corrupt message", "the provider does not speak TLS at this address"),
    ("tls", "the TLS handshake failed"),
    ("no route to host", "no route to the provider's host"),
    ("network is unreachable", "the network is unreachable"),
    ("client was closed", "the client was closed"),
    ("error decoding response body", "the answer is unreadable"),
    ("error reading a body", "the answer is unreadable"),
    ("parse", "the answer is not valid HTTP"),
    ("invalid", "the answer is not valid HTTP"),
    ("message head is too large", "the answer is not valid HTTP"),
    (_NOT_CONNECTED, "the connection could not be made"),
)
"""What the client's messages mean, most telling first; they are matched in lower case."""


class Reply(NamedTuple):
    """A complete answer."""

    response: Response
    body: bytes
    """Unpacked, and cut off behind ``BODY_BYTES_MAX`` + 1 bytes."""

    @classmethod
    def of(cls, response: Response, content: Bytes | None) -> Reply:
        """Of what ``Caller.call`` reads."""
        return cls(response, bytes(content or b""))

    @property
    def is_too_large(self) -> bool:
        """Whether the body is larger than what is taken."""
        return len(self.body) > BODY_BYTES_MAX

    @property
    def retry_after(self) -> str | None:
        """The header of this name."""
        return _header(self.response, "retry-after")

    @property
    def content_type(self) -> str:
        """The header of this name; empty: there is none."""
        return _header(self.response, "content-type") or ""


class Caller:
    """The connections to one provider, and one call over them.

    Open sockets follow the calls in flight, which the engine's workers bound; idle ones are closed after
    ``idle_seconds``. Cancelled calls count until their time-out, unseen: ``max_connections`` bounds those too.
    """

    def __init__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        idle_seconds: float = IDLE_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
        max_connections: int | None = None,
    ) -> None:
        """Prepare the client; connects to nothing yet.

        Args:
            method: of every call, ``POST``.
            url: an address of the kind that is called, for the client's own check of it.
            headers: of every call, their names in lower case.
            idle_seconds: how long an unused connection is kept open.
            connect_seconds: how long making one may take; less than the calls' time-out.
            max_connections: requests at the same time; more wait, within their time-out. ``None``: no limit.

        Raises:
            ValueError: the client takes no such address, or there are no CA certificates for https.
        """
        self._client: Client | None = _client(url, headers, idle_seconds, connect_seconds, max_connections)
        self._request: Callable[[str], RequestBuilder] = getattr(self._client, method.lower())
        self._request(url)  # the client's own check of the address: now rather than at each call
        self._timeout_seconds = math.nan  # differs from any number: the first call sets it
        self._timeout = timedelta(0)
        self._connect_seconds = connect_seconds
        self._is_slow_to_connect = False
        """Whether the last call that ended got no connection within its time; a refused one is known at once."""

    async def call(
        self,
        url: str,
        body: bytes | None,
        request: Request,
        judge: Callable[[Response, Bytes | None, Request], Answer],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call once for a request. ``judge`` says what a complete answer means: it gets what a ``Reply`` is made of
        and the request. ``headers`` are those of this call only.

        A provider's ``send`` returns this coroutine and is none itself: each resumption of a coroutine goes through all
        that wait for it.

        A cancelled call may still reach the provider, at any moment until its time-out is over: the client
        lets the request run on. So its outcome is unknown, and its claim must not be given back before.
        """
        timeout_seconds = request.timeout_seconds
        if timeout_seconds != self._timeout_seconds:  # nearly every call has the same one: keep its object
            if timeout_seconds <= 0:
                return Answer(None, False, "not called: no time was left", arrived=False)
            self._timeout = timedelta(seconds=timeout_seconds)
            self._timeout_seconds = timeout_seconds
        if self._is_slow_to_connect and timeout_seconds <= self._connect_seconds:
            # The whole time-out would end first and leave open whether the request arrived: a message that certainly
            # never left would end as `uncertain`.
            return Answer(None, False, "not called: too little time was left to make a connection", arrived=False)
        if traced := outgoing():
            headers = {**(headers or {}), **traced}
        try:
            builder = self._request(url).timeout(self._timeout)
            if body is not None:
                builder = builder.body_bytes(body)
            if headers:
                builder = builder.headers(headers)
            async with builder.build_streamed() as response:
                content: Bytes | None = await response.body_reader.read(BODY_BYTES_MAX + 1)
        except PyreqwestError as error:
            answer = _no_answer(error, timeout_seconds)
            self._is_slow_to_connect = answer.detail == _CONNECTED_TOO_LATE
            return answer
        self._is_slow_to_connect = False
        return judge(response, content, request)

    async def close(self) -> None:
        """Let go of connections; calls in flight and later ones are answered "the client was closed"."""
        if self._client is not None:
            await self._client.close()
            self._client = None  # the client closes its idle connections when the last reference goes
            self._request = _closed


def checked_url(url: str, *, with_query: bool = False) -> str:
    """The URL, without a slash at its end unless it has a query.

    Raises:
        ValueError: it can't be called, or has parts that belong elsewhere.
    """
    if not is_unbroken(url):
        raise ValueError("the provider's URL may have no spaces: one is written %20")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("the provider's URL should look like https://host/path")
    if parts.username or parts.password or parts.fragment or (parts.query and not with_query):
        raise ValueError("the provider's URL may have neither user name nor password, query or fragment")
    return parts._replace(scheme=parts.scheme.lower()).geturl()


def _closed(_: object) -> NoReturn:
    raise ClientClosedError("Client was closed", {"causes": None})


def _client(
    url: str, headers: Mapping[str, str], idle_seconds: float, connect_seconds: float, max_connections: int | None
) -> Client:
    builder = ClientBuilder().user_agent("mailing-engine")
    builder = builder.default_headers({"accept-encoding": "identity", **headers})
    # A proxy from the environment would see phone numbers. An answer that is compressed, though nobody asked for it, is
    # unpacked as far as it is read: BODY_BYTES_MAX bounds what comes out, so a bomb does no harm.
    builder = builder.no_proxy().gzip(True).brotli(True).zstd(True).deflate(True)
    builder = builder.follow_redirects(False).referer(False).max_connections(max_connections)
    builder = builder.connect_timeout(timedelta(seconds=connect_seconds))
    if url.startswith("http:"):
        # There is no TLS at all, as redirects are not followed. Without this, a machine that has no CA
        # certificates could not even talk to the sandbox: they are loaded when the client is made.
        builder = builder.danger_accept_invalid_certs(True)
    try:
        return builder.pool_idle_timeout(timedelta(seconds=idle_seconds)).build()
    except BuilderError as error:
        words = "no TLS client could be made; are CA certificates installed (ca-certificates, or SSL_CERT_FILE)?"
        raise ValueError(words) from error


def _header(response: Response, name: str) -> str | None:
    try:
        return response.get_header(name)
    except (PyreqwestError, ValueError):  # bytes that are no text: taken for no header
        return None


def _no_answer(error: PyreqwestError, timeout_seconds: float) -> Answer:
    """No complete answer came. What matters most is whether the request may have arrived."""
    messages = list(_messages(error))
    if isinstance(error, PoolTimeoutError):
        return Answer(None, False, "no connection was free in time", arrived=False)
    never_left = any(_NOT_CONNECTED in message for message in messages)
    return Answer(None, False, _reason(error, messages, timeout_seconds, never_left), arrived=not never_left)


def _reason(error: PyreqwestError, messages: Iterable[str], timeout_seconds: float, never_left: bool) -> str:
    if isinstance(error, RequestTimeoutError) and not never_left:
        return timed_out(timeout_seconds)
    if isinstance(error, ConnectTimeoutError):  # on a busy machine the cause names no time
        return _CONNECTED_TOO_LATE
    for message in messages:
        for part, words in _REASONS:
            if part in message:
                return words
    return "the call failed before an answer came"


def _messages(error: PyreqwestError) -> Iterator[str]:
    """The client's messages, the root cause first. They bear the URL, so they are matched, never shown."""
    details = getattr(error, "details", None) or {}
    for cause in reversed(details.get("causes") or ()):
        yield cause["message"].lower()
    yield error.message.lower()
