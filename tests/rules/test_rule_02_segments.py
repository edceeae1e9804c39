"""Rules 1 and 2 with attributes, tags that are left out and ids, over real HTTP: who matches gets it, however the
client came to match, and nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mailing.v1 import mailing_pb2
from tests.gateway.rig import Gateway, serving
from tests.rules.evidence import receivers
from tests.rules.rig import until

PEOPLE = (
    "phone_number,tag,attributes.city,attributes.visits\n"
    "79160000001,new,Омск,5\n79160000002,staff,Омск,12\n79160000003,new,Тверь,12\n79160000004,,,\n"
)
CSV = {"Content-Type": "text/csv"}
OMSK = {"attributes": [{"name": "city", "op": "any_of", "values": ["Омск"]}], "exclude_tags": ["staff"]}
OFTEN = {"attributes": [{"name": "visits", "op": "at_least", "values": [10]}]}
NOWHERE = {"attributes": [{"name": "city", "op": "is_not_set"}]}


async def _register(gateway: Gateway, filter: dict[str, Any], start_seconds: float = -1) -> int:
    start = datetime.now(UTC) + timedelta(seconds=start_seconds)
    times = {"start_time": start.isoformat(), "end_time": (start + timedelta(hours=1)).isoformat()}
    made = await gateway.post("/mailings", {"text": "hello", "filter": filter, **times})
    assert made.status == 201, made.json
    return int(made.json["id"])


async def _import(gateway: Gateway, rows: str) -> None:
    answer = await gateway.ask("POST", "/clients/import", data=rows.encode(), headers=CSV)
    assert (answer.status, answer.json["rejected"]) == (200, 0)


async def _expect(gateway: Gateway, expected: dict[int, list[int]]) -> None:
    """These mailings have told these clients; each of them once, and nobody else has got anything."""

    async def told() -> bool:
        found = {id: await receivers(gateway.engine, mailing_pb2.Mailing(id=id)) for id in expected}
        return found == expected and gateway.engine.sandbox.accepted == sum(map(len, expected.values()))

    await until(told)
    assert gateway.engine.sandbox.requests == gateway.engine.sandbox.accepted


async def test_rule_02_who_comes_to_match_by_an_attribute_gets_it_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        await _import(gateway, PEOPLE)
        omsk, often, nowhere = [await _register(gateway, filter) for filter in (OMSK, OFTEN, NOWHERE)]
        only = await _register(gateway, {"client_ids": [1, 4], **OMSK})
        await _expect(gateway, {omsk: [1], often: [2, 3], nowhere: [4], only: [1]})
        # By an edit, a replacement, an import and a new client; what was sent stays, and is not sent again.
        await gateway.ask("PATCH", "/clients/3", json={"attributes": {"city": "Омск"}})
        await gateway.ask("PUT", "/clients/1", json={"phone_number": "79160000001", "attributes": {"visits": 10}})
        await _import(gateway, "phone_number,attributes.city,attributes.visits\n79160000004,Омск,\n")
        await _import(gateway, "phone_number,attributes.city,attributes.visits\n79160000005,Омск,'12\n")
        assert (await gateway.get("/clients?attributes.city=Омск")).json["total_size"] == 4
        await _expect(gateway, {omsk: [1, 3, 4, 5], often: [1, 2, 3], nowhere: [1, 4], only: [1, 4]})


async def test_rule_02_who_does_not_match_any_more_is_taken_out(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        await _import(gateway, PEOPLE)
        mailing = await _register(gateway, OMSK, start_seconds=600)

        async def waiting(*ids: int) -> bool:
            found = (await gateway.get(f"/mailings/{mailing}/messages")).json["messages"]
            return sorted(each["client_id"] for each in found) == list(ids)

        await until(lambda: waiting(1))
        await gateway.ask("PATCH", "/clients/2", json={"tag": "new"})
        await until(lambda: waiting(1, 2))
        await gateway.ask("PATCH", "/clients/1", json={"attributes": {"city": None}})
        await until(lambda: waiting(2))
        await gateway.ask("PATCH", f"/mailings/{mailing}", json={"filter": {"attributes": OFTEN["attributes"]}})
        await until(lambda: waiting(2, 3))
        await gateway.ask("PATCH", f"/mailings/{mailing}", json={"filter": {"client_ids": [3]}})
        await until(lambda: waiting(3))
