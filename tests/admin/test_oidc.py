"""Signing in to the panel with OpenID Connect, over real HTTP, with a real provider of somebody else's making."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import ClientSession, DummyCookieJar

from admin.oidc import COOKIE, SECONDS
from tests.admin.oidc_provider import provider, settings_for
from tests.admin.rig import COOKIE as SESSION
from tests.admin.rig import Panel, ask
from tests.gateway.rig import Answer, Gateway, serving


@pytest.fixture
def port() -> Iterator[int]:
    with provider() as found:
        yield found


@pytest.fixture
async def gateway(tmp_path: Path, port: int) -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(serving(tmp_path, **settings_for(port), oidc_name="Company"))
        http = ClientSession(headers=made.http.headers, cookie_jar=DummyCookieJar())
        yield replace(made, http=await stack.enter_async_context(http))


async def begin(gateway: Gateway) -> tuple[str, str]:
    """Where the person is sent, and the cookie meanwhile."""
    answer = await ask(gateway, "POST", "/oidc/begin", json={})
    assert answer.status == 200, answer.raw
    cookie, *rest = answer.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/admin/oidc", f"Max-Age={SECONDS}"} <= set(rest)
    return answer.json["url"], cookie


async def at_provider(gateway: Gateway, url: str, sub: str) -> dict[str, str]:
    """Sign in at the provider, and follow its redirect to what the page is led on to."""
    async with gateway.http.post(
        url, data={"sub": sub}, headers={"Authorization": ""}, allow_redirects=False
    ) as answer:
        back = answer.headers["Location"]
    assert back.startswith(f"{gateway.url}/admin/oidc/callback?")
    led = await ask(gateway, "GET", f"/oidc/callback?{urlsplit(back).query}")
    page, _, query = led.headers["location"].partition("?")
    assert (led.status, page) == (303, "/admin/#/login")
    return dict(parse_qsl(query))


async def hand_in(gateway: Gateway, said: dict[str, str], cookie: str) -> Answer:
    return await ask(gateway, "POST", "/oidc/session", json=said, headers={"Cookie": cookie})


async def signed_in(gateway: Gateway, sub: str = "anna") -> Panel:
    url, cookie = await begin(gateway)
    answer = await hand_in(gateway, await at_provider(gateway, url, sub), cookie)
    assert answer.status == 200, answer.raw
    session = answer.headers["set-cookie"].partition(";")[0].removeprefix(f"{SESSION}=")
    return Panel(gateway, session, answer.headers["x-token"])


async def test_somebody_signs_in_works_and_signs_out(gateway: Gateway) -> None:
    assert (await ask(gateway, "GET", "/oidc")).json == {"name": "Company"}
    panel = await signed_in(gateway)
    half = json.loads(panel.half)
    assert (half["fullName"], half["role"]) == ("anna", "admin")
    assert half["issuer"].startswith("http://127.0.0.1:")
    assert [each["name"] for each in (await panel.list("accounts")).json["data"]] == ["admin", "anna"]
    newest = (await panel.ask("GET", "/api/v1/audit?page_size=1")).json["audit_events"][0]
    assert (newest["action"], newest["actor"], newest["detail"]) == ("session.create", "anna", {"with": "oidc"})
    given = {"current_password": "a guess of hers", "new_password": "staple battery horse"}
    assert (await panel.ask("PUT", "/session/password", json=given)).json["code"] == "NO_PASSWORD"
    assert (await panel.ask("DELETE", "/logout")).status == 200
    assert (await panel.list("clients")).status == 401


async def test_an_answer_is_of_use_once_and_where_it_was_asked_for(gateway: Gateway) -> None:
    url, cookie = await begin(gateway)
    said = await at_provider(gateway, url, "anna")
    _, other = await begin(gateway)
    bad = [
        ("", said),  # another browser
        (other, said),  # a sign-in that was begun there by somebody
        (f"{COOKIE}={cookie[-40:]}", said),
        (cookie, {**said, "state": "another"}),
        (cookie, {**said, "state": "é"}),
        (cookie, {"code": said["code"]}),
    ]
    for kept, tried in bad:
        answer = await hand_in(gateway, tried, kept)
        assert (answer.status, answer.json["code"]) == (401, "OIDC_NOT_BEGUN")
    assert (await hand_in(gateway, said, cookie)).status == 200
    again = await hand_in(gateway, said, cookie)  # whoever has seen all of it
    assert (again.status, again.json["code"]) == (401, "OIDC_REFUSED")
    for code in ("", "of-nobody", "\ud800"):
        url, cookie = await begin(gateway)
        said = {**await at_provider(gateway, url, "anna"), "code": code}
        assert (await hand_in(gateway, said, cookie)).status in (400, 401, 422)


async def test_who_has_no_role_gets_no_account_and_is_told_so(gateway: Gateway) -> None:
    url, cookie = await begin(gateway)
    answer = await hand_in(gateway, await at_provider(gateway, url, "oleg"), cookie)
    assert (answer.status, answer.json["code"]) == (403, "OIDC_NO_ROLE")
    assert answer.json["arguments"] == {"person": "oleg", "name": "Company"}
    assert "set-cookie" not in answer.headers
    assert [each["name"] for each in (await gateway.get("/accounts")).json["accounts"]] == ["admin"]
    newest = (await gateway.get("/audit?page_size=1")).json["audit_events"][0]
    assert (newest["action"], newest["actor_kind"]) == ("session.refuse", "nobody")
    assert newest["detail"] == {"with": "oidc", "name": "oleg"}


async def test_a_provider_with_new_keys_is_believed_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    with provider() as own:
        pass
    async with serving(tmp_path, **settings_for(own)) as gateway:
        answer = await ask(gateway, "POST", "/oidc/begin", json={})
        assert (answer.status, answer.json["code"]) == (409, "OIDC_AWAY")
        assert (await ask(gateway, "GET", "/oidc")).json == {"name": "127.0.0.1"}
        for _ in range(2):
            with provider(own):
                await signed_in(gateway)


async def test_without_a_provider_there_is_no_other_way_in(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        assert (await ask(gateway, "GET", "/oidc")).json == {"name": None}
        answer = await ask(gateway, "POST", "/oidc/begin", json={})
        assert (answer.status, answer.json["code"]) == (409, "OIDC_OFF")
        for body, status in (([], 422), ({}, 401)):
            assert (await ask(gateway, "POST", "/oidc/session", json=body)).status == status
