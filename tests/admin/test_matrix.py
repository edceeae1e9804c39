"""Who may call what below /admin: every route that the application has there, and every kind of caller.

Roles of REST's routes come from the contract, those of the panel's own are said here: a route that is in neither fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from grpc import aio

from admin.session import Sessions, key_of
from engine.domain.access import Role
from gateway.app import make_app
from gateway.http.limits import CallerRates
from gateway.settings import load
from mailing.v1 import access_pb2
from tests.admin.rig import COOKIE, Panel, account, ask, sign_in
from tests.gateway.http.test_admission import head_only
from tests.gateway.rig import Answer, Gateway
from tests.gateway.routes.test_access_matrix import NOBODY_HAS, declared, nameless

SECRET: Final = "a secret of the tests"
ROLES: Final = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "admin": Role.ADMIN}
FOR_EVERYBODY: Final = re.compile(
    r"(\* /admin|GET /admin/|(GET|HEAD) /admin/(assets/[0-9a-f]{16}|static)|POST /admin/token|DELETE /admin/logout|"
    r"(GET|HEAD) /admin/oidc(/callback)?|POST /admin/oidc/(begin|session))"
)
IS_FOLDER: Final = re.compile(r"/(assets/[0-9a-f]+|static)$")
"""Their content is not listed: 403 for all."""
SHADOWED: Final = {"GET /admin", "HEAD /admin"}
"""aiohttp-admin's own index, behind ours."""
FOR_VIEWERS: Final = ("dashboard", "mailings", "clients", "messages", "suppressions", "engine", "audit")
FOR_ADMINS: Final = ("accounts", "tokens")
FOR_OPERATORS_TO_CHANGE: Final = ("mailings", "clients", "suppressions")
BESIDE: Final[Mapping[str, Role]] = {
    "GET /admin/clients/facets": Role.VIEWER,
    "GET /admin/clients/attribute_facets": Role.VIEWER,
    "GET /admin/mailings/stats": Role.VIEWER,
    "GET /admin/clients/export": Role.VIEWER,
    "GET /admin/messages/export": Role.VIEWER,
    "POST /admin/suppressions/import_preview": Role.OPERATOR,
    "POST /admin/clients/import": Role.OPERATOR,
    "POST /admin/clients/import_preview": Role.OPERATOR,
    "GET /admin/clients/import_progress": Role.OPERATOR,
    "PUT /admin/session/password": Role.VIEWER,
}


def own() -> dict[str, Role]:
    """The role of each route of react-admin's data provider, and of the panel's own."""
    found = dict(BESIDE)
    for name in (*FOR_VIEWERS, *FOR_ADMINS):
        url = f"/admin/{name}"
        reading = Role.ADMIN if name in FOR_ADMINS else Role.VIEWER
        writing = Role.OPERATOR if name in FOR_OPERATORS_TO_CHANGE else Role.ADMIN
        found |= {f"GET {path}": reading for path in (url, f"{url}/list", f"{url}/one")}
        changes = (f"POST {url}", f"PUT {url}/update", f"PUT {url}/update_many", f"DELETE {url}/one", f"DELETE {url}")
        found |= dict.fromkeys(changes, writing)
    return found


def application() -> web.Application:
    return make_app(load({"admin_secret": SECRET}, {}, None), aio.insecure_channel("127.0.0.1:1"))


def routes() -> list[str]:
    """Method and path of each route below /admin, with its names left out."""
    found = {f"{r.method} {nameless(r.resource.canonical)}" for r in application().router.routes() if r.resource}
    return sorted(each for each in found if re.search(r" /admin(/|$)", each))


def cells() -> Iterator[tuple[str, Role | None]]:
    """Each route and whom it is for."""
    roles = own() | {each.replace(" /", " /admin/", 1): it.least for each, it in declared().items() if it is not None}
    for route in routes():
        if FOR_EVERYBODY.fullmatch(route):
            yield route, None
        elif route not in SHADOWED:
            assert route in roles, f"{route}: nothing says whom it is for"
            yield route, roles[route]


async def call(gateway: Gateway, route: str, headers: dict[str, str]) -> Answer:
    """A call that changes nothing whoever makes it: nothing has that id, and the body lacks what it needs."""
    method, path = route.removeprefix("* ").replace("{}", NOBODY_HAS).rpartition(" ")[::2]
    options: dict[str, Any] = {}
    if path.endswith(("/import", "/import_preview")):
        options, headers = {"data": b"phone_number\n"}, headers | {"Content-Type": "text/csv"}
    elif method in ("POST", "PUT", "PATCH", "DELETE") and not path.endswith(
        ("/pause", "/resume", "/cancel", "/archive", "/unarchive", "/revoke")
    ):
        options = {"json": {}}
    return await ask(gateway, method or "GET", path.removeprefix("/admin"), headers=headers, **options)


