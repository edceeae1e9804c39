"""Section 12: placeholders, `incomplete` and test texts, with a real engine, gateway and provider."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.domain.suppression import SuppressionInput
from engine.store.rows import Actor
from tests.gateway.rig import Gateway, serving

SECOND_US = 1_000_000


async def add(gateway: Gateway, number: int, tag: str = "", **attributes: Any) -> int:
    body = {"phone_number": str(79160000000 + number), "tag": tag, "attributes": attributes}
    answer = await gateway.post("/clients", body)
    assert answer.status == 201, answer.raw
    id: int = answer.json["id"]
    return id


def mailing(text: str, **fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    times = {"start_time": now.isoformat(), "end_time": (now + timedelta(hours=1)).isoformat()}
    return {"text": text, **times, **fields}


async def registered(gateway: Gateway, text: str, **fields: Any) -> int:
    answer = await gateway.post("/mailings", mailing(text, **fields))
    assert answer.status == 201, answer.raw
    id: int = answer.json["id"]
    return id


def received(gateway: Gateway) -> dict[int, list[str]]:
    """Texts by the last digits of the number."""
    found: dict[int, list[str]] = {}
    for one in gateway.engine.sandbox.messages():
        phone: Any = one["phone"]
        found.setdefault(phone - 79160000000, []).append(str(one["text"]))
    return found


async def messages(gateway: Gateway, mailing_id: int, query: str = "") -> dict[int, dict[str, Any]]:
    listed = (await gateway.get(f"/mailings/{mailing_id}/messages{query}")).json["messages"]
    whole = [(await gateway.get(f"/messages/{each['id']}")).json for each in listed]
    return {each["client_id"]: each for each in whole}


async def test_each_client_gets_its_own_text_and_nobody_one_with_a_hole(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        anna = await add(gateway, 1, name="Anna", sum=120.0, vip=True)
        bob = await add(gateway, 2, "new", name="{{sum}}", sum=0.5, vip=False)
        nobody = await add(gateway, 3, sum=7)
        text = r"\{{x}} {{name}}: {{sum}}, {{vip|-}}, {{tag|none}}, {{phone_number}}"
        id = await registered(gateway, text)
        assert await gateway.engine.finished(id) == (0, 2, 1)
        expected = {
            1: ["{{x}} Anna: 120, true, none, 79160000001"],
            2: ["{{x}} {{sum}}: 0.5, false, new, 79160000002"],
        }
        assert received(gateway) == expected
        found = await messages(gateway, id)
        assert [found[one]["text"] for one in (anna, bob)] == [expected[1][0], expected[2][0]]
        lacking = found[nobody]
        assert (lacking["status"], lacking["reason"], lacking["attempts"]) == ("not_sent", "incomplete", 0)
        assert lacking["last_error"] == {"http_status": None, "detail": "the client lacks name"}
        assert (lacking["text"], lacking["attempt_history"]) == (text, [])
        assert list(await messages(gateway, id, "?reason=incomplete")) == [nobody]
        stats = (await gateway.get(f"/mailings/{id}/stats")).json
        assert (stats["reasons"]["incomplete"], stats["attempts"]["total"]) == (1, 2)


async def test_a_text_that_is_too_long_for_one_client_is_its_own_trouble(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        await add(gateway, 1, name="x" * 500)
        long = await add(gateway, 2, name="ж" * 500)
        empty = await add(gateway, 3)
        id = await registered(gateway, "{{name|}}" * 2)
        assert await gateway.engine.finished(id) == (0, 1, 2)
        found = await messages(gateway, id)
        assert found[long]["last_error"]["detail"] == (
            "the text takes 15 SMS segments for this client, and may take 10"
        )
        assert found[empty]["last_error"]["detail"] == "the text is empty for this client"
        assert received(gateway) == {1: ["x" * 1000]}


async def test_bad_syntax_is_told_with_its_position_wherever_a_text_comes_in(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        bad = mailing("Hello, {{Name}}")
        for path in ("/mailings", "/mailings/preview"):
            answer = await gateway.post(path, bad)
            assert (answer.status, answer.bad) == (422, ["/text"])
            (error,) = answer.json["errors"]
            assert (error["code"], error["arguments"]["position"]) == ("PLACEHOLDER_NAME", "8")
        answer = await gateway.post("/mailings/test", {"text": "{{", "phone_numbers": ["79160000001"]})
        assert (answer.status, answer.bad) == (422, ["/text"])


async def test_values_are_those_of_the_call(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        ids = [await add(gateway, number, name="old") for number in range(6)]
        id = await registered(gateway, "{{name}}", rate_limit=2)
        while len(received(gateway)) < 2:
            await asyncio.sleep(0.01)
        for client_id in ids:
            answer = await gateway.ask("PATCH", f"/clients/{client_id}", json={"attributes": {"name": "new"}})
            assert answer.status == 200
        before = {number for number, texts in received(gateway).items() if texts == ["old"]}
        assert await gateway.engine.finished(id) == (0, 6, 0)
        after = received(gateway)
        assert {number for number, texts in after.items() if texts == ["old"]} == before
        assert {texts[0] for number, texts in after.items() if number not in before} == {"new"}


async def test_a_deleted_client_takes_what_was_said_to_it_with_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        client_id = await add(gateway, 1, name="Anna")
        id = await registered(gateway, "{{name}} {{phone_number}}")
        await gateway.engine.finished(id)
        ((_, message),) = (await messages(gateway, id)).items()
        assert message["text"] == "Anna 79160000001"
        await gateway.ask("DELETE", f"/clients/{client_id}")
        gone = (await gateway.get(f"/messages/{message['id']}")).json
        assert (gone["status"], gone["text"]) == ("sent", "{{name}} {{phone_number}}")


async def test_the_preview_shows_what_people_will_get(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        ids = [await add(gateway, number, name=name) for number, name in enumerate(("Anna", "ж" * 71, "Bob", "Cid"))]
        await add(gateway, 9)
        answer = (await gateway.post("/mailings/preview", mailing("{{name}}{{nane|}}"))).json
        assert (answer["audience"], answer["incomplete"]) == (5, 1)
        assert (answer["segments_max"], answer["segments_total"]) == (2, 5)
        assert answer["samples"] == [
            {"client_id": ids[0], "text": "Anna", "segments": 1},
            {"client_id": ids[1], "text": "ж" * 71, "segments": 2},
            {"client_id": ids[2], "text": "Bob", "segments": 1},
        ]
        assert [(each["code"], each["field"]) for each in answer["warnings"]] == [("PLACEHOLDER_OF_NOBODY", "text")]


async def test_a_test_text_is_sent_now_and_counted_nowhere(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        client_id = await add(gateway, 1, name="Anna")
        body = {
            "text": "Hi {{name}}",
            "phone_numbers": ["+7 916 000-00-07", "8 916 000 00 08"],
            "client_id": client_id,
        }
        answer = await gateway.post("/mailings/test", body, headers={"Idempotency-Key": "once"})
        assert answer.status == 200, answer.raw
        assert answer.json == [
            {"phone_number": "79160000007", "status": "sent", "detail": "", "segments": 1},
            {"phone_number": "79160000008", "status": "sent", "detail": "", "segments": 1},
        ]
        again = await gateway.post("/mailings/test", body, headers={"Idempotency-Key": "once"})
        assert again.json == answer.json
        assert received(gateway) == {7: ["Hi Anna"], 8: ["Hi Anna"]}
        assert (await gateway.get("/messages")).json["total_size"] == 0
        assert (await gateway.get("/mailings")).json["total_size"] == 0
        (event,) = [each for each in (await gateway.get("/audit")).json["audit_events"] if "test" in each["action"]]
        assert "79160000007" not in str(event)
        assert (await gateway.post("/mailings/test", {"text": "x", "phone_numbers": []})).bad == ["/phone_numbers"]
        unknown = {"text": "x", "phone_numbers": ["79160000007"], "client_id": 404}
        assert (await gateway.post("/mailings/test", unknown)).status == 404


async def test_a_test_text_obeys_stop_list_and_pause(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        body = {"text": "Hi", "phone_numbers": ["79160000006", "79160000007"]}
        store, now_us = gateway.engine.service.store, time.time_ns() // 1000
        await store.add_suppression(SuppressionInput(79160000007), by=Actor(), now_us=now_us)
        refused = await gateway.post("/mailings/test", body)
        assert (refused.status, refused.json["code"]) == (409, "SUPPRESSED")
        await store.delete_suppression(79160000007, by=Actor(), now_us=now_us)
        await gateway.ask("PATCH", "/engine", json={"sending": "paused"})
        refused = await gateway.post("/mailings/test", body)
        assert (refused.status, refused.json["code"]) == (409, "SENDING_PAUSED")
        assert not received(gateway)
        await gateway.ask("PATCH", "/engine", json={"sending": "running"})
        assert [each["status"] for each in (await gateway.post("/mailings/test", body)).json] == ["sent", "sent"]
