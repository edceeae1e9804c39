"""What react-admin's data provider asks and writes, for every resource, with a real engine behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.admin.rig import PASSWORD, Panel, account, sign_in
from tests.gateway.rig import Answer, Gateway

TEXT = "Здравствуйте! " * 285
"""4,000 Cyrillic letters and a few: more than a URL holds."""


def window(**more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "start_time": (now + timedelta(hours=1)).isoformat(),
        "end_time": (now + timedelta(hours=3)).isoformat(),
        **more,
    }


async def made(panel: Panel, resource: str, **data: Any) -> dict[str, Any]:
    """A record that was created."""
    answer = await panel.write("POST", f"/{resource}", data=data)
    assert answer.status == 200, answer.raw
    record: dict[str, Any] = answer.json["data"]
    assert record["id"] == str(int(record["id"]))
    return record


def ids(answer: Answer) -> list[str]:
    """Ids of a list's page."""
    assert answer.status == 200, answer.raw
    return [each["id"] for each in answer.json["data"]]


async def test_clients(panel: Panel) -> None:
    first = await made(panel, "clients", phone_number="+7 (916) 123-45-67", tag="Зима's <b>sale</b>", time_zone="")
    assert (first["phone_number"], first["phone_code"], first["time_zone"]) == ("79161234567", "916", "UTC")
    second = await made(panel, "clients", phone_number="79031112233", tag="vip", unknown="is left out")
    third = await made(panel, "clients", phone_number="79269998877", tag=None)
    listed = await panel.list("clients")
    assert listed.json == {"data": [first, second, third], "total": 3}
    assert ids(await panel.list("clients", sort={"field": "id", "order": "DESC"})) == ["3", "2", "1"]
    last = await panel.list("clients", pagination={"page": 2, "perPage": 2})
    assert (ids(last), last.json["total"]) == (["3"], 3)
    beyond = await panel.list("clients", pagination={"page": 9, "perPage": 2})
    assert beyond.json == {"data": [], "total": 3}
    assert ids(await panel.list("clients", {"tag": "Зима's <b>sale</b>"})) == ["1"]
    assert ids(await panel.list("clients", {"phone_contains": "903-111"})) == ["2"]
    assert ids(await panel.list("clients", {"phone_code": 926, "time_zone": "", "tag": None})) == ["3"]
    assert (await panel.one("clients", 2)).json == {"data": second}
    assert (await panel.many("clients", 3, 1, 1, 77)).json == {"data": [third, first]}
    changed = await panel.write(
        "PUT", "/clients/update", id="2", data={**second, "tag": None, "time_zone": "Asia/Omsk"}, previousData=second
    )
    assert {**changed.json["data"], "update_time": ""} == {
        **second, "tag": "", "time_zone": "Asia/Omsk", "update_time": ""
    }  # fmt: skip
    same = await panel.write(
        "PUT", "/clients/update", id="2", data=changed.json["data"], previousData=changed.json["data"]
    )
    assert same.json == changed.json
    many = await panel.write("PUT", "/clients/update_many", ids=["1", "3", "77", "1"], data={"tag": "both"})
    assert many.json == {"data": ["1", "3"]}
    assert ids(await panel.list("clients", {"tag": "both"})) == ["1", "3"]
    gone = await panel.write("DELETE", "/clients/one", id="1")
    assert gone.json["data"]["phone_number"] == "79161234567"
    assert (await panel.write("DELETE", "/clients", ids=[3, 77])).json == {"data": ["3"]}
    assert ids(await panel.list("clients")) == ["2"]
    facets = (await panel.ask("GET", "/clients/facets")).json
    assert facets["client_count"] >= 1
    assert {"tags", "phone_codes", "time_zones"} <= facets.keys()


async def test_only_what_a_person_changed_is_sent(panel: Panel) -> None:
    """Two people edit a client: what one has not touched is not put back to what it was when they opened the form."""
    seen = await made(panel, "clients", phone_number="79161234567", tag="old")
    await panel.write("PUT", "/clients/update", id="1", data={**seen, "tag": "new"}, previousData=seen)
    late = await panel.write(
        "PUT", "/clients/update", id="1", data={**seen, "time_zone": "Asia/Omsk"}, previousData=seen
    )
    assert (late.json["data"]["tag"], late.json["data"]["time_zone"]) == ("new", "Asia/Omsk")


async def test_mailings(panel: Panel) -> None:
    await made(panel, "clients", phone_number="79161234567", tag="vip")
    given = window(
        text=TEXT[:4000], filter={"tags": ["vip"], "phone_codes": []}, rate_limit=None, on_uncertain="resend"
    )
    first = await made(panel, "mailings", **given)
    assert (first["text"], first["state"], first["filter"]["tags"]) == (TEXT[:4000], "scheduled", ["vip"])
    second = await made(panel, "mailings", **window(text="two"))
    assert ids(await panel.list("mailings", sort={"field": "id", "order": "DESC"})) == ["2", "1"]
    assert ids(await panel.list("mailings", {"state": "active"})) == []
    assert ids(await panel.list("mailings", {"archived": True})) == []
    assert (await panel.one("mailings", 1)).json["data"]["text"] == first["text"]
    assert [each["text"] for each in (await panel.many("mailings", 2, 5)).json["data"]] == ["two"]
    hours = {"from": "09:00", "to": "21:00"}
    changed = await panel.write(
        "PUT", "/mailings/update", id=2, data={**second, "text": "three", "local_hours": hours}, previousData=second
    )
    assert (changed.json["data"]["text"], changed.json["data"]["local_hours"]) == ("three", hours)
    back = {**changed.json["data"], "local_hours": None}
    cleared = await panel.write("PUT", "/mailings/update", id=2, data=back, previousData=changed.json["data"])
    assert cleared.json["data"]["local_hours"] is None
    same = await panel.write(
        "PUT", "/mailings/update", id=2, data=cleared.json["data"], previousData=cleared.json["data"]
    )
    assert same.json["data"]["text"] == "three"
    assert (await panel.write("DELETE", "/mailings/one", id=2)).json["data"]["text"] == "three"
    assert ids(await panel.list("mailings")) == ["1"]


