"""What the schema finds bad and what only the engine finds bad are named in one answer; keys of repeats of /inbound."""

from __future__ import annotations

from typing import Any

import pytest

from common.contract.reader import Binding, bindings_of
from common.contract.services import SERVICES
from gateway.routes.operations import id_of
from tests.gateway.rig import Gateway

OF_ENGINE: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "createClient": ("/clients", {"phone_number": "1"}, {"/phone_number"}),
    "createMailing": (
        "/mailings",
        {"text": "x{{", "start_time": "2026-01-31T06:00:00Z", "end_time": "2126-01-31T06:00:00Z"},
        {"/text"},
    ),
    "previewMailing": ("/mailings/preview", {"text": "x{{"}, {"/text", "/start_time", "/end_time"}),
    "testMailing": ("/mailings/test", {"text": "x{{", "phone_numbers": ["1"]}, {"/text", "/phone_numbers/0"}),
    "createSuppression": ("/suppressions", {"phone_number": "1"}, {"/phone_number"}),
    "receiveText": ("/inbound", {"phone_number": "1", "text": "STOP"}, {"/phone_number"}),
}
"""Paths and bodies with what only the engine finds bad, by the operation."""


def checkable() -> set[str]:
    def is_post(each: Binding) -> bool:
        return each.verb == "post" and bool(each.body) and not each.method.client_streaming

    return {
        id_of(each)
        for service in SERVICES.values()
        for each in bindings_of(service)
        if is_post(each)
        and ("validate_only" in each.method.input_type.fields_by_name or id_of(each) == "previewMailing")
    }


def test_each_post_that_can_only_check_is_tried() -> None:
    assert checkable() == set(OF_ENGINE)


@pytest.mark.parametrize("operation", OF_ENGINE)
async def test_all_that_is_bad_is_named_in_one_answer(gateway: Gateway, operation: str) -> None:
    path, body, bad = OF_ENGINE[operation]
    answer = await gateway.post(path, {**body, "foo": 1})
    assert answer.status == 422
    assert {each["pointer"] for each in answer.json["errors"]} == {*bad, "/foo"}


async def test_a_field_that_both_look_at_is_named_once(gateway: Gateway) -> None:
    for path, body, bad in (
        ("/inbound", {"phone_number": "1", "text": 5}, ["/phone_number", "/text"]),
        ("/mailings/test", {"text": 5, "phone_numbers": ["1"]}, ["/phone_numbers/0", "/text"]),
    ):
        answer = await gateway.post(path, body)
        assert (answer.status, sorted(each["pointer"] for each in answer.json["errors"])) == (422, bad)


async def test_a_bad_body_that_would_be_done_but_for_one_key_does_nothing(gateway: Gateway) -> None:
    said = {"phone_number": "79160000001", "text": "STOP"}
    answer = await gateway.post("/inbound", {**said, "foo": 1})
    assert [each["pointer"] for each in answer.json["errors"]] == ["/foo"]
    assert (await gateway.get("/suppressions")).json["total_size"] == 0
    sent = await gateway.post("/mailings/test", {"text": "x", "phone_numbers": ["79160000001"], "foo": 1})
    assert [each["pointer"] for each in sent.json["errors"]] == ["/foo"]
    assert "mailing.test" not in (await gateway.get("/audit")).raw.decode()


async def test_a_repeat_of_an_inbound_text_gets_the_first_answer(gateway: Gateway) -> None:
    said, key = {"phone_number": "79160000001", "text": "hello"}, {"Idempotency-Key": "k"}
    for _ in range(2):
        answer = await gateway.post("/inbound", said, headers=key)
        assert (answer.status, answer.json) == (200, {"action": "ignored"})
    other = await gateway.post("/inbound", {**said, "text": "STOP"}, headers=key)
    assert (other.status, [each["pointer"] for each in other.json["errors"]]) == (422, ["/Idempotency-Key"])
    assert (await gateway.get("/suppressions")).json["total_size"] == 0


async def test_attributes_of_a_patch_with_bad_names_are_named_where_they_are(gateway: Gateway) -> None:
    made = (await gateway.post("/clients", {"phone_number": "79160000001"})).json
    patch = {"attributes": {"Bad": 1, "Worse": None}, "time_zone": "Mars"}
    answer = await gateway.ask("PATCH", f"/clients/{made['id']}", json=patch)
    assert answer.status == 422
    assert {each["pointer"] for each in answer.json["errors"]} == {"/attributes/Bad", "/attributes/Worse", "/time_zone"}
