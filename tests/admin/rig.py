"""The panel's server half over real HTTP: somebody with both halves of a session."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import ClientResponse

from tests.gateway.rig import Answer, Gateway
from tests.rules.rig import QUICK

PASSWORD: Final[str] = QUICK["admin_password"]
COOKIE: Final = "AIOHTTP_SESSION"
FIRST_PAGE: Final = {"page": 1, "perPage": 10}
ASCENDING: Final = {"field": "id", "order": "ASC"}


@dataclass(frozen=True)
class Panel:
    """What a browser holds after a sign-in, and calls as the panel's script makes them."""

    gateway: Gateway
    cookie: str
    half: str
    """``X-Token`` as the page keeps it."""

    @property
    def headers(self) -> dict[str, str]:
        """Both halves."""
        return {"Cookie": f"{COOKIE}={self.cookie}", "Authorization": self.half}

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """One request to a path under ``/admin``."""
        return await ask(self.gateway, method, path, **{"headers": self.headers, **options})

    async def list(self, resource: str, filter: Any = None, **params: Any) -> Answer:
        """A page of a list, as react-admin asks for it."""
        asked = {"pagination": FIRST_PAGE, "sort": ASCENDING, "filter": {} if filter is None else filter, **params}
        query = {key: value if isinstance(value, str) else json.dumps(value) for key, value in asked.items()}
        return await self.ask("GET", f"/{resource}/list", params=query)

    async def one(self, resource: str, record_id: Any) -> Answer:
        """One record."""
        return await self.ask("GET", f"/{resource}/one", params={"id": str(record_id)})

    async def many(self, resource: str, *ids: Any) -> Answer:
        """Some records."""
        return await self.ask("GET", f"/{resource}", params={"ids": json.dumps([str(each) for each in ids])})

    async def write(self, method: str, path: str, **body: Any) -> Answer:
        """A write, with the record in the body."""
        return await self.ask(method, path, json=body)


async def ask(gateway: Gateway, method: str, path: str, **options: Any) -> Answer:
    """One request to a path under ``/admin``, with nothing that is not in ``options``."""
    headers = {"Authorization": "", **options.pop("headers", {})}  # the session's own would go with it
    request = gateway.http.request(
        method, f"{gateway.url}/admin{path}", headers=headers, allow_redirects=False, **options
    )
    async with request as response:
        return await answer_of(response)


async def answer_of(response: ClientResponse) -> Answer:
    """Headers by lower-case names; of several cookies the last."""
    found = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, found, await response.read())


async def sign_in(gateway: Gateway, name: str = "admin", password: str = PASSWORD) -> Panel:
    """Sign in, as the page's script does."""
    answer = await ask(gateway, "POST", "/token", json={"username": name, "password": password})
    assert answer.status == 200, answer.raw
    cookie = answer.headers["set-cookie"].partition(";")[0].removeprefix(f"{COOKIE}=")
    return Panel(gateway, cookie, answer.headers["x-token"])


async def account(gateway: Gateway, name: str, role: str) -> int:
    """Make an account with the password of the tests; give its id."""
    answer = await gateway.post("/accounts", {"name": name, "role": role, "password": PASSWORD})
    assert answer.status == 201, answer.raw
    number: int = answer.json["id"]
    return number
