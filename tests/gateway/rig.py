"""Engine, sandbox and gateway in this process, spoken to over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
from aiohttp import ClientSession
from aiohttp.web import Application

from gateway.document import openapi
from gateway.document.openapi import make_document
from gateway.service import Service
from gateway.settings import load
from scripts.token_channel import API_TOKEN
from tests.rules.rig import Rig, running

API = "/api/v1"


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers, and the body as it is and as JSON."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        assert self.headers["content-type"].split(";")[0] in ("application/json", "application/problem+json")
        return orjson.loads(self.raw)

    @property
    def bad(self) -> list[str]:
        """The pointers of a problem; checks that it is one."""
        problem = self.json
        assert self.headers["content-type"].startswith("application/problem+json")
        assert problem["status"] == self.status
        return [each["pointer"] for each in problem["errors"]]


@dataclass
class Gateway:
    """A gateway, its engine, and a session of an admin's token."""

    engine: Rig
    url: str
    http: ClientSession
    service: Service

    async def ask(self, method: str, path: str, *, token: str | None = None, **options: Any) -> Answer:
        """One request to a path under ``/api/v1``; ``token`` in place of the admin's."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.http.request(method, self.url + API + path, headers=headers, **options) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, found, await response.read())

    async def get(self, path: str, **options: Any) -> Answer:
        """See ``ask``."""
        return await self.ask("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> Answer:
        """See ``ask``."""
        return (
            await self.ask("POST", path, json=json, **options)
            if json is not None
            else await self.ask("POST", path, **options)
        )


_documents: list[Any] = []


def _made_once(app: Application) -> Any:
    """The document of this process' first gateway: they have the same routes, and it is a third of a start."""
    if not _documents:
        _documents.append(make_document(app))
    return _documents[0]


@asynccontextmanager
async def serving(folder: Path, *, gateway: dict[str, Any] | None = None, **engine: Any) -> AsyncIterator[Gateway]:
    """Start all of it on free ports, with these settings of the gateway and of the engine; stop it in the end."""
    async with running(folder, **engine) as rig:
        # A secret of the panel's: nothing is written into the folder that tests run in.
        flags = {"admin_secret": "a secret of the tests"}
        flags |= {"http_listen": "127.0.0.1:0", "engine_target": f"127.0.0.1:{rig.service.grpc_port}"}
        service = Service(load({**flags, **(gateway or {})}, {}, None))
        try:
            with patch.object(openapi, "make_document", _made_once):
                await service.start()
            async with ClientSession(headers={"Authorization": f"Bearer {API_TOKEN}"}) as http:
                yield Gateway(rig, f"http://{service.address}", http, service)
        finally:
            await service.stop()
