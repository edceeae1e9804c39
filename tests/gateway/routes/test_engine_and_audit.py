"""/engine and /audit over HTTP."""

from __future__ import annotations

from tests.gateway.rig import Gateway


async def test_steering_the_engine(gateway: Gateway) -> None:
    before = (await gateway.get("/engine")).json
    assert (before["sending"], before["breaker"]["state"], before["rate_limit"]) == ("running", "closed", None)
    after = await gateway.ask("PATCH", "/engine", json={"workers": 7, "rate_limit": 10.5, "sending": "paused"})
    assert after.status == 200
    assert (after.json["workers"], after.json["rate_limit"], after.json["sending"]) == (7, 10.5, "paused")
    after = (await gateway.ask("PATCH", "/engine", json={"rate_limit": None, "sending": "running"})).json
    assert (after["workers"], after["rate_limit"], after["sending"]) == (7, None, "running")


async def test_all_or_nothing(gateway: Gateway) -> None:
    answer = await gateway.ask("PATCH", "/engine", json={"workers": 0, "sending": "paused", "colour": 1})
    assert (answer.status, sorted(answer.bad)) == (422, ["/colour", "/workers"])
    assert (await gateway.ask("PATCH", "/engine", json={})).status == 422
    assert (await gateway.get("/engine")).json["sending"] == "running"


async def test_the_audit_list(gateway: Gateway) -> None:
    client = (await gateway.post("/clients", {"phone_number": "79161234567"})).json
    await gateway.ask("DELETE", f"/clients/{client['id']}")
    page = (await gateway.get("/audit", params={"object_type": "client", "object_id": client["id"]})).json
    assert [each["action"] for each in page["audit_events"]] == ["client.delete", "client.create"]
    event = page["audit_events"][0]
    assert (event["actor"], event["actor_kind"], event["actor_id"]) == ("MAILING_API_TOKEN", "token", 1)
    assert event["peer"].startswith("127.0.0.1 via ")
    assert (await gateway.get("/audit?actor=nobody")).json["total_size"] == 0
    first = (await gateway.get("/audit?page_size=1")).json
    assert (len(first["audit_events"]), bool(first["next_page_token"])) == (1, True)
    assert (await gateway.get("/audit?object_id=x")).bad == ["/object_id"]
    assert (await gateway.get("/audit?actor_kind=account&object_type=client")).json["total_size"] == 0
    assert (await gateway.get("/audit?actor_kind=token&actor_id=1&object_type=client")).json["total_size"] == 2
    assert (await gateway.get("/audit?actor_kind=king")).bad == ["/actor_kind"]
    assert (await gateway.get("/audit?actor_id=1")).bad == ["/actor_kind"]
