"""Schemas made of the contract name everything bad at once, by its pointer, in words that people understand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from google.protobuf.message import Message as GoogleMessage
from marshmallow import Schema, ValidationError

from common.contract.codec import json_of
from common.contract.reader import fields_of
from gateway.http.body import pointers
from gateway.routes.operations import binding_named
from gateway.shapes import Use, body_of, query_of, schema_of
from mailing.v1.access_service_pb2 import CreateAccountRequest, CreateTokenRequest
from mailing.v1.client_pb2 import Client
from mailing.v1.engine_service_pb2 import UpdateEngineRequest
from mailing.v1.mailing_pb2 import Mailing
from mailing.v1.message_pb2 import Message
from tests.common.contract.every_field import filled

CLIENT: Final = schema_of(Client.DESCRIPTOR, Use.CREATE)
CLIENT_PUT: Final = schema_of(Client.DESCRIPTOR, Use.REPLACE)
CLIENT_PATCH: Final = schema_of(Client.DESCRIPTOR, Use.PATCH)
MAILING_NEW: Final = schema_of(Mailing.DESCRIPTOR, Use.CREATE)
MAILING_PUT: Final = schema_of(Mailing.DESCRIPTOR, Use.REPLACE)
MAILING_PATCH: Final = schema_of(Mailing.DESCRIPTOR, Use.PATCH)
ENGINE_PATCH: Final = schema_of(UpdateEngineRequest.DESCRIPTOR, Use.PATCH)
ACCOUNT: Final = schema_of(CreateAccountRequest.DESCRIPTOR, Use.CREATE)
TOKEN: Final = schema_of(CreateTokenRequest.DESCRIPTOR, Use.CREATE)
CLIENTS_QUERY: Final = query_of(binding_named("listClients"))
MESSAGES_QUERY: Final = query_of(binding_named("listMessages"))

MAILING = {
    "text": "Hi",
    "filter": {"tags": ["new"], "phone_codes": ["916"]},
    "start_time": "2026-01-31T09:00:00+03:00",
    "end_time": "2026-02-01T09:00:00Z",
    "local_hours": {"from": "09:00", "to": "21:00"},
    "rate_limit": 2.5,
    "on_uncertain": "not_sent",
}


def bad(schema: type[Schema], data: Any) -> dict[str, str]:
    """The bad fields by pointer; {}: all is well."""
    try:
        schema().load(data)
    except ValidationError as error:
        return dict(pointers(error.messages))
    return {}


def test_what_the_path_says_is_no_part_of_a_body() -> None:
    created = binding_named("createAccount")
    named = body_of(replace(created, path="/api/v1/accounts/{name}", path_fields=["name"]))
    assert bad(named, {"role": "viewer", "password": "long enough"}) == {}
    assert bad(named, {"name": "maria", "role": "viewer"}) == {
        "/name": "is not a known field",
        "/password": "is required",
    }
    assert body_of(created) is ACCOUNT
    assert body_of(binding_named("replaceClient")) is CLIENT_PUT


def test_what_is_good_passes_as_it_is() -> None:
    assert MAILING_NEW().load(MAILING) == MAILING
    assert MAILING_NEW().load({**MAILING, "local_hours": None, "rate_limit": None})["rate_limit"] is None
    assert MAILING_PATCH().load({}) == {}
    assert MAILING_PATCH().load({"local_hours": {"to": "20:00"}}) == {"local_hours": {"to": "20:00"}}


def test_all_that_is_bad_is_named() -> None:
    data = {
        "text": "",
        "filter": {"tags": ["ok", "x" * 65, 5], "phone_codes": "916", "a/b~": 1},
        "start_time": "2026-01-31T09:00:00",
        "local_hours": {"from": "9:00"},
        "rate_limit": "5",
        "on_uncertain": "maybe",
        "colour": "red",
        "id": 5,
    }
    assert bad(MAILING_NEW, data) == {
        "/text": "must have 1 to 4096 characters, not 0",
        "/filter/tags/1": "must have at most 64 characters, not 65",
        "/filter/tags/2": "must be text",
        "/filter/phone_codes": "must be an array",
        "/filter/a~1b~0": "is not a known field",
        "/start_time": "must say its offset from UTC, like 2026-01-31T09:00:00+03:00 or 2026-01-31T06:00:00Z",
        "/end_time": "is required",
        "/local_hours/from": "must be a time of day like 09:00, from 00:00 to 23:59",
        "/local_hours/to": "is required",
        "/rate_limit": "must be a number",
        "/on_uncertain": "must be one of resend, not_sent",
        "/colour": "is not a known field",
        "/id": "is not a known field",
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, None), (5.0, None), (1, None), (10_000, None),
        (5.7, "whole"), ("5", "whole"), (True, "whole"), ([], "whole"), (float("inf"), "whole"),
        (0, "1 to 10000"), (10_001, "1 to 10000"), (1e300, "1 to 10000"), (None, "null"),
    ],
)  # fmt: skip
def test_whole_numbers(value: object, message: str | None) -> None:
    found = bad(ENGINE_PATCH, {"workers": value})
    assert found == {} if message is None else message in found["/workers"]


@pytest.mark.parametrize(
    ("schema", "value", "good"),
    [
        (ENGINE_PATCH, 0, True),
        (ENGINE_PATCH, None, True),
        (ENGINE_PATCH, -0.1, False),
        (ENGINE_PATCH, True, False),
        (MAILING_PATCH, 0, False),
        (MAILING_PATCH, 1e-9, True),
        (MAILING_PATCH, 100_000, True),
        (MAILING_PATCH, 100_000.1, False),
        (MAILING_PATCH, None, True),
    ],
)
def test_rates(schema: type[Schema], value: object, good: bool) -> None:
    assert ("/rate_limit" not in bad(schema, {"rate_limit": value})) is good


@pytest.mark.parametrize(("hour", "good"), [("00:00", True), ("23:59", True), ("24:00", False), ("09:00\n", False)])
def test_hours(hour: str, good: bool) -> None:
    assert (bad(MAILING_PATCH, {"local_hours": {"from": hour}}) == {}) is good


def test_what_was_read_may_be_put_back_but_not_posted() -> None:
    read = {"id": 5, "phone_number": "79161234567", "create_time": "2026-01-31T09:00:00.000000Z"}
    assert bad(CLIENT_PUT, read) == {}
    assert set(bad(CLIENT, read)) == {"/id", "/create_time"}
    assert set(bad(CLIENT_PATCH, read)) == {"/id", "/create_time"}


@pytest.mark.parametrize("kind", [Client, Mailing])
@pytest.mark.parametrize("is_filled", [True, False])
def test_what_only_the_engine_writes_is_taken_back_by_a_put_in_any_form_in_which_it_is_shown(
    kind: type[GoogleMessage], is_filled: bool
) -> None:
    shown = json_of(filled(kind) if is_filled else kind(), detail=True)
    ignored = {
        field.name: shown[field.name]
        for field in fields_of(kind.DESCRIPTOR)
        if field.is_output_only and (field.is_nullable or shown[field.name] is not None)
    }
    written = MAILING if kind is Mailing else {"phone_number": "79161234567"}
    assert bad(schema_of(kind.DESCRIPTOR, Use.REPLACE), {**ignored, **written}) == {}


@pytest.mark.parametrize("data", [[], "text", 5, None])
def test_a_body_is_an_object(data: object) -> None:
    assert bad(CLIENT, data) == {"": "must be an object"}


@pytest.mark.parametrize(
    ("text", "loaded"),
    [("1", 1), ("1000", 1000), ("1001", 1000), ("9" * 4_000, 1000), ("0" * 30 + "7", 7),
     ("0", None), ("-1", None), ("+1", None), ("1.0", None), ("", None), ("x", None), ("٣", None)],
)  # fmt: skip
def test_page_sizes(text: str, loaded: int | None) -> None:
    if loaded is None:
        assert set(bad(CLIENTS_QUERY, {"page_size": text})) == {"/page_size"}
    else:
        assert CLIENTS_QUERY().load({"page_size": text}) == {"page_size": loaded}


def test_ids_in_queries() -> None:
    load = MESSAGES_QUERY().load
    assert load({"mailing_id": str(2**63 - 1), "tag": "x"} | {}, unknown="exclude") == {"mailing_id": 2**63 - 1}
    for text in ("0", str(2**63), "9" * 40, "1e3"):
        assert set(bad(MESSAGES_QUERY, {"client_id": text})) == {"/client_id"}
    assert set(bad(MESSAGES_QUERY, {"status": "lost", "colour": "red"})) == {"/status", "/colour"}


def test_what_no_database_can_hold() -> None:
    said = "must not contain the character U+0000"
    assert bad(MAILING_NEW, {**MAILING, "text": "a\0", "filter": {"tags": ["", "\0"]}}) == {
        "/text": said,
        "/filter/tags/1": said,
    }
    assert bad(CLIENT_PATCH, {"tag": "\0"}) == {"/tag": said}


@pytest.mark.parametrize(
    ("name", "good"), [("a", True), ("отчёты 1", True), ("a ", False), ("a\n", False), ("", False)]
)
def test_names_of_tokens(name: str, good: bool) -> None:
    found = bad(TOKEN, {"name": name, "role": "viewer"})
    assert found == ({} if good else {"/name": "must be 1 to 64 printable characters, with no blank at either end"})


@pytest.mark.parametrize(("name", "good"), [("a.b_c@d-E1", True), ("m m", False), ("мария", False), ("a\n", False)])
def test_names_of_accounts(name: str, good: bool) -> None:
    found = bad(ACCOUNT, {"name": name, "role": "viewer", "password": "x" * 8})
    assert found == ({} if good else {"/name": 'must be 1 to 64 Latin letters, digits or ". _ @ -"'})


def test_a_schema_is_made_once() -> None:
    """apispec takes two classes of one name for two things."""
    assert schema_of(Client.DESCRIPTOR, Use.PATCH) is CLIENT_PATCH


def test_names_and_parts() -> None:
    def inner(schema: type[Schema], name: str) -> str:
        field: Any = schema._declared_fields[name]
        return str(field.nested.__name__)

    assert CLIENT_PUT.__name__ == "ClientReplaceSchema"
    assert [inner(each, "local_hours") for each in (MAILING_NEW, MAILING_PUT, MAILING_PATCH)] == [
        "LocalHoursSchema", "LocalHoursSchema", "LocalHoursPatchSchema",
    ]  # fmt: skip
    assert {inner(each, "filter") for each in (MAILING_NEW, MAILING_PATCH)} == {"AudienceFilterSchema"}


def test_details_are_of_one_object() -> None:
    brief, whole = (set(schema_of(Message.DESCRIPTOR, use)._declared_fields) for use in (Use.SHOWN, Use.DETAIL))
    assert whole - brief == {"text", "attempt_history"}


def test_queries_have_no_more_than_rest_knows() -> None:
    assert set(CLIENTS_QUERY._declared_fields) == {
        "page_size",
        "page_token",
        "tag",
        "phone_code",
        "phone_number",
        "time_zone",
        "language",
        "attributes",
    }
    assert set(query_of(binding_named("createClient"))._declared_fields) == set()
    assert set(query_of(binding_named("revokeAccount"))._declared_fields) == {"revoke_made_tokens"}