async def test_every_route_refuses_and_admits_as_declared(gateway: Gateway, panel: Panel) -> None:
    panels = {"admin": panel}
    for name in ("viewer", "operator"):
        await account(gateway, name, name)
        panels[name] = await sign_in(gateway, name)
    wrong, admitted = [], 0
    for route, required in cells():
        if route.endswith(("/logout", "/oidc/session")):
            continue  # open to all; ends what the others need, wants what was begun: test_sign_in, test_oidc
        signed_out = await call(gateway, route, {})
        if required is not None and signed_out.status != 401:
            wrong.append((route, "signed out", signed_out.status))
        for name, role in ROLES.items():
            answer = await call(gateway, route, panels[name].headers)
            low = required is not None and role < required
            admitted += not low
            if (answer.status == 403) != low and not IS_FOLDER.search(route):
                wrong.append((route, name, answer.status))
            if answer.status == 401 or answer.status >= 500:
                wrong.append((route, name, answer.status))
    assert wrong == []
    assert admitted > 100


async def test_no_body_is_read_of_whoever_may_not_send_it(gateway: Gateway) -> None:
    """The header alone is sent, and asks for leave to send the rest."""
    await account(gateway, "viewer", "viewer")
    viewer = await sign_in(gateway, "viewer")
    both_halves = [f"{name}: {value}" for name, value in viewer.headers.items()]
    wrong, refused, admitted = [], 0, 0
    for route, required in cells():
        method, _, path = route.replace("{}", NOBODY_HAS).partition(" ")
        if method not in ("POST", "PUT", "PATCH", "DELETE") or required is None:
            continue
        nobody, _ = await head_only(gateway.url, method, path)
        if nobody != 401:
            wrong.append((route, "signed out", nobody))
        told, _ = await head_only(gateway.url, method, path, *both_halves)
        low = required > Role.VIEWER
        refused, admitted = refused + low, admitted + (not low)
        if (told == 403) != low:
            wrong.append((route, "viewer", told))
    assert wrong == []
    assert (refused > 40, admitted > 0) == (True, True)


async def test_every_route_that_is_declared_is_there() -> None:
    assert own().keys() <= set(routes())
    assert len(own()) >= 66


async def test_nothing_of_aiohttp_admin_s_own_can_be_reached_but_its_files() -> None:
    """Its sign-in and its index are behind ours; its resources' handlers read records from URLs."""
    for route in application().router.routes():
        module = getattr(route.handler, "__module__", "")
        path = route.resource.canonical if route.resource else ""
        if module.startswith("aiohttp_admin"):
            assert (route.method, path) in {
                ("GET", "/admin"), ("HEAD", "/admin"), ("POST", "/admin/token"), ("DELETE", "/admin/logout"),
            }  # fmt: skip


async def test_paths_of_aiohttp_admin_s_own_answer_as_ours(gateway: Gateway) -> None:
    for method in ("GET", "HEAD", "POST", "PUT"):
        answer = await ask(gateway, method, "")
        assert (answer.status, answer.headers.get("location")) == (308, "/admin/")
    for method, path in (("GET", "/token"), ("HEAD", "/token"), ("POST", "/logout"), ("HEAD", "/"), ("POST", "/")):
        assert (await ask(gateway, method, path)).status in (404, 405)


async def test_the_engine_decides_whatever_the_cookie_says(gateway: Gateway) -> None:
    """A viewer's session in a cookie that calls them an admin, as a stolen key could make it."""
    await account(gateway, "vera", "viewer")
    secret = (await gateway.ask("POST", "/session", json={"name": "vera", "password": "correct horse battery"})).json
    who = access_pb2.Identity(name="vera", role=access_pb2.ROLE_ADMIN)
    who.expire_time.GetCurrentTime()
    response = web.Response()
    sessions = Sessions(key_of(SECRET), secure=False, rates=CallerRates(0))
    await sessions.begin(make_mocked_request("POST", "/admin/token"), response, secret["secret"], who)
    panel = Panel(gateway, response.cookies[COOKIE].value, response.headers["X-Token"])
    assert (await panel.list("clients")).status == 200
    assert (await panel.list("accounts")).status == 403
    assert (await panel.write("POST", "/clients", data={"phone_number": "79160000001"})).status == 403
    assert (await panel.list("clients")).json["total"] == 0
