"""The name of a request: the caller's own (``X-Request-Id``) or a new one; it is in every log line and every answer."""

from __future__ import annotations

import random
import re
from typing import Final

from aiohttp import web

HEADER: Final = "X-Request-Id"
_KEY: Final = web.RequestKey("request_id", str)
_RANDOM: Final = random.Random()
_GOOD: Final = re.compile(r"[!-~]{1,128}")


def request_id(request: web.Request) -> str:
    """Return the request's id; what a caller sends in its place is taken when it is short and visible ASCII."""
    found = request.get(_KEY)
    if found is None:
        given = request.headers.get(HEADER, "")
        found = request[_KEY] = given if given and _GOOD.fullmatch(given) else _new()
    return found


def _new() -> str:
    """As long and as rare as a UUID, for a tenth of its cost; it is no secret."""
    return f"{_RANDOM.getrandbits(128):032x}"
