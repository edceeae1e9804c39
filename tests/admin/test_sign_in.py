"""Signing in to the panel over HTTP: two halves, what they are worth apart, and that sign-out ends both."""

from __future__ import annotations

import json
import time
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final

from admin.session import Sessions, key_of
from gateway.http.limits import CallerRates
from gateway.service import Service
from gateway.settings import load
from tests.admin.rig import COOKIE, PASSWORD, Panel, account, ask, sign_in
from tests.gateway.rig import Answer, Gateway, serving

GOOD: Final = {"username": "admin", "password": PASSWORD}


async def test_a_sign_in_gives_a_cookie_that_scripts_cannot_read_and_a_half_for_the_page(gateway: Gateway) -> None:
    answer = await ask(gateway, "POST", "/token", json=GOOD)
    assert (answer.status, answer.json) == (200, {"name": "admin"})
    assert answer.headers["cache-control"] == "no-store"
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Strict", "/admin", "")
    assert 0 < int(cookie["max-age"]) <= 31 * 86_400
    half = json.loads(answer.headers["x-token"])
    assert (half["fullName"], half["role"]) == ("admin", "admin")
    assert half["permissions"] == {"admin.*": {}}


def test_over_https_the_cookie_is_for_https_only() -> None:
    made = Sessions(key_of("a secret of the tests"), secure=True, rates=CallerRates(0))
    assert made._storage.cookie_params["secure"] is True


async def test_behind_a_trusted_proxy_that_speaks_https_too(tmp_path: Path) -> None:
    said = {"X-Forwarded-Proto": "https"}
    for proxies, headers, secure in (("127.0.0.0/8", said, True), ("127.0.0.0/8", {}, ""), ("10.0.0.0/8", said, "")):
        folder = tmp_path / f"{proxies[:3]}{len(headers)}"
        folder.mkdir()
        async with serving(folder, gateway={"trusted_proxies": proxies}) as gateway:
            answer = await ask(gateway, "POST", "/token", json=GOOD, headers=headers)
            assert SimpleCookie(answer.headers["set-cookie"])[COOKIE]["secure"] == secure


BAD: Final[tuple[tuple[Any, int, list[str]], ...]] = (
    ({**GOOD, "password": "wrong"}, 401, []),
    ({**GOOD, "username": "nobody"}, 401, []),
    ({**GOOD, "username": "x" * 3000}, 401, []),
    ({**GOOD, "username": "x" * 5000}, 413, []),
    ({**GOOD, "username": "a\0b"}, 401, []),
    ({"username": "admin"}, 422, ["/password"]),
    ({"username": ["admin"], "password": ""}, 422, ["/username", "/password"]),
    (["admin"], 422, []),
)


async def test_a_bad_sign_in_gives_nothing(gateway: Gateway) -> None:
    for body, status, bad in BAD:
        answer = await ask(gateway, "POST", "/token", json=body)
        assert (answer.status, answer.bad) == (status, bad), body
        assert not {"set-cookie", "x-token"} & answer.headers.keys()


