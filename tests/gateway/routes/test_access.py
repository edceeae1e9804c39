"""/session, /accounts and /tokens over HTTP."""

from __future__ import annotations

from tests.gateway.rig import Gateway

OLGA = {"name": "olga", "role": "operator", "password": "correct horse battery"}


async def test_an_account_signs_in_changes_its_password_and_out(gateway: Gateway) -> None:
    made = await gateway.post("/accounts", OLGA)
    assert (made.status, made.json["name"], made.json["role"]) == (201, "olga", "operator")
    assert "password" not in made.raw.decode()
    signed = await gateway.post("/session", {"name": "olga", "password": OLGA["password"]}, token="")
    assert (signed.status, signed.headers["location"]) == (201, "/api/v1/session")
    secret = signed.json["secret"]
    me = (await gateway.get("/session", token=secret)).json
    assert (me["name"], me["role"], me["account_id"], me["token_id"]) == ("olga", "operator", made.json["id"], None)
    assert me == signed.json["identity"]
    passwords = {"current_password": OLGA["password"], "new_password": "staple battery horse"}
    assert (await gateway.ask("PUT", "/session/password", json=passwords, token=secret)).status == 204
    old = await gateway.post("/session", {"name": "olga", "password": OLGA["password"]})
    assert (old.status, old.headers["www-authenticate"].split()[0]) == (401, "Bearer")
    assert (await gateway.ask("DELETE", "/session", token=secret)).status == 204
    assert (await gateway.get("/session", token=secret)).status == 401
    assert (await gateway.ask("DELETE", "/session")).status == 409  # an API token has no session


async def test_roles_decide(gateway: Gateway) -> None:
    made = await gateway.post("/tokens", {"name": "reports", "role": "viewer"})
    assert made.status == 201
    viewer = made.json["secret"]
    assert (await gateway.get("/clients", token=viewer)).status == 200
    assert (await gateway.post("/clients", {"phone_number": "79161234567"}, token=viewer)).status == 403
    assert (await gateway.post("/clients", {"phone_number": 7}, token=viewer)).status == 403
    for path in ("/accounts", "/tokens"):
        assert (await gateway.get(path, token=viewer)).status == 403
        assert (await gateway.post(path, {"name": 5}, token=viewer)).status == 403
    assert (await gateway.ask("PATCH", "/engine", json={"workers": "x"}, token=viewer)).status == 403


async def test_a_token_lives_until_it_is_revoked(gateway: Gateway) -> None:
    body = {"name": "reports", "role": "viewer", "expire_time": "2099-01-01T00:00:00+03:00"}
    made = (await gateway.post("/tokens", body, headers={"Idempotency-Key": "t"})).json
    token = made["token"]
    assert token["expire_time"] == "2098-12-31T21:00:00.000000Z"
    assert made["secret"].startswith(token["hint"])
    again = await gateway.post("/tokens", body, headers={"Idempotency-Key": "t"})
    assert (again.status, made["secret"] in again.raw.decode()) == (409, False)
    listed = (await gateway.get("/tokens")).json
    assert [each["name"] for each in listed["tokens"]] == ["MAILING_API_TOKEN", "reports"]
    assert made["secret"] not in str(listed)
    revoked = await gateway.post(f"/tokens/{token['id']}/revoke")
    assert (revoked.status, revoked.json["revoke_time"] is None) == (200, False)
    assert (await gateway.get("/session", token=made["secret"])).status == 401
    assert (await gateway.post("/tokens/999/revoke")).status == 404
    late = await gateway.post("/tokens", body | {"expire_time": "2020-01-01T00:00:00Z"})
    assert (late.status, late.bad) == (422, ["/expire_time"])


async def test_an_account_lives_until_it_is_revoked(gateway: Gateway) -> None:
    made = (await gateway.post("/accounts", OLGA)).json
    secret = (await gateway.post("/session", {"name": "OLGA", "password": OLGA["password"]})).json["secret"]
    assert (await gateway.post("/accounts", OLGA)).status == 409
    names = [each["name"] for each in (await gateway.get("/accounts?page_size=1000")).json["accounts"]]
    assert names[-1] == "olga"
    revoked = await gateway.post(f"/accounts/{made['id']}/revoke")
    assert (revoked.status, revoked.json["revoke_time"] is None) == (200, False)
    assert (await gateway.get("/session", token=secret)).status == 401
    assert (await gateway.post("/accounts/999/revoke")).status == 404
    bad = await gateway.post("/accounts", {"name": "a b", "role": "king", "password": "short", "x": 1})
    assert (bad.status, set(bad.bad) >= {"/role", "/password", "/x"}) == (422, True)


async def test_an_account_is_revoked_with_the_tokens_that_it_has_made(gateway: Gateway) -> None:
    made = (await gateway.post("/accounts", {**OLGA, "role": "admin"})).json
    session = (await gateway.post("/session", {"name": "olga", "password": OLGA["password"]})).json["secret"]
    token = (await gateway.post("/tokens", {"name": "olga", "role": "viewer"}, token=session)).json
    assert (token["token"]["creator_kind"], token["token"]["creator_id"]) == ("account", made["id"])
    path = f"/accounts/{made['id']}/revoke"
    for bad in ("revoke_made_tokens=yes", "revoke_made_tokens=", "colour=1"):
        assert (await gateway.post(f"{path}?{bad}")).status == 422
    first = (await gateway.post(path)).json
    assert first["live_token_count"] == 1
    assert (await gateway.get("/session", token=token["secret"])).status == 200
    assert (await gateway.post(f"{path}?revoke_made_tokens=false")).json["live_token_count"] == 1
    assert (await gateway.post(f"{path}?revoke_made_tokens=true")).json["live_token_count"] == 0
    assert (await gateway.get("/session", token=token["secret"])).status == 401
