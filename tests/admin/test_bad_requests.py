"""What the panel's script never sends, and somebody else may: always a problem that says what is bad, never 500."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any, Final

from tests.admin.rig import Panel

HUGE: Final = "9" * 30
READ: Final = ("mailings", "clients", "messages", "audit")


BAD_LISTS: Final[list[tuple[dict[str, Any], list[str]]]] = [
    ({"pagination": {"page": 0, "perPage": 10}}, ["/pagination/page"]),
    ({"pagination": {"page": 1, "perPage": 1001}}, ["/pagination/perPage"]),
    ({"pagination": {"page": 1, "perPage": 0}}, ["/pagination/perPage"]),
    ({"pagination": {"page": 2**31, "perPage": 10}}, ["/pagination/page"]),
    ({"pagination": {"page": 2**80, "perPage": 2**80}}, ["/pagination/perPage"]),
    ({"pagination": {"page": "x", "perPage": 1.5}}, ["/pagination/page", "/pagination/perPage"]),
    ({"pagination": "{"}, ["/pagination"]),
    ({"pagination": "[" * 500}, ["/pagination"]),
    ({"sort": {"field": "phone_number", "order": "ASC"}}, ["/sort/field"]),
    ({"sort": {"field": "id", "order": "random"}}, ["/sort/order"]),
    ({"sort": {}}, ["/sort/field", "/sort/order"]),
    ({"filter": {"nonsense": 1}}, ["/filter/nonsense"]),
    ({"filter": {"id": 1}}, ["/filter/id"]),
    ({"filter": []}, ["/filter"]),
    ({"filter": '{"a": "\\ud800"}'}, ["/filter"]),
    ({"filter": {"nonsense": 1}, "sort": {"field": "x", "order": "ASC"}}, ["/sort/field", "/filter/nonsense"]),
]


async def test_lists_asked_for_wrongly(panel: Panel) -> None:
    for params, bad in BAD_LISTS:
        for name in READ:
            answer = await panel.list(name, **({"filter": {}} | params))
            assert (answer.status, answer.bad) == (422, bad), (name, params)


async def test_a_list_without_its_parameters(panel: Panel) -> None:
    answer = await panel.ask("GET", "/clients/list")
    assert (answer.status, answer.bad) == (422, ["/pagination", "/sort", "/filter"])


FILTERS: Final = {
    "clients": ("tag", "phone_contains", "phone_code", "time_zone"),
    "mailings": ("state",),
    "messages": ("mailing_id", "client_id", "status", "reason"),
    "audit": ("actor", "object_type", "object_id"),
}


async def test_filters_of_another_type(panel: Panel) -> None:
    for resource, key in ((name, key) for name, keys in FILTERS.items() for key in keys):
        for value in (["a"], {"a": 1}, True, 1.5, [], {}):
            answer = await panel.list(resource, {key: value})
            assert (answer.status, answer.bad) == (422, [f"/filter/{key}"]), (resource, key, value)
        for text in ("\0", HUGE, "-1", "x" * 5000, "\U0010ffff"):
            assert (await panel.list(resource, {key: text})).status in (200, 422), (resource, key, text[:10])


async def test_filters_of_attributes(panel: Panel) -> None:
    for value, bad in (
        ("city", ["/filter/attributes"]),
        (True, ["/filter/attributes"]),
        (["city"], ["/filter/attributes"]),
        ({"city": 5, "tier": None, "name": "x"}, ["/filter/attributes/city", "/filter/attributes/tier"]),
        ({"City": "x"}, ["/attributes/City"]),
    ):
        answer = await panel.list("clients", {"attributes": value})
        assert (answer.status, answer.bad) == (422, bad), value
    assert (await panel.list("clients", {"attributes": {"city": "x"}})).json["total"] == 0


async def test_ids_that_nothing_can_have(panel: Panel) -> None:
    for number in ("0", "-1", "x", "1.5", HUGE, str(2**63), "", "١", "1 "):
        for name in ("clients", "mailings", "messages"):
            assert (await panel.one(name, number)).status == 404
            assert (await panel.many(name, number)).status == 404
        assert (await panel.write("PUT", "/clients/update", id=number, data={}, previousData={})).status == 404
        assert (await panel.write("DELETE", "/clients/one", id=number)).status == 404
        assert (await panel.write("DELETE", "/clients", ids=[1, number])).status == 404


async def test_ids_that_nothing_has(panel: Panel) -> None:
    for name in ("clients", "mailings", "messages"):
        assert (await panel.one(name, 2**63 - 1)).status == 404
        assert (await panel.many(name, 2**63 - 1, 1)).json == {"data": []}
    data = {"tag": "x"}
    assert (await panel.write("PUT", "/clients/update", id="1", data=data, previousData={})).status == 404
    assert (await panel.write("DELETE", "/mailings/one", id="1")).status == 404
    assert (await panel.write("PUT", "/clients/update_many", ids=["1"], data=data)).json == {"data": []}


async def test_too_many_ids(panel: Panel) -> None:
    many = [str(number) for number in range(1, 1002)]
    assert (await panel.write("DELETE", "/clients", ids=many)).bad == ["/ids"]
    assert (await panel.write("DELETE", "/clients", ids=[])).bad == ["/ids"]
    assert (await panel.many("clients", *many)).bad == ["/ids"]
    assert (await panel.ask("GET", "/clients")).bad == ["/ids"]
    assert (await panel.ask("GET", "/clients/one")).bad == ["/id"]


NO_BODIES: Final = (
    (b"", 400), (b"{", 400), (b"\xff", 400), (b'{"data": "\\ud800"}', 400), (b"[" * 100 + b"]" * 100, 400),
    (b"[]", 422), (b"null", 422), (b"{}", 422), (b'{"data": []}', 422), (b'{"data": null}', 422),
    (b'{"data": {"tag": "' + b"x" * 2**20 + b'"}}', 413),
)  # fmt: skip


async def test_bodies_that_are_none(panel: Panel) -> None:
    headers = {**panel.headers, "Content-Type": "application/json"}
    for body, status in NO_BODIES:
        answer = await panel.ask("POST", "/clients", data=BytesIO(body), headers=headers)
        assert answer.status == status, body[:20]


async def test_a_body_of_another_type_is_415(panel: Panel) -> None:
    body = json.dumps({"data": {"phone_number": "79161234567"}})
    assert (await panel.ask("POST", "/clients", data=body, headers=panel.headers)).status == 415


async def test_all_that_is_bad_in_a_record_is_named(panel: Panel) -> None:
    answer = await panel.write("POST", "/clients", data={"phone_number": 5, "tag": ["x"], "time_zone": "Mars"})
    assert answer.status == 422
    assert set(answer.bad) == {"/phone_number", "/tag", "/time_zone"}  # the last one only the engine knows
    await panel.write("POST", "/clients", data={"phone_number": "79161234567"})
    changes = {"tag": "x" * 65, "time_zone": "Mars"}
    answer = await panel.write("PUT", "/clients/update", id="1", data=changes, previousData={})
    assert (answer.status, set(answer.bad)) == (422, {"/tag", "/time_zone"})
    answer = await panel.write("POST", "/mailings", data={"text": "", "filter": 1, "start_time": "tomorrow"})
    assert set(answer.bad) >= {"/text", "/filter", "/start_time", "/end_time"}
    answer = await panel.write("POST", "/accounts", data={"name": "x", "role": "king", "password": None})
    assert set(answer.bad) >= {"/role", "/password"}
    answer = await panel.write("POST", "/tokens", data={"name": {}, "role": "viewer"})
    assert "/name" in answer.bad


async def test_a_wrong_type_is_no_empty_field(panel: Panel) -> None:
    await panel.write("POST", "/clients", data={"phone_number": "79161234567", "tag": "vip"})
    seen = (await panel.one("clients", 1)).json["data"]
    wrong: tuple[Any, ...] = (0, False, [], {}, 1.5)
    for value in wrong:
        answer = await panel.write("PUT", "/clients/update", id="1", data={"tag": value}, previousData=seen)
        assert (answer.status, answer.bad) == (422, ["/tag"])
        answer = await panel.write("PUT", "/clients/update_many", ids=["1"], data={"tag": value})
        assert (answer.status, answer.bad) == (422, ["/tag"])


async def test_conflicts_and_what_many_can_not_share(panel: Panel) -> None:
    await panel.write("POST", "/clients", data={"phone_number": "79161234567"})
    answer = await panel.write("POST", "/clients", data={"phone_number": "89161234567"})
    assert answer.status == 409
    for data in ({}, {"phone_number": "79160000000"}, {"unknown": 1}):
        assert (await panel.write("PUT", "/clients/update_many", ids=["1"], data=data)).status == 422


async def test_what_a_resource_can_not_do_is_405(panel: Panel) -> None:
    for name in ("dashboard", "engine", "audit", "messages"):
        assert (await panel.write("POST", f"/{name}", data={})).status == 405
        assert (await panel.write("PUT", f"/{name}/update", id="1", data={}, previousData={})).status == 405
        assert (await panel.write("PUT", f"/{name}/update_many", ids=["1"], data={})).status == 405
        assert (await panel.write("DELETE", f"/{name}/one", id="1")).status == 405
        assert (await panel.write("DELETE", f"/{name}", ids=["1"])).status == 405
    assert (await panel.one("audit", 1)).status == 405
    assert (await panel.one("accounts", 1)).status == 405
