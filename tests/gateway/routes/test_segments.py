"""Filters by attributes, tags that are left out and ids, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.rig import Gateway
from tests.gateway.routes.test_mailings import mailing, registered
from tests.rules.rig import until

PEOPLE: list[dict[str, Any]] = [
    {"tag": "new", "attributes": {"city": "Омск", "visits": 5, "last": "2026-01-31", "vip": True}},
    {"tag": "staff", "attributes": {"city": "Омск", "visits": 12}},
    {"tag": "new", "attributes": {"city": "Тверь", "visits": "5"}},
    {"tag": ""},
]


async def _people(gateway: Gateway) -> list[int]:
    made = [await gateway.post("/clients", {**each, "phone_number": f"7916000000{n}"}) for n, each in enumerate(PEOPLE)]
    return [each.json["id"] for each in made]


def _condition(op: str, *values: Any, name: str = "city") -> dict[str, Any]:
    return {"attributes": [{"name": name, "op": op, "values": list(values)}]}


CASES: list[tuple[dict[str, Any], list[int]]] = [
    (_condition("any_of", "Омск", "Курск"), [0, 1]),
    (_condition("none_of", "Омск"), [2, 3]),
    (_condition("at_least", 5, name="visits"), [0, 1]),
    (_condition("at_most", 5.5, name="visits"), [0]),
    (_condition("any_of", "5", name="visits"), [2]),
    (_condition("at_least", "2026-01-01", name="last"), [0]),
    (_condition("any_of", True, name="vip"), [0]),
    (_condition("is_set", name="vip"), [0]),
    ({"attributes": [{"name": "vip", "op": "is_not_set"}]}, [1, 2, 3]),
    ({"exclude_tags": ["staff"]}, [0, 2, 3]),
    ({"exclude_tags": ["staff"], **_condition("any_of", "Омск")}, [0]),
    ({"tags": ["staff", "new"], **_condition("is_set", name="visits"), "exclude_tags": [""]}, [0, 1, 2]),
]


@pytest.mark.parametrize(("filter", "places"), CASES)
async def test_who_matches(gateway: Gateway, filter: dict[str, Any], places: list[int]) -> None:
    ids = await _people(gateway)
    preview = (await gateway.post("/mailings/preview", mailing(600, filter=filter))).json
    assert (preview["audience"], preview["warnings"]) == (len(places), [])
    made = await registered(gateway, 600, filter=filter)
    shown = {name: values for name, values in made["filter"].items() if values}
    if "attributes" in filter:
        filter = {**filter, "attributes": [{"values": [], **each} for each in filter["attributes"]]}
    assert (shown, made["warnings"]) == (filter, [])

    async def is_ready() -> bool:
        return bool((await gateway.get(f"/mailings/{made['id']}")).json["audience_state"] == "ready")

    await until(is_ready)
    found = (await gateway.get(f"/mailings/{made['id']}/messages")).json["messages"]
    assert sorted(each["client_id"] for each in found) == [ids[place] for place in places]


async def test_only_the_clients_that_are_named(gateway: Gateway) -> None:
    ids = await _people(gateway)
    filter = {"client_ids": [ids[3], ids[0], ids[3], 999]}
    assert (await gateway.post("/mailings/preview", mailing(600, filter=filter))).json["audience"] == 2
    made = await registered(gateway, 600, filter=filter)
    assert made["filter"]["client_ids"] == [ids[3], ids[0], 999]
    answer = await gateway.post("/mailings", mailing(600, filter={"client_ids": list(range(1, 10_002))}))
    assert (answer.status, answer.bad) == (422, ["/filter/client_ids"])
    assert (await gateway.post("/mailings", mailing(600, filter={"client_ids": list(range(1, 10_001))}))).status == 201


async def test_an_attribute_that_nobody_has_is_a_warning(gateway: Gateway) -> None:
    await _people(gateway)
    filter = {
        "attributes": [*_condition("is_set")["attributes"], *_condition("any_of", "x", name="town")["attributes"]]
    }
    expected = [
        {
            "code": "UNKNOWN_ATTRIBUTE",
            "message": "no client has the attribute town",
            "field": "filter.attributes[1].name",
            "arguments": {"name": "town"},
        }
    ]
    assert (await gateway.post("/mailings/preview", mailing(600, filter=filter))).json["warnings"] == expected
    made = await registered(gateway, 600, filter=filter)
    assert made["warnings"] == expected
    path = f"/mailings/{made['id']}"
    assert (await gateway.get(path)).json["warnings"] == []
    changed = await gateway.ask("PATCH", path, json={"filter": _condition("is_set", name="village")})
    assert [each["field"] for each in changed.json["warnings"]] == ["filter.attributes[0].name"]
    assert (await gateway.ask("PATCH", path, json={"filter": _condition("is_set")})).json["warnings"] == []


BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"op": "any_of", "values": []}, ["values"]),
    ({"op": "none_of"}, ["values"]),
    ({"op": "at_least", "values": [1, 2]}, ["values"]),
    ({"op": "at_most", "values": []}, ["values"]),
    ({"op": "at_most", "values": [True]}, ["values/0"]),
    ({"op": "is_set", "values": ["x"]}, ["values"]),
    ({"op": "is_not_set", "values": ["x"]}, ["values"]),
    ({"op": "any_of", "values": ["x", None, [], {}, "y" * 501, "\0"]}, [f"values/{n}" for n in range(1, 6)]),
    ({"op": "any_of", "values": list(range(1001))}, ["values"]),
    ({"op": "like", "values": ["x"]}, ["op"]),
    ({"values": ["x"]}, ["op"]),
    ({"op": "any_of", "values": ["x"], "name": "City"}, ["name"]),
    ({"op": "any_of", "values": ["x"], "name": "tag"}, ["name"]),
    ({"op": "any_of", "values": [], "name": "City"}, ["name", "values"]),
    ({"op": "any_of", "values": "x"}, ["values"]),
]


@pytest.mark.parametrize(("condition", "fields"), BAD)
async def test_what_is_wrong_with_a_condition_is_named(
    gateway: Gateway, condition: dict[str, Any], fields: list[str]
) -> None:
    fine = _condition("is_set")["attributes"]
    body = mailing(600, filter={"attributes": [*fine, {"name": "city", **condition}]})
    for path in ("/mailings", "/mailings/preview"):
        answer = await gateway.post(path, body)
        assert answer.status == 422
        assert sorted(answer.bad) == [f"/filter/attributes/1/{field}" for field in fields]


async def test_there_are_20_conditions_at_most_and_all_lists_may_be_full(gateway: Gateway) -> None:
    condition = _condition("any_of", *range(1000))["attributes"]
    filter = {
        "tags": [f"t{n}" for n in range(1000)],
        "phone_codes": [str(n) for n in range(1000)],
        "exclude_tags": [f"e{n}" for n in range(1000)],
        "attributes": [{**condition[0], "name": f"a{n}"} for n in range(20)],
        "client_ids": list(range(1, 10_001)),
    }
    assert (await gateway.post("/mailings", mailing(600, filter=filter, text="," * 100))).status == 201
    answer = await gateway.post("/mailings", mailing(600, filter={"attributes": condition * 21}))
    assert (answer.status, answer.bad) == (422, ["/filter/attributes"])
