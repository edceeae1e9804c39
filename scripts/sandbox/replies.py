"""Texts that people send back: handed to the service as a provider hands them in, and remembered by number."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import aiohttp
import orjson

from scripts.sandbox.ledger import time_text
from scripts.sandbox.service import NoService, Service, Target

PATH: Final = "/api/v1/inbound"
TEXT_LENGTH_MAX: Final = 4096
REPLIES_KEPT: Final = 100
"""Of one number."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


class Reply(NamedTuple):
    """What a person answered, and what became of it."""

    at_us: int
    text: str
    action: str | None
    """What the service did: ``suppressed`` or ``ignored``; ``None``: it did not take the text."""
    problem: str
    """Why not."""

    def as_json(self) -> dict[str, object]:
        """For the control API."""
        return {"time": time_text(self.at_us), "text": self.text, "action": self.action, "problem": self.problem}


class Replies:
    """The latest replies of the numbers that replied last."""

    def __init__(self, service: Service | None, keep: int) -> None:
        self.service = service
        self._keep = keep
        self._by_phone: OrderedDict[int, deque[Reply]] = OrderedDict()

    def clear(self) -> None:
        """Forget them."""
        self._by_phone.clear()

    async def send(self, phone: int, text: str) -> Reply:
        """Hand a text in that a person sent back.

        Raises:
            NoService: there is nobody to hand it to.
        """
        if self.service is None:
            raise NoService("the sandbox was not told which service to call: --service-url")
        at_us = time.time_ns() // 1000
        said = {"phone_number": str(phone), "text": text, "time": time_text(at_us)}
        action, problem = await _post(self.service.target(PATH), said)
        reply = Reply(at_us, text, action, problem)
        self._by_phone.setdefault(phone, deque(maxlen=REPLIES_KEPT)).append(reply)
        self._by_phone.move_to_end(phone)
        if len(self._by_phone) > self._keep:
            self._by_phone.popitem(last=False)
        return reply

    def by_phone(self) -> Mapping[int, Sequence[Reply]]:
        """Each number's, oldest first."""
        return self._by_phone


async def _post(target: Target, said: Mapping[str, str]) -> tuple[str | None, str]:
    """What the service did, or ``None`` and why it did nothing. Raises NoService: there is no token."""
    headers = target.headers()
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as http,
            http.post(target.url, json=said, headers=headers, ssl=target.checks_certificate) as response,
        ):
            answer = orjson.loads(await response.read())
    except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
        return None, f"the service does not answer: {str(error) or type(error).__name__}"
    if not isinstance(answer, dict):
        return None, f"the service answered {response.status} with something else"
    if response.status != 200:
        return None, f"the service answered {response.status}: {answer.get('detail', '')}"
    return str(answer.get("action")), ""