async def test_forms_of_foreign_pages_sign_nobody_in(gateway: Gateway) -> None:
    """A page elsewhere can post these types without asking; the type that is needed, it can't."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = await ask(gateway, "POST", "/token", data=json.dumps(GOOD), headers={"Content-Type": kind})
        assert answer.status == 415
        assert "set-cookie" not in answer.headers
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await ask(gateway, "OPTIONS", "/token", headers=asked)
    assert answer.status == 405
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_wrong_passwords_are_slowed_down(gateway: Gateway) -> None:
    wrong = {**GOOD, "password": "wrong"}
    answers = [await ask(gateway, "POST", "/token", json=wrong) for _ in range(12)]
    assert answers[0].status == 401
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_without_an_engine_a_sign_in_is_503(tmp_path: Path) -> None:
    async with serving(tmp_path, gateway={"engine_target": "127.0.0.1:1"}) as gateway:
        answer = await ask(gateway, "POST", "/token", json=GOOD)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def clients(panel: Panel, **headers: str) -> Answer:
    """The list, and the same through REST, which must agree."""
    asked = {"headers": headers, "params": {"ids": '["1"]'}}
    first, second = (
        await panel.ask("GET", "/clients", **asked),
        await panel.ask("GET", "/api/v1/clients", headers=headers),
    )
    assert first.status == second.status
    return first


async def test_both_halves_of_one_session_are_needed(gateway: Gateway, panel: Panel) -> None:
    other = await sign_in(gateway)
    auth = json.loads(panel.half)["auth"]
    cookie = f"{COOKIE}={panel.cookie}"
    assert (await clients(panel, **panel.headers)).status == 200
    bad = [
        {"Cookie": cookie},
        {"Authorization": panel.half},
        {**panel.headers, "Authorization": other.half},
        {**panel.headers, "Cookie": f"{COOKIE}={other.cookie}"},
        {**panel.headers, "Cookie": f"{COOKIE}={panel.cookie[:-8]}AAAAAAA="},
        {**panel.headers, "Cookie": f"{COOKIE}={auth}"},  # the page's half in the cookie's place
        {**panel.headers, "Authorization": json.dumps({"auth": panel.cookie})},
        {**panel.headers, "Cookie": f"{COOKIE}=\udcff\udcfe"},
        {**panel.headers, "Authorization": "\udcff"},
        {**panel.headers, "Authorization": '{"auth": "\\ud800"}'},
        *({"Cookie": cookie, "Authorization": each} for each in ("", "{}", "[]", '"x"', "null", '{"auth": null}', "{")),
        {"Cookie": cookie, "Authorization": f"Bearer {auth}"},
        {"Authorization": gateway.http.headers["Authorization"]},  # an API token: REST is at /api/v1
    ]
    assert [(await clients(panel, **each)).status for each in bad] == [401] * len(bad)


async def test_whoever_kept_both_halves_has_nothing_after_the_sign_out(gateway: Gateway, panel: Panel) -> None:
    answer = await panel.ask("DELETE", "/logout")
    assert answer.status == 200
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert (cookie.value, cookie["path"], cookie["max-age"]) == ("", "/admin", "0")
    assert (await clients(panel, **panel.headers)).status == 401
    assert (await panel.ask("DELETE", "/logout")).status == 200  # again: nothing to end
    assert (await ask(gateway, "DELETE", "/logout")).status == 200


async def test_an_account_that_is_revoked_is_out_at_once(gateway: Gateway, panel: Panel) -> None:
    number = await account(gateway, "olga", "operator")
    olga = await sign_in(gateway, "olga")
    assert (await clients(olga, **olga.headers)).status == 200
    assert (await panel.write("DELETE", "/accounts/one", id=str(number))).status == 200
    assert (await clients(olga, **olga.headers)).status == 401


async def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(gateway: Gateway) -> None:
    await account(gateway, "olga", "viewer")
    here, elsewhere = await sign_in(gateway, "olga"), await sign_in(gateway, "olga")
    given = {"current_password": "a guess of somebody", "new_password": "staple battery horse"}
    assert (await here.ask("PUT", "/session/password", json=given)).status in (401, 409, 422)
    assert (await clients(elsewhere, **elsewhere.headers)).status == 200
    given["current_password"] = PASSWORD
    assert (await here.ask("PUT", "/session/password", json=given)).status == 204
    assert (await clients(here, **here.headers)).status == 200
    assert (await clients(elsewhere, **elsewhere.headers)).status == 401
    await sign_in(gateway, "olga", given["new_password"])


async def test_each_sign_in_is_a_session_of_its_own(gateway: Gateway, panel: Panel) -> None:
    """A cookie that somebody has planted before is not taken up; ending one session leaves the other."""
    answer = await ask(gateway, "POST", "/token", json=GOOD, headers=panel.headers)
    assert panel.cookie not in answer.headers["set-cookie"]
    again = await sign_in(gateway)
    await panel.ask("DELETE", "/logout")
    assert (await clients(again, **again.headers)).status == 200


async def test_the_longest_name_fits_into_a_cookie(gateway: Gateway) -> None:
    name = "z" * 64
    await account(gateway, name, "viewer")
    panel = await sign_in(gateway, name)
    assert json.loads(panel.half)["fullName"] == name
    assert len(COOKIE) + len(panel.cookie) < 3500  # browsers keep 4,096 bytes with the attributes
    assert (await clients(panel, **panel.headers)).status == 200


async def test_requests_of_one_session_are_limited_however_the_halves_are_written(tmp_path: Path) -> None:
    async with serving(tmp_path, gateway={"http_token_rate": 1}) as gateway:
        panel = await sign_in(gateway)
        began, statuses = time.monotonic(), []
        for number in range(12):
            half = json.dumps({**json.loads(panel.half), "n": number})
            statuses.append(
                await panel.ask("GET", "/engine/one?id=1", headers={**panel.headers, "Authorization": half})
            )
        refused = [each for each in statuses if each.status == 429]
        if time.monotonic() - began < 10:
            assert refused
            assert refused[0].headers["retry-after"] == "1"
        assert {each.status for each in statuses} <= {200, 429}
        found = [(await ask(gateway, "POST", "/token", json={})).status for _ in range(12)]
        assert 429 in found
        assert set(found) <= {422, 429}


async def test_restarted_gateways_and_others_with_the_same_secret_know_the_session(gateway: Gateway) -> None:
    panel = await sign_in(gateway)
    port = gateway.engine.service.grpc_port
    flags: dict[str, Any] = {"http_listen": "127.0.0.1:0", "engine_target": f"127.0.0.1:{port}"}
    for secret, status in (("a secret of the tests", 200), ("another secret of tests", 401)):
        service = Service(load({**flags, "admin_secret": secret}, {}, None))
        try:
            await service.start()
            other = Gateway(gateway.engine, f"http://{service.address}", gateway.http, service)
            assert (await ask(other, "GET", "/engine/one?id=1", headers=panel.headers)).status == status
        finally:
            await service.stop()
