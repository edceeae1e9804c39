"""The stop list over real HTTP: once the POST has returned no new call to that number begins, on any engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from mailing.v1 import engine_service_pb2, message_pb2
from scripts.sandbox import Sandbox
from tests.gateway.rig import Gateway, serving
from tests.rules.arrivals import all_messages, now_us
from tests.rules.rig import until

FIRST = 79160000000
CLIENTS = 200
SENT = message_pb2.NOT_SENT_REASON_UNSPECIFIED
SUPPRESSED = message_pb2.NOT_SENT_REASON_SUPPRESSED


async def put(gateway: Gateway, number: int, **fields: str) -> Any:
    return await gateway.post("/suppressions", {"phone_number": str(FIRST + number), **fields})


async def reasons(gateway: Gateway, mailing_id: int) -> dict[str, int]:
    found: dict[str, int] = (await gateway.get(f"/mailings/{mailing_id}/stats")).json["reasons"]
    return found


async def token_of(gateway: Gateway, role: str) -> str:
    made = await gateway.post("/tokens", {"name": role, "role": role})
    assert made.status == 201
    return str(made.json["secret"])


async def sends_while_numbers_are_listed(gateways: list[Gateway], sandboxes: list[Sandbox]) -> None:
    """Numbers go on the list one after the other, through any of the gateways, while all engines send."""
    one, listed = gateways[0].engine, range(CLIENTS - 1, CLIENTS // 2, -2)
    await one.add_clients(CLIENTS)
    mailing = await one.register(rate_limit=50.0)
    await until(lambda: sum(each.requests for each in sandboxes) >= 10)
    listed_us: dict[int, int] = {}
    for place, number in enumerate(listed):
        answer = await put(gateways[place % len(gateways)], number)
        assert answer.status == 201
        listed_us[FIRST + number] = now_us()
    assert (await one.finished(mailing.id))[0] == 0
    late, ended = [], {}
    for message in await all_messages(one, mailing.id):
        number = int(message.phone_number)
        ended[number] = message.reason
        for call in (call for sandbox in sandboxes for call in sandbox.calls(message.id)):
            if call.at_us > listed_us.get(number, call.at_us):
                late.append((number, call.at_us - listed_us[number]))
    assert late == []
    assert len(ended) == CLIENTS
    suppressed = {number for number, reason in ended.items() if reason == SUPPRESSED}
    assert suppressed
    assert suppressed <= listed_us.keys()
    assert {reason for number, reason in ended.items() if number not in suppressed} == {SENT}
    assert (await reasons(gateways[0], mailing.id))["suppressed"] == len(suppressed)
    overview = await one.engine.GetOverview(engine_service_pb2.GetOverviewRequest())
    assert overview.reasons.suppressed == len(suppressed)
    assert await one.service.store.check() == []


async def test_no_call_begins_once_the_number_is_on_the_list(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=10_000) as sandbox, serving(tmp_path, sandbox=sandbox, workers=8) as gateway:
        sandbox.set_faults(latency_seconds=[0.005, 0.05], share_5xx=0.1)
        await sends_while_numbers_are_listed([gateway], [sandbox])


@pytest.mark.postgres
async def test_no_call_begins_on_any_of_three_engines(tmp_path: Path, postgres_url: Callable[[], str]) -> None:
    url = postgres_url()
    async with AsyncExitStack() as stack:
        sandboxes = [await stack.enter_async_context(await Sandbox.start(keep=10_000)) for _ in range(3)]
        gateways = []
        for sandbox in sandboxes:
            sandbox.set_faults(latency_seconds=[0.005, 0.05], share_5xx=0.1)
            shared: dict[str, Any] = {"sandbox": sandbox, "workers": 4, "queue_size": 30, "database_url": url}
            gateways.append(await stack.enter_async_context(serving(tmp_path, **shared)))
        await sends_while_numbers_are_listed(gateways, sandboxes)


async def test_the_list_is_kept_whatever_happens_to_clients(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        first = await put(gateway, 0, reason="opt_out", note="asked by phone")
        again = await put(gateway, 0, reason="complaint")
        assert (first.status, again.status, again.json) == (201, 200, first.json)
        bad = await gateway.post("/suppressions", {"phone_number": "1", "reason": "x", "note": "a" * 501})
        assert sorted(bad.bad) == ["/note", "/phone_number", "/reason"]
        entry = first.json
        assert entry | {"create_time": ""} == {
            "phone_number": str(FIRST),
            "reason": "opt_out",
            "note": "asked by phone",
            "source": "api",
            "create_time": "",
        }
        table = b"phone_number,tag\n89160000000,new\n89160000001,new\n"
        assert (await gateway.post("/clients/import", data=table, headers={"Content-Type": "text/csv"})).status == 200
        mailing = await gateway.engine.register()
        assert await gateway.engine.finished(mailing.id) == (0, 1, 0)
        body = {"text": "x", "start_time": "2026-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}
        preview = (await gateway.post("/mailings/preview", body)).json
        assert (preview["audience"], preview["suppressed"]) == (1, 1)
        listed = (await gateway.get("/suppressions?phone_number=8916-000-00-00")).json
        assert (listed["suppressions"], listed["total_size"]) == ([entry], 1)
        removed = await gateway.ask("DELETE", "/suppressions/+7%20(916)%20000-00-00")
        assert removed.status == 204
        assert (await gateway.ask("DELETE", f"/suppressions/{FIRST}")).status == 404
        assert (await gateway.ask("DELETE", "/suppressions/1234")).bad == ["/phone_number"]
        assert await gateway.engine.finished(mailing.id) == (0, 2, 0)


async def test_files_go_in_and_out(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        table = "Телефон;Причина;Имя\n+7 916 000-00-00;opt_out;Иван\n8916;;\n89160000001;;\n89160000000;invalid;\n"
        answer = await gateway.post(
            "/suppressions/import", data=table.encode(), headers={"Content-Type": "text/csv; charset=utf-8"}
        )
        result = answer.json
        assert [result[name] for name in ("created", "unchanged", "rejected")] == [2, 1, 1]
        assert [(error["line"], error["field"]) for error in result["errors"]] == [(3, "phone_number")]
        exported = (await gateway.get("/suppressions/export")).raw.decode().splitlines()
        assert exported[0] == "phone_number,reason,note,source,create_time"
        assert [line.rpartition(",")[0] for line in exported[1:]] == [
            f"{FIRST},opt_out,,import",
            f"{FIRST + 1},manual,,import",
        ]
        lines = (await gateway.get("/suppressions/export", headers={"Accept": "application/x-ndjson"})).raw
        for number in (0, 1):
            await gateway.ask("DELETE", f"/suppressions/{FIRST + number}")
        again = await gateway.post("/suppressions/import", data=lines, headers={"Content-Type": "application/x-ndjson"})
        assert again.json["created"] == 2


async def test_who_answers_stop_gets_no_more_texts_and_a_provider_may_tell_us_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        provider = await token_of(gateway, "provider")

        async def tell(text: str, token: str | None = provider, **more: str) -> Any:
            said = {"phone_number": "8 916 000 00 00", "text": text, **more}
            return await gateway.ask("POST", "/inbound", json=said, token=token)

        assert (await tell("Спасибо, не надо останавливаться")).json == {"action": "ignored"}
        assert (await gateway.get("/suppressions")).json["total_size"] == 0
        for _ in range(2):
            answer = await tell("  «Стоп!» ", time="2026-01-31T09:00:00+03:00")
            assert (answer.status, answer.json) == (200, {"action": "suppressed"})
        (entry,) = (await gateway.get("/suppressions")).json["suppressions"]
        assert (entry["reason"], entry["source"], entry["note"]) == ("opt_out", "inbound", "«Стоп!»")
        assert (await tell("STOP", time="2026-01-31T09:00:00")).status == 422  # whose time?
        assert (await tell("stop", None)).json == {"action": "suppressed"}  # an admin may try it out
        for role in ("viewer", "operator"):
            assert (await tell("STOP", await token_of(gateway, role))).status == 403
        for method, path in (
            ("GET", "/clients"),
            ("POST", "/suppressions"),
            ("GET", "/suppressions"),
            ("GET", "/audit"),
        ):
            body = {"json": {"phone_number": str(FIRST)}} if method == "POST" else {}
            assert (await gateway.ask(method, path, token=provider, **body)).status == 403
        assert (await gateway.get("/session", token=provider)).json["role"] == "provider"
        account = {"name": "sms", "role": "provider", "password": "a good password"}
        assert (await gateway.post("/accounts", account)).bad == ["/role"]


async def test_erased_and_never_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        client = await gateway.engine.add_client()
        mailing = await gateway.engine.register()
        await gateway.engine.finished(mailing.id)
        later = await gateway.engine.register(start_seconds=300)
        await until(lambda: _has_one(gateway, later.id))
        operator = await token_of(gateway, "operator")
        path = f"/clients/{client.id}/erase"
        assert (await gateway.ask("POST", path, json={"suppress": True}, token=operator)).status == 403
        key = {"Idempotency-Key": "once"}
        for _ in range(2):
            answer = await gateway.post(path, {"suppress": True}, headers=key)
            assert answer.json == {
                "messages_removed": 1,
                "messages_kept": 1,
                "messages_in_hand": 0,
                "suppressed": True,
            }
        assert (await gateway.post(path, {})).status == 404
        await gateway.engine.add_client()
        await asyncio.sleep(0)
        assert await gateway.engine.counts(later.id) == (0, 0, 0)
        assert str(FIRST) not in (await gateway.get("/audit")).raw.decode()


async def _has_one(gateway: Gateway, mailing_id: int) -> bool:
    return (await gateway.engine.counts(mailing_id))[0] == 1


async def test_no_number_of_a_file_is_left_out_for_its_reason(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        rows = ("89160000000;Отписка;", "89160000001;жалоба;по почте", "89160000002;умер;звонила жена")
        table = "\n".join(("Телефон;Причина;Заметка", *rows))
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        answer = await gateway.post("/suppressions/import", data=table.encode(), headers=headers)
        assert (answer.json["created"], answer.json["rejected"]) == (3, 0)
        listed = (await gateway.get("/suppressions")).json["suppressions"]
        assert [(entry["reason"], entry["note"]) for entry in reversed(listed)] == [
            ("opt_out", ""),
            ("complaint", "по почте"),
            ("manual", "умер: звонила жена"),
        ]
