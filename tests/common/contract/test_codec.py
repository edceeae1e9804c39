"""Each message of the contract becomes JSON field by field, and what comes in as JSON becomes the message."""

from __future__ import annotations

import traceback
from typing import Any

import orjson
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from common.contract.codec import json_of, message_of, paths_in
from common.contract.reader import Descriptor
from common.contract.values import time_json
from mailing.v1 import (
    access_service_pb2,
    audit_pb2,
    client_pb2,
    client_service_pb2,
    engine_pb2,
    engine_service_pb2,
    mailing_pb2,
    message_pb2,
    message_service_pb2,
)
from tests.common.contract.every_field import NOT_SHOWN_WHOLE, filled, same
from tests.common.contract.test_reader import messages


def _is_shown(kind: Descriptor) -> bool:
    """Whether JSON can have all of it."""
    return not any(field.type == FieldDescriptor.TYPE_BYTES or field.name == "update_mask" for field in kind.fields)


SHOWN = {name: kind for name, kind in sorted(messages().items()) if _is_shown(kind)}
MAILING: dict[str, Any] = {
    "text": "Hi",
    "filter": {"tags": ["new"], "phone_codes": ["916"]},
    "start_time": "2026-01-31T09:00:00+03:00",
    "end_time": "2026-02-01T09:00:00Z",
    "local_hours": {"from": "09:00", "to": "21:00"},
    "rate_limit": 2.5,
    "on_uncertain": "not_sent",
}


@pytest.mark.parametrize("name", SHOWN)
def test_every_field_is_shown(name: str) -> None:
    message = filled(GetMessageClass(SHOWN[name]))
    same(message, json_of(message, detail=True), ())
    orjson.dumps(json_of(message))  # no key that is not text


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_not_set_is_shown_as_well(name: str) -> None:
    kind = GetMessageClass(SHOWN[name])
    assert set(json_of(kind(), detail=True)) == {field.name for field in SHOWN[name].fields}


def test_lists_leave_details_out() -> None:
    page = message_service_pb2.ListMessagesResponse(next_page_token="n", total_size=9)
    page.messages.add(id=1).attempt_history.add(number=1)
    (message,) = json_of(page)["messages"]
    assert not NOT_SHOWN_WHOLE & message.keys()
    assert json_of(page.messages[0], detail=True).keys() - message.keys() == NOT_SHOWN_WHOLE


def test_unset_is_null() -> None:
    message = json_of(message_pb2.Message(id=1))
    assert {key for key, value in message.items() if value is None} == {
        "client_id", "phone_number", "status", "reason", "sent_time", "final_time", "next_attempt_time", "text_version",
        "last_error", "delivery", "provider", "provider_message_id",
    }  # fmt: skip


def test_free_form_values() -> None:
    event = audit_pb2.AuditEvent()
    event.detail.update({"whole": 5, "part": 0.5, "list": [1, {"deep": None}], "yes": True, "text": "t"})
    assert orjson.dumps(json_of(event)["detail"], option=orjson.OPT_SORT_KEYS) == (
        b'{"list":[1,{"deep":null}],"part":0.5,"text":"t","whole":5,"yes":true}'
    )


def test_conditions_and_attributes_there_and_back() -> None:
    values = ["Омск", 5, 0.5, True, False, None, [1], {"a": 1}]
    filter = {"attributes": [{"name": "city", "op": "any_of", "values": values}], "client_ids": [1, 2]}
    shown = json_of(message_of(mailing_pb2.Mailing, {"filter": filter}))["filter"]
    assert {key: shown[key] for key in filter} == filter
    assert [type(each) for each in shown["attributes"][0]["values"]] == [type(each) for each in values]
    for attributes in ({"city": "Омск", "n": 5, "gone": None}, {}):
        assert json_of(message_of(client_pb2.Client, {"attributes": attributes}))["attributes"] == attributes


@pytest.mark.parametrize(
    ("attributes", "paths"),
    [({"a": 1, "b": None}, ["attributes.a", "attributes.b"]), ({}, []), (None, ["attributes"])],
)
def test_a_mask_names_each_attribute(attributes: dict[str, Any] | None, paths: list[str]) -> None:
    data = {"attributes": attributes}
    assert list(paths_in(client_pb2.Client.DESCRIPTOR, data)) == paths
    assert message_of(client_pb2.Client, data).HasField("attributes") is bool(attributes)


def test_a_mailing_there_and_back() -> None:
    shown = json_of(message_of(mailing_pb2.Mailing, MAILING))
    times = {"start_time": "2026-01-31T06:00:00.000000Z", "end_time": "2026-02-01T09:00:00.000000Z"}
    lists: dict[str, Any] = {
        "exclude_tags": [],
        "attributes": [],
        "client_ids": [],
        "messages": None,
        **MAILING["filter"],
    }
    assert {key: shown[key] for key in MAILING} == MAILING | times | {"filter": lists}


def test_what_only_the_engine_writes_does_not_come_in() -> None:
    client = message_of(client_pb2.Client, {"id": 5, "tag": "new", "create_time": "2026-02-01T09:00:00Z"})
    assert client == client_pb2.Client(tag="new")


def test_filters_that_are_empty_are_set() -> None:
    kind = client_service_pb2.ListClientsRequest
    assert message_of(kind, {"tag": ""}).HasField("tag")
    assert not message_of(kind, {"page_size": 5}).HasField("tag")


@pytest.mark.parametrize(
    ("data", "rate"), [({}, None), ({"rate_limit": None}, 0.0), ({"rate_limit": 0}, 0.0), ({"rate_limit": 7}, 7.0)]
)
def test_null_that_is_zero(data: dict[str, Any], rate: float | None) -> None:
    request = message_of(engine_service_pb2.UpdateEngineRequest, {**data, "sending": "paused"})
    assert (request.rate_limit if request.HasField("rate_limit") else None) == rate
    assert (request.HasField("workers"), request.sending) == (False, engine_pb2.SENDING_STATE_PAUSED)


def test_null_is_not_set() -> None:
    assert not message_of(mailing_pb2.Mailing, {"rate_limit": None, "local_hours": None}).ListFields()
    token = message_of(access_service_pb2.CreateTokenRequest, {"expire_time": "2099-01-01T00:00:00Z"})
    assert time_json(token.expire_time) == "2099-01-01T00:00:00.000000Z"


def test_words_that_are_none() -> None:
    with pytest.raises(KeyError):
        message_of(mailing_pb2.Mailing, {"on_uncertain": "maybe"})


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        ({}, []),
        ({"text": "x", "id": 5, "colour": "red"}, ["text"]),
        ({"rate_limit": None}, ["rate_limit"]),
        ({"local_hours": None}, ["local_hours"]),
        ({"local_hours": {"to": "20:00"}}, ["local_hours.to"]),
        ({"filter": {"tags": []}}, ["filter.tags"]),
        ({"filter": {}}, []),
        (MAILING, ["text", "filter.tags", "filter.phone_codes", "start_time", "end_time", "local_hours.from",
                   "local_hours.to", "rate_limit", "on_uncertain"]),
    ],
)  # fmt: skip
def test_a_mask_names_what_is_there(data: dict[str, Any], paths: list[str]) -> None:
    assert list(paths_in(mailing_pb2.Mailing.DESCRIPTOR, data)) == paths


def test_tracebacks_show_the_line() -> None:
    with pytest.raises(ValueError, match="RFC 3339") as raised:
        message_of(mailing_pb2.Mailing, {"start_time": "now"})
    assert 'time_proto(data["start_time"])' in "".join(traceback.format_exception(raised.value))
