"""The provider fbrq (docs/behaviour.md, section 3).

``send`` is the hottest line of the engine: so the answer "accepted" is made once, and the known success is recognised
by comparing bytes.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

import orjson
from pyreqwest.bytes import Bytes
from pyreqwest.response import Response

from engine.domain.outcome import Answer
from engine.ports import Abilities, Request
from engine.provider.http import (
    CONNECT_SECONDS,
    IDLE_SECONDS,
    MISADDRESSED,
    REDIRECTED,
    REDIRECTS,
    SUCCESS,
    Caller,
    Reply,
    checked_url,
)
from engine.provider.reply import code_of, read_reply
from engine.provider.wording import excerpt

_ACCEPTED_BODY: Final = b'{"code":0,"message":"OK"}'
_ACCEPTED: Final = Answer(200, True, "")
_HTTP_OK: Final = 200


class FbrqProvider:
    """Implements ``engine.ports.Provider``. One instance for the whole engine: it owns the connections."""

    abilities = Abilities()
    """Its API has no receipts; who knows what became of a text, as the sandbox does, calls ``POST /receipts``."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        idle_seconds: float = IDLE_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
        max_connections: int | None = None,
    ) -> None:
        """Prepare the client; connects to nothing yet.

        Args:
            base_url: what ``/send/{msgId}`` is appended to, like ``https://probe.fbrq.cloud/v1``.
            token: the bearer token; empty: no ``Authorization`` header at all.
            idle_seconds, connect_seconds, max_connections: see ``Caller``.

        Raises:
            ValueError: the URL or the token can't be used, or there are no CA certificates for https; the
                message does not repeat the token.
        """
        self._prefix = f"{checked_url(base_url).rstrip('/')}/send/"
        self._secrets = (token,)
        headers = {"accept": "application/json", "content-type": "application/json"}
        if token:
            if not token.isascii() or not token.isprintable():
                raise ValueError("the provider's token may have printable ASCII characters only")
            headers["authorization"] = f"Bearer {token}"
        self._caller = Caller(
            "POST",
            f"{self._prefix}0",
            headers,
            idle_seconds=idle_seconds,
            connect_seconds=connect_seconds,
            max_connections=max_connections,
        )

    def send(self, request: Request) -> Coroutine[Any, Any, Answer]:
        """Call the provider once; see ``engine.ports.Provider.send``; of a call that is cancelled, ``Caller.call``."""
        message_id, phone_number, text, _, _, _, _ = request
        body = orjson.dumps({"id": message_id, "phone": phone_number, "text": text})
        return self._caller.call(f"{self._prefix}{message_id}", body, request, self._judge)

    async def close(self) -> None:
        """Let go of connections; calls in flight and later ones are answered "the client was closed"."""
        await self._caller.close()

    def _judge(self, response: Response, content: Bytes | None, request: Request) -> Answer:
        if content == _ACCEPTED_BODY and response.status == _HTTP_OK:
            return _ACCEPTED
        return self._answer(Reply.of(response, content), request)

    def _answer(self, reply: Reply, request: Request) -> Answer:
        """Describe any answer but the known success."""
        status, body, wait = reply.response.status, reply.body, reply.retry_after
        if reply.is_too_large:
            return Answer(status, False, f"HTTP {status}: the body is larger than 64 KiB", wait)
        words, valid, code = f"HTTP {status}", True, 0.0
        if status in SUCCESS:
            said = read_reply(body, reply.content_type)
            valid = said is not None
            code = 0.0 if said is None else code_of(said)
            if valid and not code:
                return Answer(status, True, "")
            words += f" with code {code:g}" if valid else MISADDRESSED
        elif status in REDIRECTS:
            words += REDIRECTED
        shown = excerpt(body, secrets=self._secrets, phone_number=request.phone_number, text=request.text)
        return Answer(status, valid, f"{words}: {shown}" if shown else words, wait, code=code)
