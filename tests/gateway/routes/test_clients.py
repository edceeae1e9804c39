"""/clients over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.rig import Gateway, serving

ANNA: dict[str, Any] = {"phone_number": "+7 (916) 123-45-67", "tag": "new", "time_zone": "Europe/Moscow"}


async def test_the_life_of_a_client(gateway: Gateway) -> None:
    made = await gateway.post("/clients", ANNA)
    assert made.status == 201
    anna = made.json
    assert made.headers["location"] == f"/api/v1/clients/{anna['id']}"
    assert {**anna, "create_time": "", "update_time": ""} == {
        "id": anna["id"],
        "phone_number": "79161234567",
        "phone_code": "916",
        "tag": "new",
        "time_zone": "Europe/Moscow",
        "language": "",
        "attributes": {},
        "create_time": "",
        "update_time": "",
    }
    path = f"/clients/{anna['id']}"
    assert (await gateway.get(path)).json == anna
    changed = (await gateway.ask("PATCH", path, json={"tag": "old"})).json
    assert (changed["tag"], changed["time_zone"]) == ("old", "Europe/Moscow")
    assert (await gateway.ask("PATCH", path, json={"language": "PT-br"})).json["language"] == "pt-BR"
    refused = await gateway.ask("PATCH", path, json={"language": "русский"})
    assert (refused.status, refused.bad) == (422, ["/language"])
    replaced = (await gateway.ask("PUT", path, json={"phone_number": "79161234568"})).json
    assert (replaced["phone_number"], replaced["tag"], replaced["time_zone"]) == ("79161234568", "", "UTC")
    assert replaced["language"] == ""
    gone = await gateway.ask("DELETE", path)
    assert (gone.status, gone.raw) == (204, b"")
    for method in ("GET", "DELETE"):
        assert (await gateway.ask(method, path)).status == 404
    assert (await gateway.ask("PATCH", path, json={"tag": "x"})).status == 404


async def test_attributes_are_merged_by_patch_and_replaced_by_put(gateway: Gateway) -> None:
    said = {"city": "Омск", "visits": 12, "spent": 120.5, "vip": True, "note": ""}
    made = (await gateway.post("/clients", {**ANNA, "attributes": said})).json
    assert made["attributes"] == said
    assert type(made["attributes"]["visits"]) is int
    path = f"/clients/{made['id']}"
    for change, expected in (
        ({"city": None, "visits": 13, "nobody": None}, {"visits": 13, "spent": 120.5, "vip": True, "note": ""}),
        ({}, {"visits": 13, "spent": 120.5, "vip": True, "note": ""}),
        ({"spent": None, "vip": None, "note": None}, {"visits": 13}),
    ):
        answer = await gateway.ask("PATCH", path, json={"attributes": change})
        assert (answer.status, answer.json["attributes"]) == (200, expected)
    replaced = await gateway.ask("PUT", path, json={**ANNA, "attributes": {"b": 2, "a": 1}})
    assert replaced.json["attributes"] == {"a": 1, "b": 2}
    assert (await gateway.get(path)).json["attributes"] == {"a": 1, "b": 2}
    assert (await gateway.ask("PATCH", path, json={"attributes": None})).json["attributes"] == {}
    await gateway.ask("PATCH", path, json={"attributes": {"a": 1}})
    assert (await gateway.ask("PUT", path, json=ANNA)).json["attributes"] == {}
    events = (await gateway.get("/audit?page_size=1000")).json["audit_events"]
    shown = [each["detail"]["attributes"] for each in events if "attributes" in each["detail"]]
    assert shown[-2] == ["city", "visits"]
    assert shown[-1] == ["city", "note", "spent", "vip", "visits"]
    assert "Омск" not in str(events)


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
async def test_each_bad_attribute_is_named(gateway: Gateway, method: str) -> None:
    made = (await gateway.post("/clients", ANNA)).json
    path = "/clients" if method == "POST" else f"/clients/{made['id']}"
    bad = {"City": 1, "tag": "x", "list": [1], "object": {"a": 1}, "long": "x" * 501, "zero": "\0", "fine": "x"}
    body = {**ANNA, "phone_number": "79161234500", "attributes": bad}
    answer = await gateway.ask(method, path, json=body)
    expected = {"City", "tag", "list", "object", "long", "zero"}
    assert (answer.status, set(answer.bad)) == (422, {f"/attributes/{name}" for name in expected})
    if method != "PATCH":
        answer = await gateway.ask(method, path, json={**body, "attributes": {"city": None}})
        assert (answer.status, answer.bad) == (422, ["/attributes/city"])
    many = {f"a{n}": n for n in range(51)}
    bad_ones: list[Any] = [[], "city", many]
    for attributes in bad_ones:
        answer = await gateway.ask(method, path, json={**body, "attributes": attributes})
        assert (answer.status, answer.bad) == (422, ["/attributes"]), attributes


async def test_a_list_is_filtered_by_attributes(gateway: Gateway) -> None:
    people: list[dict[str, Any]] = [{"city": "Омск", "n": 5}, {"city": "Омск", "n": "5"}, {"city": "Тверь"}, {}]
    for place, attributes in enumerate(people):
        body = {"phone_number": f"7916000000{place}", "attributes": attributes}
        assert (await gateway.post("/clients", body)).status == 201
    for query, places in (
        ({"attributes.city": "Омск"}, [0, 1]),
        ({"attributes.city": "Омск", "attributes.n": "5"}, [0, 1]),
        ({"attributes.city": ""}, [3]),
        ({"attributes.city": "Тверь", "tag": ""}, [2]),
        ({"attributes.nobody": "x"}, []),
    ):
        found = (await gateway.get("/clients", params=query)).json
        numbers = [int(each["phone_number"][-1]) for each in found["clients"]]
        assert (numbers, found["total_size"]) == (places, len(places)), query
    first = (await gateway.get("/clients", params={"attributes.city": "Омск", "page_size": 1})).json
    token = {"page_token": first["next_page_token"]}
    assert (await gateway.get("/clients", params={"attributes.city": "Омск", **token})).json["clients"][0]["id"] == 2
    assert (await gateway.get("/clients", params={"attributes.city": "Тверь", **token})).bad == ["/page_token"]
    refused = await gateway.get("/clients", params={"attributes.City": "x", "attributes.tag": "y"})
    assert (refused.status, sorted(refused.bad)) == (422, ["/attributes/City", "/attributes/tag"])


async def test_lists_are_filtered_and_come_in_pages(gateway: Gateway) -> None:
    await gateway.engine.add_clients(5, tag="a")
    await gateway.engine.add_clients(2, first=100, tag="b")
    first = (await gateway.get("/clients", params={"tag": "a", "page_size": 3})).json
    assert (len(first["clients"]), first["total_size"]) == (3, 5)
    token = first["next_page_token"]
    second = (await gateway.get("/clients", params={"tag": "a", "page_size": 3, "page_token": token})).json
    assert (len(second["clients"]), second["next_page_token"]) == (2, "")
    assert len((await gateway.get("/clients", params={"page_size": 999_999})).json["clients"]) == 7
    assert (await gateway.get("/clients", params={"tag": "b", "page_token": token})).bad == ["/page_token"]
    assert (await gateway.get("/clients", params={"phone_number": "8 916 000-01-01"})).json["total_size"] == 1


async def test_pages_are_no_larger_than_the_setting_says(tmp_path: Path) -> None:
    async with serving(tmp_path, gateway={"http_page_size": 2}) as gateway:
        await gateway.engine.add_clients(5)
        for params in ({}, {"page_size": 1000}, {"page_size": 2}):
            page = (await gateway.get("/clients", params=params)).json
            assert (len(page["clients"]), page["total_size"]) == (2, 5)
            following = (await gateway.get("/clients", params={**params, "page_token": page["next_page_token"]})).json
            assert [each["id"] for each in following["clients"]] == [3, 4]
        assert len((await gateway.get("/clients", params={"page_size": 1})).json["clients"]) == 1


@pytest.mark.parametrize("query", ["page_size=0", "page_size=-1", "page_size=many", "page_size=1.5"])
async def test_a_page_size_that_is_none(gateway: Gateway, query: str) -> None:
    answer = await gateway.get(f"/clients?{query}")
    assert (answer.status, answer.bad) == (422, ["/page_size"])


async def test_all_that_is_wrong_with_a_query_is_named(gateway: Gateway) -> None:
    answer = await gateway.get("/clients?colour=red&page_size=x&tag=a&tag=b")
    assert (answer.status, sorted(answer.bad)) == (422, ["/colour", "/page_size", "/tag"])
    for method, path in (("GET", "/clients/1?x=1"), ("DELETE", "/clients/1?x=1"), ("GET", "/engine?x=1")):
        answer = await gateway.ask(method, path)
        assert (answer.status, answer.bad) == (422, ["/x"])


@pytest.mark.parametrize("id", ["0", "-1", "1.0", "x", "٣", "9" * 19, "9" * 400, "1e3"])
async def test_what_is_no_id_is_not_found(gateway: Gateway, id: str) -> None:
    answer = await gateway.get(f"/clients/{id}")
    assert (answer.status, answer.bad) == (404, [])


async def test_all_bad_fields_at_once_those_of_the_engine_too(gateway: Gateway) -> None:
    await gateway.post("/clients", ANNA)
    bad = {"phone_number": "12", "time_zone": "Mars/Base", "tag": 7, "colour": "red"}
    answer = await gateway.post("/clients", bad)
    assert (answer.status, sorted(answer.bad)) == (422, ["/colour", "/phone_number", "/tag", "/time_zone"])
    answer = await gateway.ask("PATCH", "/clients/1", json={"time_zone": "Mars/Base", "tag": 7})
    assert (answer.status, sorted(answer.bad)) == (422, ["/tag", "/time_zone"])
    assert (await gateway.ask("PATCH", "/clients/99", json={"tag": 7})).status == 404
    assert (await gateway.get("/clients")).json["total_size"] == 1


async def test_a_number_belongs_to_one_client(gateway: Gateway) -> None:
    await gateway.post("/clients", ANNA)
    assert (await gateway.post("/clients", ANNA)).status == 409


async def test_a_key_makes_a_repeat_safe(gateway: Gateway) -> None:
    key = {"Idempotency-Key": "a-1"}
    first, second = await asyncio.gather(*(gateway.post("/clients", ANNA, headers=key) for _ in range(2)))
    if 409 in (first.status, second.status):  # they met: one waits its turn
        running = first if first.status == 409 else second
        assert int(running.headers["retry-after"]) >= 1
    again = await gateway.post("/clients", ANNA, headers=key)
    made = first if first.status == 201 else second
    assert (again.status, again.json) == (201, made.json)
    other = await gateway.post("/clients", ANNA | {"tag": "other"}, headers=key)
    assert (other.status, other.bad) == (422, ["/Idempotency-Key"])
    assert (await gateway.get("/clients")).json["total_size"] == 1


@pytest.mark.parametrize("key", ["", "x" * 129, "a b", "ключ"])
async def test_what_is_no_key_is_refused(gateway: Gateway, key: str) -> None:
    answer = await gateway.post("/clients", ANNA, headers={"Idempotency-Key": key})
    assert (answer.status, answer.bad) == (422, ["/Idempotency-Key"])


@pytest.mark.parametrize(
    ("path", "allowed"), [("/clients/export", "GET"), ("/clients/import", "POST"), ("/mailings/preview", "POST")]
)
async def test_what_stands_where_an_id_would_is_no_id(gateway: Gateway, path: str, allowed: str) -> None:
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = await gateway.ask(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, allowed), method
        assert answer.headers["content-type"].startswith("application/problem+json")
