"""JSON and the contract say the same, field by field, and no field of the contract is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from google.protobuf.message import Message

from gateway import schemas, translate
from gateway.routes.imports import result_json
from gateway.schemas import fields as schema_fields
from gateway.tables.csv_rows import ClientRow, RowError
from gateway.tables.import_stream import ImportResult, row_message
from mailing.v1 import (
    access_pb2,
    access_service_pb2,
    audit_pb2,
    client_pb2,
    client_service_pb2,
    engine_pb2,
    engine_service_pb2,
    mailing_pb2,
    mailing_service_pb2,
    mailing_stats_pb2,
    message_pb2,
    message_service_pb2,
)
from tests.common.contract.every_field import filled, same

Shown = tuple[type[Message], Callable[[Any], dict[str, Any]], type[schema_fields.Output], frozenset[str]]


def shown(
    kind: type[Message], to_json: Callable[[Any], dict[str, Any]], schema: type[schema_fields.Output], *without: str
) -> Shown:
    return kind, to_json, schema, frozenset(without)


def imported(answer: client_service_pb2.ImportClientsResponse) -> dict[str, Any]:
    """The answer of an import as the route shows it, where it is put together with rows that never left the gateway."""
    errors = [RowError(each.line, each.field, each.message) for each in answer.errors]
    counts = (answer.created, answer.updated, answer.unchanged, answer.rejected)
    return result_json(ImportResult(*counts, errors))


SHOWN = [
    shown(client_pb2.Client, translate.client_json, schemas.ClientSchema),
    shown(client_service_pb2.ListClientsResponse, translate.client_list_json, schemas.ClientListSchema),
    shown(client_service_pb2.ImportClientsResponse, imported, schemas.ImportResultSchema),
    shown(mailing_pb2.Mailing, translate.mailing_json, schemas.MailingSchema),
    shown(mailing_service_pb2.ListMailingsResponse, translate.mailing_list_json, schemas.MailingListSchema),
    shown(mailing_service_pb2.PreviewMailingResponse, translate.preview_json, schemas.MailingPreviewSchema),
    shown(mailing_stats_pb2.MailingStats, translate.stats_json, schemas.MailingStatsSchema),
    shown(mailing_stats_pb2.MailingProgress, translate.progress_json, schemas.MailingProgressSchema),
    shown(message_pb2.Message, translate.message_json, schemas.MessageSchema, "attempt_history", "text"),
    shown(message_pb2.Message, translate.message_detail_json, schemas.MessageDetailSchema),
    shown(engine_pb2.EngineStatus, translate.engine_json, schemas.EngineSchema),
    shown(audit_pb2.AuditEvent, translate.audit_event_json, schemas.AuditEventSchema),
    shown(engine_service_pb2.ListAuditEventsResponse, translate.audit_event_list_json, schemas.AuditEventListSchema),
    shown(access_pb2.Identity, translate.identity_json, schemas.IdentitySchema),
    shown(access_service_pb2.SignInResponse, translate.session_json, schemas.SessionSchema),
    shown(access_pb2.Account, translate.account_json, schemas.AccountSchema),
    shown(access_service_pb2.ListAccountsResponse, translate.account_list_json, schemas.AccountListSchema),
    shown(access_pb2.ApiToken, translate.token_json, schemas.TokenSchema),
    shown(access_service_pb2.CreateTokenResponse, translate.new_token_json, schemas.NewTokenSchema),
    shown(access_service_pb2.ListTokensResponse, translate.token_list_json, schemas.TokenListSchema),
]


@pytest.mark.parametrize(
    ("kind", "to_json", "schema", "without"), SHOWN, ids=lambda each: getattr(each, "__name__", "")
)
def test_every_field_of_the_contract_is_shown(
    kind: type[Message],
    to_json: Callable[[Any], dict[str, Any]],
    schema: type[schema_fields.Output],
    without: frozenset[str],
) -> None:
    message = filled(kind)
    result = to_json(message)
    same(message, result, without)
    orjson.dumps(result)  # no key that is not text
    described(schema, result)


def described(schema: type[schema_fields.Output], found: dict[str, Any]) -> None:
    """The schema describes exactly the keys that are shown, all the way down."""
    declared = {field.data_key or name: field for name, field in schema().fields.items()}
    assert set(declared) == set(found), schema.__name__
    for name, field in declared.items():
        inner = getattr(field, "inner", field)
        nested = getattr(inner, "nested", None) or getattr(getattr(inner, "value_field", None), "nested", None)
        value = found[name][0] if isinstance(found[name], list) else found[name]
        value = next(iter(value.values())) if hasattr(inner, "value_field") and nested else value
        if nested is not None:
            described(nested, value)


@pytest.mark.parametrize(
    ("kind", "to_json", "schema", "without"), SHOWN, ids=lambda each: getattr(each, "__name__", "")
)
def test_what_is_not_set_is_shown_as_well(
    kind: type[Message], to_json: Callable[[Any], dict[str, Any]], schema: Any, without: frozenset[str]
) -> None:
    assert set(to_json(kind())) == {field.name for field in kind.DESCRIPTOR.fields} - without


def test_all_messages_of_services_are_accounted_for() -> None:
    """A new answer of the contract has its JSON: nothing but these goes by another way."""
    files = [client_service_pb2, mailing_service_pb2, message_service_pb2, engine_service_pb2, access_service_pb2]
    answers = {
        method.output_type.full_name
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    elsewhere = {
        "google.protobuf.Empty",
        "mailing.v1.ExportClientsResponse",  # pages of clients: CSV or NDJSON, gateway.tables.csv_rows
        "mailing.v1.ListMessagesResponse",  # below
        # For the admin panel, which speaks gRPC; they have no route (tests/contract: FOR_THE_PANEL).
        "mailing.v1.ListClientFacetsResponse",
        "mailing.v1.BatchUpdateClientsResponse",
        "mailing.v1.BatchDeleteClientsResponse",
        "mailing.v1.Overview",
    }
    assert answers - elsewhere == {kind.DESCRIPTOR.full_name for kind, *_ in SHOWN} & answers


def test_a_list_of_messages_leaves_attempts_out() -> None:
    page = message_service_pb2.ListMessagesResponse(next_page_token="n", total_size=9)
    page.messages.add(id=1).attempt_history.add(number=1)
    shown = translate.message_list_json(page)
    assert set(shown) == {"messages", "next_page_token", "total_size"}
    assert shown["messages"] == [translate.message_json(page.messages[0])]
    assert not {"attempt_history", "text"} & shown["messages"][0].keys()


def test_unset_is_null() -> None:
    message = translate.message_json(message_pb2.Message(id=1))
    assert {key for key, value in message.items() if value is None} == {
        "client_id", "phone_number", "status", "reason", "sent_time", "final_time", "next_attempt_time", "text_version",
        "last_error",
    }  # fmt: skip
    assert translate.mailing_json(mailing_pb2.Mailing())["local_hours"] is None
    assert translate.mailing_json(mailing_pb2.Mailing())["rate_limit"] is None
    assert translate.stats_json(mailing_stats_pb2.MailingStats())["latency_seconds"] == dict.fromkeys(
        ("p50", "p95", "p99")
    )


def test_words_of_enums() -> None:
    mailing = mailing_pb2.Mailing(
        state=mailing_pb2.MAILING_STATE_SCHEDULED,
        audience_state=mailing_pb2.AUDIENCE_STATE_BUILDING,
        on_uncertain=mailing_pb2.ON_UNCERTAIN_NOT_SENT,
    )
    shown = translate.mailing_json(mailing)
    assert (shown["state"], shown["audience_state"], shown["on_uncertain"]) == ("scheduled", "building", "not_sent")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T09:00:00+03:00", "2026-01-31T06:00:00.000000Z"),
        ("2026-01-31t06:00:00z", "2026-01-31T06:00:00.000000Z"),
        ("2026-01-31T06:00:00.1234567Z", "2026-01-31T06:00:00.123456Z"),
        ("2026-01-31T06:00:00.5-00:30", "2026-01-31T06:30:00.500000Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_times(text: str, expected: str) -> None:
    assert translate.time_json(translate.time_proto(text)) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("2026-01-31T09:00:00", "offset"),
        ("2026-01-31", "RFC 3339"),
        ("2026-02-30T09:00:00Z", "RFC 3339"),
        ("2026-01-31T24:00:01Z", "RFC 3339"),
        ("2026-01-31T09:00:00+24:00", "RFC 3339"),
        ("2026-01-31T09:00:00Z\n", "RFC 3339"),
        ("0001-01-01T00:00:00+03:00", "RFC 3339"),
        ("9999-12-31T23:00:00-03:00", "RFC 3339"),
        ("٢٠٢٦-01-31T09:00:00Z", "RFC 3339"),
        ("tomorrow", "RFC 3339"),
        ("", "RFC 3339"),
    ],
)
def test_bad_times(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        translate.time_proto(text)


MAILING = {
    "text": "Hi",
    "filter": {"tags": ["new"], "phone_codes": ["916"]},
    "start_time": "2026-01-31T09:00:00+03:00",
    "end_time": "2026-02-01T09:00:00Z",
    "local_hours": {"from": "09:00", "to": "21:00"},
    "rate_limit": 2.5,
    "on_uncertain": "not_sent",
}


def test_a_mailing_there_and_back() -> None:
    shown = translate.mailing_json(translate.create_mailing_proto(MAILING, "key").mailing)
    times = {"start_time": "2026-01-31T06:00:00.000000Z", "end_time": "2026-02-01T09:00:00.000000Z"}
    assert {key: shown[key] for key in MAILING} == MAILING | times


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        ({}, []),
        ({"text": "x"}, ["text"]),
        ({"rate_limit": None}, ["rate_limit"]),
        ({"local_hours": None}, ["local_hours"]),
        ({"local_hours": {"to": "20:00"}}, ["local_hours.to"]),
        ({"filter": {"tags": []}}, ["filter.tags"]),
        ({"filter": {}}, []),
        (MAILING, ["text", "start_time", "end_time", "rate_limit", "on_uncertain", "filter.tags", "filter.phone_codes",
                   "local_hours.from", "local_hours.to"]),
    ],
)  # fmt: skip
def test_a_patch_of_a_mailing_names_its_fields(data: dict[str, Any], paths: list[str]) -> None:
    request = translate.update_mailing_proto(5, data, replace=False, validate_only=True)
    assert (request.mailing.id, list(request.update_mask.paths), request.validate_only) == (5, paths, True)


def test_put_replaces_everything() -> None:
    assert list(translate.update_mailing_proto(5, MAILING, replace=True).update_mask.paths) == ["*"]
    assert list(translate.update_client_proto(5, {"tag": "x"}, replace=True).update_mask.paths) == ["*"]


def test_clients_on_input() -> None:
    data = {"phone_number": "79161234567", "phone_code": "916", "tag": "new", "time_zone": "Europe/Moscow"}
    created = translate.create_client_proto(data, "key", validate_only=True)
    assert {key: getattr(created.client, key) for key in data} == data
    assert (created.request_id, created.validate_only) == ("key", True)
    patch = translate.update_client_proto(5, {"tag": "", "id": 6}, replace=False)
    assert (patch.client.id, list(patch.update_mask.paths)) == (5, ["tag"])


def test_filters_that_are_empty_are_set() -> None:
    assert translate.list_clients_proto({"tag": ""}).HasField("tag")
    assert not translate.list_clients_proto({"page_size": 5}).HasField("tag")
    assert translate.export_clients_proto({"phone_code": "916"}).phone_code == "916"
    messages = translate.list_messages_proto({"status": "not_sent", "reason": "expired", "client_id": 3}, mailing_id=2)
    assert (messages.mailing_id, messages.client_id) == (2, 3)
    assert (messages.status, messages.reason) == (
        message_pb2.MESSAGE_STATUS_NOT_SENT,
        message_pb2.NOT_SENT_REASON_EXPIRED,
    )
    assert not translate.list_messages_proto({}).HasField("mailing_id")
    audit = translate.list_audit_events_proto(
        {"actor": "a", "object_type": "mailing", "object_id": 4, "page_token": "p"}
    )
    assert (audit.actor, audit.object_type, audit.object_id, audit.page_token) == ("a", "mailing", 4, "p")


def test_rows_of_an_import() -> None:
    row = row_message(ClientRow(2, "7916", None, "", "UTC"))
    assert (row.line, row.phone_number, row.time_zone) == (2, "7916", "UTC")
    assert (row.HasField("phone_code"), row.HasField("tag")) == (False, True)


@pytest.mark.parametrize(
    ("data", "rate"), [({}, None), ({"rate_limit": None}, 0.0), ({"rate_limit": 0}, 0.0), ({"rate_limit": 7}, 7.0)]
)
def test_changes_of_the_engine(data: dict[str, Any], rate: float | None) -> None:
    request = translate.update_engine_proto({**data, "workers": 5, "sending": "paused"})
    assert (request.rate_limit if request.HasField("rate_limit") else None) == rate
    assert (request.workers, request.sending) == (5, engine_pb2.SENDING_STATE_PAUSED)
    assert not translate.update_engine_proto(data).HasField("workers")


def test_access_on_input() -> None:
    account = translate.create_account_proto({"name": "maria", "role": "operator", "password": "secret-1"}, "key")
    assert (account.name, account.role, account.password, account.request_id) == (
        "maria",
        access_pb2.ROLE_OPERATOR,
        "secret-1",
        "key",
    )
    token = translate.create_token_proto({"name": "t", "role": "admin", "expire_time": "2099-01-01T00:00:00Z"})
    assert translate.time_json(token.expire_time) == "2099-01-01T00:00:00.000000Z"
    assert not translate.create_token_proto({"name": "t", "role": "admin", "expire_time": None}).HasField("expire_time")
    assert translate.sign_in_proto({"name": "a", "password": "b"}).password == "b"
    changed = translate.change_password_proto({"current_password": "a", "new_password": "b"})
    assert (changed.current_password, changed.new_password) == ("a", "b")


def test_numbers_in_audit_details() -> None:
    event = audit_pb2.AuditEvent()
    event.detail.update({"whole": 5, "part": 0.5, "list": [1, {"deep": None}], "yes": True, "text": "t"})
    assert orjson.dumps(translate.audit_event_json(event)["detail"], option=orjson.OPT_SORT_KEYS) == (
        b'{"list":[1,{"deep":null}],"part":0.5,"text":"t","whole":5,"yes":true}'
    )
