"""/mailings and /messages over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from tests.gateway.rig import Gateway
from tests.rules.rig import until


def mailing(start_seconds: float = -1, **fields: Any) -> dict[str, Any]:
    start = datetime.now(UTC) + timedelta(seconds=start_seconds)
    end = start + timedelta(hours=1)
    return {"text": "hello", "start_time": start.isoformat(), "end_time": end.isoformat(), **fields}


EMPTY = ("tags", "phone_codes", "exclude_tags", "attributes", "client_ids")


async def registered(gateway: Gateway, start_seconds: float = -1, **fields: Any) -> dict[str, Any]:
    answer = await gateway.post("/mailings", mailing(start_seconds, **fields))
    assert answer.status == 201
    assert answer.headers["location"] == f"/api/v1/mailings/{answer.json['id']}"
    made: dict[str, Any] = answer.json
    return made


async def test_the_life_of_a_mailing(gateway: Gateway) -> None:
    made = await registered(gateway, 600, filter={"tags": ["a"]}, local_hours={"from": "09:00", "to": "21:00"})
    path = f"/mailings/{made['id']}"
    empty: dict[str, Any] = {**{key: [] for key in EMPTY}, "messages": None}
    assert (made["state"], made["filter"], made["rate_limit"]) == ("scheduled", {**empty, "tags": ["a"]}, None)
    assert (await gateway.get(path)).json["text"] == "hello"
    changed = (await gateway.ask("PATCH", path, json={"filter": {"phone_codes": ["916"]}, "rate_limit": 5})).json
    assert (changed["filter"], changed["rate_limit"]) == ({**empty, "tags": ["a"], "phone_codes": ["916"]}, 5)
    assert changed["local_hours"] == {"from": "09:00", "to": "21:00"}
    assert (await gateway.ask("PATCH", path, json={"local_hours": None})).json["local_hours"] is None
    replaced = (await gateway.ask("PUT", path, json=mailing(600, text="bye"))).json
    assert (replaced["text"], replaced["filter"], replaced["rate_limit"]) == ("bye", empty, None)
    for action, state in (("pause", "paused"), ("pause", "paused"), ("resume", "scheduled"), ("cancel", "cancelled")):
        answer = await gateway.post(f"{path}/{action}")
        assert (answer.status, answer.json["state"]) == (200, state)
    assert (await gateway.post(f"{path}/resume")).status == 409
    assert (await gateway.ask("PATCH", path, json={"text": "x"})).status == 409
    assert [each["id"] for each in (await gateway.get("/mailings?state=cancelled")).json["mailings"]] == [made["id"]]
    assert (await gateway.get("/mailings?state=active")).json == {
        "mailings": [],
        "next_page_token": "",
        "total_size": 0,
    }
    assert (await gateway.get("/mailings?state=happy")).bad == ["/state"]
    assert (await gateway.ask("DELETE", path)).status == 204
    for suffix in ("", "/stats", "/events", "/messages"):
        assert (await gateway.get(path + suffix)).status == 404
    assert (await gateway.post(f"{path}/pause")).status == 404


async def test_a_name_that_is_empty_is_said_to_be_empty(gateway: Gateway) -> None:
    refused = await gateway.post("/mailings", mailing(60, provider="", sender="\0"))
    errors = {each["pointer"]: each["code"] for each in refused.json["errors"]}
    assert errors == {"/provider": "EMPTY", "/sender": "NULL_CHARACTER"}


async def test_all_bad_fields_at_once(gateway: Gateway) -> None:
    bad = mailing(600, text="", end_time="2020-01-01T00:00:00", filter={"tags": [7], "colour": 1}, rate_limit=-1, x=1)
    expected = ["/end_time", "/filter/colour", "/filter/tags/0", "/rate_limit", "/text", "/x"]
    for path in ("/mailings", "/mailings/preview"):
        answer = await gateway.post(path, bad)
        assert (answer.status, sorted(answer.bad)) == (422, expected)
    late = mailing(600) | {"end_time": "2020-01-01T00:00:00Z"}
    assert (await gateway.post("/mailings", late)).bad == ["/end_time"]
    assert (await gateway.post("/mailings", late | {"colour": 1})).bad == ["/colour", "/end_time"]
    assert (await gateway.get("/mailings")).json["total_size"] == 0


async def test_a_preview_stores_nothing(gateway: Gateway) -> None:
    await gateway.engine.add_clients(3)
    answer = (await gateway.post("/mailings/preview", mailing())).json
    assert (answer["audience"], answer["segments"]) == (3, 1)
    assert set(answer["forecast"]) == {
        "completion_time",
        "missed",
        "rate_per_second",
        "next_open_time",
        "next_open_count",
    }
    assert (await gateway.get("/mailings")).json["total_size"] == 0


async def test_the_preview_of_an_edit_counts_what_is_unsent(gateway: Gateway) -> None:
    await gateway.engine.add_clients(3)
    made = await registered(gateway)
    await gateway.engine.finished(made["id"])
    await gateway.post(f"/mailings/{made['id']}/pause")
    await gateway.engine.add_clients(2, first=10)
    assert (await gateway.post("/mailings/preview", mailing())).json["audience"] == 5
    edit = await gateway.post(f"/mailings/preview?mailing_id={made['id']}", mailing())
    assert edit.json["audience"] == 2
    assert (await gateway.post("/mailings/preview?mailing_id=404", mailing())).status == 404
    assert (await gateway.post("/mailings/preview?mailing_id=x&y=1", mailing())).bad == ["/mailing_id", "/y"]


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
async def test_steering_with_a_key_answers_as_at_first(gateway: Gateway, action: str) -> None:
    made = await registered(gateway, 600)
    path, key = f"/mailings/{made['id']}", {"Idempotency-Key": "k"}
    first = await gateway.post(f"{path}/{action}", headers=key)
    assert first.status == 200
    if action == "pause":
        await gateway.post(f"{path}/resume")
    assert (await gateway.post(f"{path}/{action}", headers=key)).json == first.json
    other = await registered(gateway, 600)
    again = await gateway.post(f"/mailings/{other['id']}/{action}", headers=key)
    assert (again.status, again.bad) == (422, ["/Idempotency-Key"])


async def test_a_mailing_goes_into_the_archive_and_out_of_it(gateway: Gateway) -> None:
    made, other = await registered(gateway, 600), await registered(gateway, 600)
    path = f"/mailings/{made['id']}"
    refused = await gateway.post(f"{path}/archive")
    assert (refused.status, refused.json["code"]) == (409, "STILL_OPEN")
    await gateway.post(f"{path}/cancel")
    before = (await gateway.get("/mailings")).json
    assert [(each["id"], each["archived_time"]) for each in before["mailings"]] == [
        (other["id"], None),
        (made["id"], None),
    ]
    archived = await gateway.post(f"{path}/archive", headers={"Idempotency-Key": "k"})
    assert (archived.status, archived.json["state"]) == (200, "cancelled")
    assert archived.json["archived_time"].endswith("Z")
    for query, ids in (
        ("", [other["id"]]),
        ("?archived=false", [other["id"]]),
        ("?state=cancelled", []),
        ("?archived=true", [made["id"]]),
        ("?archived=true&state=cancelled&search=HELLO", [made["id"]]),
        ("?archived=true&state=scheduled", []),
    ):
        found = (await gateway.get(f"/mailings{query}")).json
        assert ([each["id"] for each in found["mailings"]], found["total_size"]) == (ids, len(ids)), query
    assert (await gateway.get("/mailings?archived=yes")).bad == ["/archived"]
    assert (await gateway.get(path)).json == archived.json
    assert (await gateway.get(f"{path}/stats")).status == 200
    assert (await gateway.post(f"{path}/unarchive")).json["archived_time"] is None
    assert (await gateway.post(f"{path}/archive", headers={"Idempotency-Key": "k"})).json == archived.json
    assert [each["id"] for each in (await gateway.get("/mailings")).json["mailings"]] == [other["id"], made["id"]]
    done = [each["action"] for each in (await gateway.get("/audit?object_type=mailing")).json["audit_events"]]
    assert done[:2] == ["mailing.unarchive", "mailing.archive"]
    assert (await gateway.post("/mailings/999/archive")).status == 404


async def test_messages_and_statistics(gateway: Gateway) -> None:
    await gateway.engine.add_clients(4, tag="a")
    made = await registered(gateway)
    assert await gateway.engine.finished(made["id"]) == (0, 4, 0)
    stats = (await gateway.get(f"/mailings/{made['id']}/stats")).json
    assert (stats["message_counts"]["sent"], stats["progress"], stats["by_tag"]["a"]["sent"]) == (4, 1.0, 4)
    page = (await gateway.get(f"/mailings/{made['id']}/messages?status=sent&page_size=3")).json
    assert (len(page["messages"]), page["total_size"]) == (3, 4)
    assert (await gateway.get(f"/mailings/{made['id']}/messages?status=not_sent")).json["total_size"] == 0
    assert (await gateway.get(f"/mailings/{made['id']}/messages?reason=expired")).json["total_size"] == 0
    one = page["messages"][0]
    of_client = (await gateway.get(f"/messages?mailing_id={made['id']}&client_id={one['client_id']}")).json
    assert [each["id"] for each in of_client["messages"]] == [one["id"]]
    detail = (await gateway.get(f"/messages/{one['id']}")).json
    assert [each["outcome"] for each in detail["attempt_history"]] == ["sent"]
    assert sorted((await gateway.get("/messages?client_id=0&status=lost")).bad) == ["/client_id", "/status"]
    assert (await gateway.get("/messages/999")).status == 404
    assert (await gateway.get(f"/mailings/{made['id']}/messages?mailing_id=1")).bad == ["/mailing_id"]


def events(raw: bytes) -> list[tuple[str, Any]]:
    found = []
    for block in raw.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], orjson.loads(fields["data"])))
    return found


async def test_events_until_the_end(gateway: Gateway) -> None:
    await gateway.engine.add_clients(20)
    made = await registered(gateway, rate_limit=20)
    answer = await gateway.get(f"/mailings/{made['id']}/events", headers={"Accept": "text/event-stream"})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    told = events(answer.raw)
    assert told[-1] == ("end", {"reason": "finished"})
    assert {name for name, _ in told[:-1]} == {"progress"}
    last = told[-2][1]
    assert (last["mailing_id"], last["progress"], last["message_counts"]["sent"]) == (made["id"], 1.0, 20)
    sent = [data["message_counts"]["sent"] for _, data in told[:-1]]
    assert len(sent) >= 2
    assert sent == sorted(sent)


async def test_events_of_a_mailing_that_is_deleted_end(gateway: Gateway) -> None:
    await gateway.engine.add_clients(1)
    made = await registered(gateway, 600)
    async with gateway.http.get(f"{gateway.url}/api/v1/mailings/{made['id']}/events") as following:
        await following.content.readuntil(b"\n\n")
        await gateway.ask("DELETE", f"/mailings/{made['id']}")
        assert events(await following.content.read())[-1] == ("end", {"reason": "deleted"})


async def test_events_are_refused_as_events(gateway: Gateway) -> None:
    made = await registered(gateway, 600)
    path = f"/mailings/{made['id']}/events"
    assert (await gateway.get(path, headers={"Accept": "application/json"})).status == 406
    assert (await gateway.get(path + "?x=1")).bad == ["/x"]


async def test_who_stops_listening_ends_the_call(gateway: Gateway) -> None:
    await gateway.engine.add_clients(1)
    made = await registered(gateway, 600)
    async with gateway.http.get(f"{gateway.url}/api/v1/mailings/{made['id']}/events") as response:
        assert (await response.content.readline()).startswith(b"retry:")
        assert "WatchMailing" not in await metrics(gateway)  # it is measured when it is over
    await until(lambda: watched(gateway))


async def metrics(gateway: Gateway) -> str:
    async with gateway.http.get(f"{gateway.url}/metrics") as page:
        return await page.text()


async def watched(gateway: Gateway) -> bool:
    return "WatchMailing" in await metrics(gateway)


async def test_one_of_the_hours_changes_those_that_there_are(gateway: Gateway) -> None:
    made = await registered(gateway, 600)
    path, later = f"/mailings/{made['id']}", {"local_hours": {"to": "22:00"}}
    answer = await gateway.ask("PATCH", path, json=later)
    assert (answer.status, answer.bad) == (422, ["/local_hours/from"])
    await gateway.ask("PATCH", path, json={"local_hours": {"from": "09:00", "to": "21:00"}})
    assert (await gateway.ask("PATCH", path, json=later)).json["local_hours"] == {"from": "09:00", "to": "22:00"}
