"""A provider that is described in the providers' file, and not programmed: ``kind = "http"``."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, quote_plus

from pyreqwest.bytes import Bytes
from pyreqwest.response import Response

from engine.domain.outcome import Answer
from engine.ports import Abilities, Request
from engine.provider.answers import Judge
from engine.provider.description import Answers, RequestTable
from engine.provider.http import CONNECT_SECONDS, IDLE_SECONDS, Caller, Reply
from engine.provider.placeholders import VALIDITY, Filling, Template, names_in
from engine.provider.shapes import Shapes
from engine.provider.wording import excerpt


class DescribedProvider:
    """Implements ``engine.ports.Provider``. One instance for the whole engine: it owns the connections."""

    def __init__(
        self,
        url: Template,
        request: RequestTable,
        answers: Answers,
        *,
        secrets: Mapping[str, str],
        senders: Sequence[str] = (),
        has_receipts: bool = False,
        now: Callable[[], float] = time.time,
        idle_seconds: float = IDLE_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
        max_connections: int | None = None,
    ) -> None:
        """Prepare the client; connects to nothing yet.

        Args:
            secrets: by the names that the description has for them.
            senders: the names that texts may come from: the first, where a mailing names none.
            has_receipts: the provider says later what became of a text.
            now: seconds since the Unix epoch.
            idle_seconds, connect_seconds, max_connections: see ``Caller``.

        Raises:
            ValueError: the URL or a secret can't be used, or there are no CA certificates for https; the message does
                not repeat a secret.
        """
        validity = request.validity
        default_sender = senders[0] if senders else ""
        filling = Filling(secrets, default_sender, validity.seconds_min, validity.seconds_max, now)
        self._shapes = Shapes(url, request, filling)
        self._caller = Caller(
            request.method,
            self._shapes.sample_url,
            self._shapes.constant_headers,
            idle_seconds=idle_seconds,
            connect_seconds=connect_seconds,
            max_connections=max_connections,
        )
        self._judge = Judge(answers)
        authorization = self._shapes.constant_headers.get("authorization", "")
        written = {form for secret in secrets.values() for form in (secret, quote(secret, safe=""), quote_plus(secret))}
        self._secrets: Final = (*sorted(written, key=len, reverse=True), authorization.rpartition(" ")[2])
        asked = names_in([url, *request.templates])
        self.abilities = Abilities(
            validity=bool(asked & set(VALIDITY)),
            sender="sender" in asked,
            segments="segments" in asked,
            receipts=has_receipts,
        )

    def send(self, request: Request) -> Coroutine[Any, Any, Answer]:
        """Call the provider once; see ``engine.ports.Provider.send``; of a call that is cancelled, ``Caller.call``."""
        url_format, body_format, header_formats = self._shapes.shape_of(request)
        body = None if body_format is None else body_format.fill(request).encode()
        headers = {name: value.fill(request) for name, value in header_formats} if header_formats else None
        return self._caller.call(url_format.fill(request), body, request, self._answer, headers)

    async def close(self) -> None:
        """Let go of connections; calls in flight and later ones are answered "the client was closed"."""
        await self._caller.close()

    def _answer(self, response: Response, content: Bytes | None, request: Request) -> Answer:
        return self._judge.judge(Reply.of(response, content), lambda said: self._excerpt(said, request))

    def _excerpt(self, said: bytes, request: Request) -> str:
        return excerpt(said, secrets=self._secrets, phone_number=request.phone_number, text=request.text)
