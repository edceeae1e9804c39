"""Who may call what over HTTP: every route of the application, and every kind of caller (docs/behaviour.md, section 6).

The routes are those that the application has, the roles those that the contract declares: a new route is in here by
itself, and one that the contract knows nothing of fails until it is said below whom it is for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from google.api import annotations_pb2
from grpc import aio

from common.contract.services import SERVICES
from engine.access.secrets import digest
from engine.api.roles import path_of, requirements
from engine.domain.access import Requirement, Role
from engine.store.rows import Actor
from gateway.app import make_app
from gateway.settings import load
from tests.gateway.rig import Answer, Gateway

BY: Final = Actor("test")
NOBODY_HAS: Final = "987654321"
"""An id that nothing has: a call that is let through finds nothing to change."""
ROLES: Final = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "admin": Role.ADMIN, "provider": Role.PROVIDER}
BESIDE_THE_CONTRACT: Final[dict[str, Requirement | None]] = {
    "GET /": None,
    "GET /healthz": None,
    "HEAD /healthz": None,
    "GET /readyz": None,
    "HEAD /readyz": None,
    "GET /metrics": Requirement(Role.VIEWER),
}
"""Besides the document and its page, which are for everybody."""
DOCUMENT: Final = re.compile(r"GET (/api/v1)?/docs(/.*)?")
PANEL: Final = re.compile(r" /admin(/|$)")
"""Its routes take sessions in place of tokens: tests/admin/test_matrix.py."""
BAD: Final = {
    "no token": {},
    "malformed": {"Authorization": "Bearer"},
    "another scheme": {"Authorization": "Basic token-of-admin-x"},
    "unknown": {"Authorization": "Bearer token-of-nobody"},
    "revoked": {"Authorization": "Bearer token-that-is-revoked"},
    "expired": {"Authorization": "Bearer token-that-is-expired"},
}


def declared() -> dict[str, Requirement | None]:
    """The role of each route of the contract, by method and path with its names left out."""
    roles = requirements(SERVICES.values())
    found = {}
    for service in SERVICES.values():
        for method in service.methods:
            rule = method.GetOptions().Extensions[annotations_pb2.http]
            for each in (rule, *rule.additional_bindings):
                verb = each.WhichOneof("pattern")
                if verb is not None:
                    found[f"{verb.upper()} {nameless(getattr(each, verb))}"] = roles[path_of(method)]
    return found


def nameless(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def routes() -> list[str]:
    """Method and path of each route of the application but the panel's, with its names left out."""
    app = make_app(load({"admin_secret": "a secret of the tests"}, {}, None), aio.insecure_channel("127.0.0.1:1"))
    found = {f"{r.method} {nameless(r.resource.canonical)}" for r in app.router.routes() if r.resource}
    return sorted(each for each in found if not PANEL.search(each))


@pytest.fixture
async def callers(gateway: Gateway) -> None:
    """A token of each role, and two that are no longer good."""
    store = gateway.engine.service.store
    for name, role in ROLES.items():
        await add_token(gateway, f"token-of-{name}-x", role)
    revoked = await add_token(gateway, "token-that-is-revoked", Role.ADMIN)
    await store.revoke_token(revoked, by=BY, now_us=1)
    await add_token(gateway, "token-that-is-expired", Role.ADMIN, expire_us=2)


async def add_token(gateway: Gateway, secret: str, role: Role, expire_us: int | None = None) -> int:
    store = gateway.engine.service.store
    row = await store.create_token(secret, role, digest(secret), "", expire_us=expire_us, by=BY, now_us=1)
    return row.id


WITHOUT_BODY = ("/pause", "/resume", "/cancel", "/archive", "/unarchive", "/revoke")


async def call(gateway: Gateway, route: str, headers: dict[str, str]) -> Answer:
    """A call that changes nothing whoever makes it: nothing has that id, and the body lacks what it needs."""
    method, path = route.replace("{}", NOBODY_HAS).split(" ")
    options: dict[str, Any] = {}
    if path.endswith("/import"):
        options, headers = {"data": b"phone_number\n"}, headers | {"Content-Type": "text/csv"}
    elif method in ("POST", "PUT", "PATCH") and not path.endswith(WITHOUT_BODY):
        options = {"json": {}}
    request = gateway.http.request(method, gateway.url + path, headers=headers, allow_redirects=False, **options)
    async with request as response:
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, found, await response.read())


def cells() -> Iterator[tuple[str, Requirement | None]]:
    """Each route and whom it is for."""
    roles = declared() | BESIDE_THE_CONTRACT
    for route in routes():
        if DOCUMENT.fullmatch(route):
            yield route, None
        else:
            assert route in roles, f"{route}: the contract does not say whom it is for"
            yield route, roles[route]


@pytest.mark.usefixtures("callers")
async def test_every_route_refuses_and_admits_as_the_contract_says(gateway: Gateway) -> None:
    gateway.http.headers.clear()  # of the admin, which would go with each call
    wrong, admitted = [], 0
    for route, required in cells():
        for name, headers in BAD.items():
            answer = await call(gateway, route, headers)
            refused = answer.status == 401 and answer.headers["www-authenticate"].split()[0] == "Bearer"
            if refused != (required is not None) or answer.status == 403 or answer.status >= 500:
                wrong.append((route, name, answer.status))
        for name, role in ROLES.items():
            answer = await call(gateway, route, {"Authorization": f"Bearer token-of-{name}-x"})
            low = required is not None and not required.allows(role)
            admitted += not low
            if (answer.status == 403) != low or answer.status == 401 or answer.status >= 500:
                wrong.append((route, name, answer.status))
    assert wrong == []
    assert admitted > 60


async def test_every_route_of_the_contract_is_there() -> None:
    assert set(declared()) <= set(routes())
    assert len(declared()) >= 36
