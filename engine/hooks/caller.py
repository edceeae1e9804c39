"""Calls to webhooks: a client of its own, beside the one that sends, with the gate for addresses at the socket.

A connection goes to the address that is checked when its socket is made. So neither a name that stands for another
address now (DNS rebinding) nor any way to write an address gets past the check. Redirects are not followed, proxies of
the environment not asked. Names are looked up in threads of the client's own: those that hang keep nobody waiting.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from common.error_codes import ErrorCode
from engine.domain.webhook import WEBHOOKS_MAX
from engine.webhook_address import is_inner, url_problem

CALL_SECONDS: Final = 15.0
_CONNECT_SECONDS: Final = 5.0
_ANSWER_BYTES_MAX: Final = 1_000
_DNS_SECONDS: Final = 10
_REDIRECTED: Final = "redirects are not followed"
LookUp = Callable[..., Any]
"""``socket.getaddrinfo``, or what takes its place."""


class Answer(NamedTuple):
    """What came of a call."""

    http_status: int | None
    """``None``: no answer came."""
    text: str
    """The begin of the answer, or why there was none."""

    @property
    def is_taken(self) -> bool:
        """The receiver has it."""
        return self.http_status is not None and 200 <= self.http_status < 300


class _Refused(OSError):
    """The address is one that no call goes to."""


class _Resolver(AbstractResolver):
    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._pool = ThreadPoolExecutor(WEBHOOKS_MAX, thread_name_prefix="webhook-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See ``AbstractResolver``."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._pool, self._look_up, host, port, family, socket.SOCK_STREAM)
        return [
            ResolveResult(
                hostname=host, host=address[0], port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """See ``AbstractResolver``; waits for no name."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Caller:
    """``post`` as often as needed, then ``close``."""

    def __init__(self, *, private: bool, look_up: LookUp = socket.getaddrinfo, seconds: float = CALL_SECONDS) -> None:
        """``private``: this machine and private networks may be called. ``seconds``: how long a call may take."""
        self._private, self._look_up, self._seconds = private, look_up, seconds
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Call once; whatever happens is an answer."""
        if problem := url_problem(url, private=self._private):  # the setting may be another one than it was
            return Answer(None, f"the address {problem}")
        try:
            async with self._opened().post(url, data=body, headers=headers, allow_redirects=False) as response:
                return Answer(response.status, await _text(response))
        except TimeoutError:
            return Answer(None, f"no answer within {self._seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(None, _why(error))

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,
                resolver=_Resolver(self._look_up),
                ttl_dns_cache=_DNS_SECONDS,
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self._seconds, sock_connect=_CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "mailing-webhooks", "Content-Type": "application/json"},
                auto_decompress=False,
            )
        return self._session

    def _socket(self, address: Any) -> socket.socket:
        """The socket for a connection to an address, if it may be called."""
        family, kind, proto, _, place = address
        if not self._private and is_inner(place[0]):
            raise _Refused(f"the address {ErrorCode.WEBHOOK_PRIVATE.format()}")
        return socket.socket(family=family, type=kind, proto=proto)


async def _text(response: aiohttp.ClientResponse) -> str:
    if 300 <= response.status < 400:
        return _REDIRECTED
    found = b""
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) >= _ANSWER_BYTES_MAX:
            break
    return found[:_ANSWER_BYTES_MAX].decode("utf-8", "replace").replace("\0", "\ufffd")


def _why(error: Exception) -> str:
    """In words, without the address: its path may be a secret."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name could not be resolved"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the TLS certificate is not trusted"
    if isinstance(error, aiohttp.ClientSSLError):
        return "the TLS handshake failed"
    if isinstance(error, aiohttp.ClientConnectorError):
        refused = isinstance(error.os_error, _Refused)
        return str(error.os_error) if refused else f"no connection: {error.os_error.strerror or 'refused'}"
    return f"no answer: {type(error).__name__}"
