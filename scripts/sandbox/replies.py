"""Texts that people send back: handed to the service as a provider hands them in, and remembered by number.

A provider has a token of the role ``provider``. Here it is read from a file at each reply: the sandbox runs before the
service does, which makes the token.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import orjson

from scripts.sandbox.ledger import Ledger, Message, time_text

PATH: Final = "/api/v1/inbound"
TEXT_LENGTH_MAX: Final = 4096
REPLIES_KEPT: Final = 100
"""Of one number."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


class NoService(Exception):
    """There is nobody to hand a reply to; the message says what is missing."""


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


@dataclass(frozen=True, slots=True)
class Service:
    """Where replies go."""

    url: str
    """The gateway's address, without a path."""
    token_file: Path
    """Has the token; it may be made later."""

    def token(self) -> str:
        """The token. Raises NoService: there is none."""
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
        if not token:
            raise NoService(f"no token: {self.token_file} should have one of the role provider")
        return token


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
        action, problem = await _post(self.service, said)
        reply = Reply(at_us, text, action, problem)
        self._by_phone.setdefault(phone, deque(maxlen=REPLIES_KEPT)).append(reply)
        self._by_phone.move_to_end(phone)
        if len(self._by_phone) > self._keep:
            self._by_phone.popitem(last=False)
        return reply

    def conversations(self, ledger: Ledger, digits: str, limit: int) -> list[dict[str, object]]:
        """What each number got and answered, each oldest first; the latest number first.

        Args:
            ledger: what was received.
            digits: only numbers that have these in a row.
            limit: of numbers.
        """
        received: dict[int, list[Message]] = {}
        for message in ledger.latest.values():
            received.setdefault(message.phone, []).append(message)
        latest = {phone: max(message.calls[-1].at_us for message in found) for phone, found in received.items()}
        for phone, replies in self._by_phone.items():
            latest[phone] = max(latest.get(phone, 0), replies[-1].at_us)
        phones = sorted((phone for phone in latest if digits in str(phone)), key=lambda phone: -latest[phone])
        return [
            {
                "phone": phone,
                "last_time": time_text(latest[phone]),
                "messages": [each.as_json(ledger.calls(each.message_id)) for each in received.get(phone, ())],
                "replies": [reply.as_json() for reply in self._by_phone.get(phone, ())],
            }
            for phone in phones[:limit]
        ]


async def _post(service: Service, said: Mapping[str, str]) -> tuple[str | None, str]:
    """What the service did, or ``None`` and why it did nothing. Raises NoService: there is no token."""
    headers = {"Authorization": f"Bearer {service.token()}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as http,
            http.post(service.url + PATH, json=said, headers=headers, ssl=not _is_own(service.url)) as response,
        ):
            answer = orjson.loads(await response.read())
    except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
        return None, f"the service does not answer: {str(error) or type(error).__name__}"
    if not isinstance(answer, dict):
        return None, f"the service answered {response.status} with something else"
    if response.status != 200:
        return None, f"the service answered {response.status}: {answer.get('detail', '')}"
    return str(answer.get("action")), ""


def _is_own(url: str) -> bool:
    """Whether it is this machine's: its certificate is for the name by which others call it."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
