"""Two-step sign-in over HTTP, REST and the panel: the engine asks for it, the gateway lets nothing past."""

from __future__ import annotations

import json
from pathlib import Path

from tests.admin.rig import COOKIE, PASSWORD, Panel, account, ask, sign_in
from tests.authenticator import Authenticator
from tests.gateway.rig import Answer, Gateway, serving


async def enter(gateway: Gateway, **more: object) -> Answer:
    """Ask for a session over REST, as nobody."""
    body = {"name": "admin", "password": PASSWORD, **more}
    return await gateway.ask("POST", "/session", token="nobody", json=body)


async def enter_panel(gateway: Gateway, **more: object) -> Answer:
    return await ask(gateway, "POST", "/token", json={"username": "admin", "password": PASSWORD, **more})


async def refused_before(gateway: Gateway, panel: Panel, secret: str) -> None:
    """Who must set it up reaches nothing else: neither the engine, nor what the gateway answers by itself."""
    own = {"Authorization": f"Bearer {secret}"}
    async with gateway.http.get(f"{gateway.url}/metrics", headers=own) as metrics:
        assert metrics.status == 403
    assert (await gateway.get("/session", token=secret)).json["totp_setup_required"]
    for path in ("/clients", "/accounts", "/engine"):
        answer = await gateway.get(path, token=secret)
        assert (answer.status, answer.json["code"]) == (403, "TOTP_SETUP_REQUIRED")
    asked = {"current_password": PASSWORD, "new_password": "battery staple"}
    found = [
        await gateway.post("/clients", {"phone_number": "79160000001"}, token=secret),
        await panel.list("clients"),
        await panel.ask("GET", "/api/v1/clients"),
        await panel.ask("POST", "/api/v1/clients", json={"phone_number": "79160000001"}),
        await panel.ask("PUT", "/session/password", json=asked),
    ]
    assert {(each.status, each.json["code"]) for each in found} == {(403, "TOTP_SETUP_REQUIRED")}


async def test_who_must_have_it_sets_it_up_and_then_needs_a_code(tmp_path: Path) -> None:
    async with serving(tmp_path, require_totp="admins") as gateway:
        secret = (await enter(gateway)).json["secret"]
        panel = await sign_in(gateway)
        assert json.loads(panel.half)["setUpFirst"]
        await refused_before(gateway, panel, secret)
        begun = await panel.ask("POST", "/api/v1/session/totp", json={"current_password": PASSWORD})
        app = Authenticator(begun.json["secret"])
        confirmed = await panel.ask("POST", "/api/v1/session/totp/confirm", json={"one_time_code": app.code()})
        assert len(confirmed.json["recovery_codes"]) == 10
        assert (await panel.ask("POST", "/api/v1/clients", json={"phone_number": "79160000001"})).status == 201
        assert (await gateway.get("/session", token=secret)).status == 401, "the other session has ended"
        off = await panel.ask("POST", "/api/v1/session/totp/disable", json={"one_time_code": app.code()})
        assert (off.status, off.json["code"]) == (409, "TOTP_REQUIRED")

        for given, code in (({}, "ONE_TIME_CODE_REQUIRED"), ({"one_time_code": "1"}, "WRONG_ONE_TIME_CODE")):
            for answer in (await enter(gateway, **given), await enter_panel(gateway, **given)):
                assert (answer.status, answer.json["code"]) == (401, code)
                assert "set-cookie" not in answer.headers
        for answer in (await enter_panel(gateway, password="wrong"), await enter(gateway, password="wrong")):
            assert (answer.status, answer.json["code"]) == (401, "WRONG_NAME_OR_PASSWORD")
        assert (await enter_panel(gateway, one_time_code=1)).status == 422
        recovery = confirmed.json["recovery_codes"]
        assert (await enter(gateway, one_time_code=recovery[0])).status == 201
        entered = await enter_panel(gateway, one_time_code=recovery[1])
        assert COOKIE in entered.headers["set-cookie"]
        assert not json.loads(entered.headers["x-token"])["setUpFirst"]


async def test_an_admin_resets_it_for_somebody_else_and_others_need_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        anna = await account(gateway, "anna", "operator")
        panel = await sign_in(gateway, "anna")
        begun = await panel.ask("POST", "/api/v1/session/totp", json={"current_password": PASSWORD})
        codes = {"one_time_code": Authenticator(begun.json["secret"]).code()}
        assert (await panel.ask("POST", "/api/v1/session/totp/confirm", json=codes)).status == 200
        listed = (await gateway.get("/accounts")).json["accounts"]
        assert [each["totp_enable_time"] is None for each in listed] == [True, False]
        assert (await panel.ask("POST", f"/api/v1/accounts/{anna}/reset_totp")).status == 403
        admin = await sign_in(gateway)
        assert (await admin.ask("POST", f"/api/v1/accounts/{anna}/reset_totp")).json["totp_enable_time"] is None
        assert (await panel.list("clients")).status == 401
        assert json.loads((await sign_in(gateway, "anna")).half)["role"] == "operator"
        assert (await gateway.post("/accounts/77/reset_totp")).status == 404
        for path, body in (("", {"current_password": PASSWORD}), ("/disable", {"one_time_code": "1"})):
            answer = await gateway.post(f"/session/totp{path}", body)
            assert (answer.status, answer.json["code"]) == (409, "NOT_A_SESSION"), path
