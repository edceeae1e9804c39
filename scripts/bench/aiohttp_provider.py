"""The candidate that lost: the provider over aiohttp, for comparison only (docs/decisions/http-client.md)."""

from __future__ import annotations

import errno

import aiohttp
import orjson

from engine.domain.outcome import Answer
from engine.ports import Abilities, Request
from engine.provider.reply import code_of, read_reply
from engine.provider.wording import excerpt, timed_out

BODY_BYTES_MAX = 65_535
_ACCEPTED_BODY = b'{"code":0,"message":"OK"}'
_ACCEPTED = Answer(200, True, "")


class AiohttpProvider:
    """The same behaviour as ``FbrqProvider``; make it inside a running event loop."""

    abilities = Abilities()

    def __init__(self, base_url: str, token: str, *, idle_seconds: float = 4.0) -> None:
        """See ``FbrqProvider``. ``limit=0``: the engine's workers bound the calls in flight."""
        self._prefix = f"{base_url}/send/"
        self._token = token
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "accept": "application/json"}
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=idle_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        self._timeout = aiohttp.ClientTimeout(total=10)

    async def send(self, request: Request) -> Answer:
        """See ``FbrqProvider.send``."""
        message_id, phone_number, text, timeout_seconds, _, _, _ = request
        if timeout_seconds != self._timeout.total:
            self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        body = orjson.dumps({"id": message_id, "phone": phone_number, "text": text})
        try:
            async with self._session.post(
                f"{self._prefix}{message_id}", data=body, allow_redirects=False, timeout=self._timeout
            ) as response:
                content = await self._read(response)
        except TimeoutError:
            return Answer(None, False, timed_out(timeout_seconds))
        except (aiohttp.ClientError, ValueError) as error:
            return Answer(None, False, _reason(error), arrived=not isinstance(error, aiohttp.ClientConnectorError))
        if response.status == 200 and content == _ACCEPTED_BODY:
            return _ACCEPTED
        return self._answer(response, content, phone_number, text)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    @staticmethod
    async def _read(response: aiohttp.ClientResponse) -> bytes:
        content = b""
        while len(content) <= BODY_BYTES_MAX and (chunk := await response.content.read(BODY_BYTES_MAX + 1)):
            content += chunk
        return content

    def _answer(self, response: aiohttp.ClientResponse, body: bytes, phone_number: int, text: str) -> Answer:
        words, status = f"HTTP {response.status}", response.status
        retry_after = response.headers.get("retry-after")
        if retry_after is not None and not retry_after.isascii():
            retry_after = None
        if len(body) > BODY_BYTES_MAX:
            return Answer(status, False, f"{words}: the body is larger than 64 KiB", retry_after)
        reply = read_reply(body, response.headers.get("content-type", "")) if 200 <= status <= 299 else {}
        if 200 <= status <= 299 and reply is not None and not code_of(reply):
            return Answer(status, True, "")
        shown = excerpt(body, secrets=(self._token,), phone_number=phone_number, text=text)
        return Answer(status, reply is not None, f"{words}: {shown}" if shown else words, retry_after)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the provider's host name could not be resolved"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection refused"
    if isinstance(error.__cause__, ConnectionResetError) or getattr(error, "errno", 0) == errno.ECONNRESET:
        return "connection reset by the provider"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "connection closed before the answer was complete"
    return "the answer is not HTTP" if "Expected HTTP/" in str(error) else "the answer is not valid HTTP"