async def test_messages(gateway: Gateway, panel: Panel) -> None:
    await gateway.engine.add_clients(3)
    mailing = await gateway.engine.register()
    await gateway.engine.finished(mailing.id)
    listed = await panel.list("messages", {"mailing_id": "1", "status": "sent"})
    assert listed.json["total"] == 3
    number = listed.json["data"][0]["id"]
    assert ids(await panel.list("messages", {"client_id": 1})) == [number]
    assert ids(await panel.list("messages", {"reason": "rejected"})) == []
    one = (await panel.one("messages", number)).json["data"]
    assert (one["status"], len(one["attempt_history"])) == ("sent", 1)


async def test_dashboard_and_engine_are_one_record_each(panel: Panel) -> None:
    dashboard = (await panel.one("dashboard", 1)).json["data"]
    assert (dashboard["id"], len(dashboard["last_hour"]), len(dashboard["last_day"])) == ("1", 60, 24)
    assert (await panel.list("dashboard")).json["total"] == 1
    engine = (await panel.one("engine", 1)).json["data"]
    assert (engine["sending"], engine["workers"]) == ("running", 32)
    assert (await panel.list("engine")).json["total"] == 1


async def test_audit_names_who_did_it(gateway: Gateway, panel: Panel) -> None:
    await account(gateway, "olga", "operator")
    olga = await sign_in(gateway, "olga")
    await made(olga, "clients", phone_number="79161234567")
    listed = await panel.list("audit", {"actor": "olga", "object_type": "client"})
    (event,) = listed.json["data"]
    assert (event["actor"], event["object_id"], event["peer"].split()[0]) == ("olga", 1, "127.0.0.1")
    assert (await panel.list("audit", {"object_id": "1", "object_type": "client"})).json["total"] == 1
    for asked, total in (
        ({"action": "client.create"}, 1),
        ({"action": "client.delete"}, 0),
        ({"actor": "olga", "since_time": event["time"]}, 1),
        ({"actor": "olga", "action": "client.create", "until_time": event["time"]}, 0),
    ):
        assert (await panel.list("audit", asked)).json["total"] == total
    assert (await panel.list("audit", {"since_time": "yesterday"})).status == 422


async def test_accounts_and_tokens(gateway: Gateway, panel: Panel) -> None:
    made_account = await made(panel, "accounts", name="vera", role="viewer", password=PASSWORD)
    assert "password" not in made_account
    await sign_in(gateway, "vera")
    assert [each["name"] for each in (await panel.list("accounts")).json["data"]] == ["admin", "vera"]
    await panel.write("DELETE", "/accounts/one", id=made_account["id"])
    listed = (await panel.list("accounts")).json["data"]
    assert listed[1]["revoke_time"] is not None
    token = await made(panel, "tokens", name="robot", role="operator", expire_time=None)
    assert (await gateway.get("/clients", token=token["secret"])).status == 200
    assert not any("secret" in each for each in (await panel.list("tokens")).json["data"])
    await panel.write("DELETE", "/tokens/one", id=token["id"])
    assert (await gateway.get("/clients", token=token["secret"])).status == 401


async def test_rest_below_admin_is_rest_in_the_session_s_name(panel: Panel) -> None:
    answer = await panel.ask("POST", "/api/v1/clients", json={"phone_number": "79161234567"})
    assert (answer.status, answer.json["id"]) == (201, 1)
    csv = {**panel.headers, "Content-Type": "text/csv"}
    answer = await panel.ask("POST", "/api/v1/clients/import", data=b"phone_number\n79161234568\nx\n", headers=csv)
    assert (answer.json["created"], answer.json["rejected"]) == (1, 1)
    answer = await panel.ask("GET", "/api/v1/clients/export", headers={**panel.headers, "Accept": "text/csv"})
    assert answer.raw.count(b"\n") == 3
    answer = await panel.ask("POST", "/api/v1/mailings/preview", json=window(text=TEXT[:4000]))
    assert answer.json["audience"] == 2
    answer = await panel.ask("PATCH", "/api/v1/engine", json={"workers": 3})
    assert answer.json["workers"] == 3
    assert (await panel.ask("GET", "/api/v1/session")).status == 404  # sessions are the panel's own here


async def test_accounts_are_revoked_with_their_tokens_and_events_say_which_token_it_was(panel: Panel) -> None:
    account = await made(panel, "accounts", name="anna", role="admin", password="correct horse")
    token = await made(panel, "tokens", name="admin", role="viewer")
    assert (account["live_token_count"], token["creator_kind"]) == (0, "account")
    event = (await panel.list("audit", {"object_type": "token", "actor_kind": "account"})).json["data"][0]
    assert (event["actor"], event["actor_kind"], event["actor_id"]) == ("admin", "account", token["creator_id"])
    assert ids(await panel.list("audit", {"object_type": "token", "actor_kind": "token"})) == []
    assert (await panel.list("audit", {"actor_kind": "king"})).status == 422
    bad = await panel.write("DELETE", "/accounts/one", id=account["id"], meta={"with_tokens": "yes"})
    assert bad.status == 422
    gone = await panel.write("DELETE", "/accounts/one", id=account["id"], meta={"with_tokens": True})
    assert gone.json["data"]["revoke_time"]
