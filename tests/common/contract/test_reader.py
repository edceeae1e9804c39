"""Everything in the contract can be read, and says of itself what the code derives from it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from common.contract.__main__ import SERVICES
from common.contract.reader import (
    Descriptor,
    Field,
    Kind,
    bindings_of,
    comment_of,
    field_of,
    fields_of,
    has_details,
    keys_min_of,
    name_of,
    sentences_of,
    words_of,
)
from mailing.v1 import (
    access_pb2,
    client_pb2,
    client_service_pb2,
    engine_service_pb2,
    mailing_pb2,
    mailing_service_pb2,
    message_pb2,
    options_pb2,
)
from mailing.v1.comments import COMMENTS


def messages() -> dict[str, Descriptor]:
    """All messages of the contract that a method takes or gives, by full name."""
    found: dict[str, Descriptor] = {}
    waiting = [
        kind
        for file in SERVICES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        for kind in (method.input_type, method.output_type)
    ]
    while waiting:
        kind = waiting.pop()
        if kind.full_name not in found and kind.full_name.startswith("mailing."):
            found[kind.full_name] = kind
            waiting += [field.message for field in fields_of(kind) if field.message is not None]
    return found


FIELDS = [field for kind in messages().values() for field in fields_of(kind)]


def test_there_is_a_contract() -> None:
    assert len(messages()) > 60
    assert len(FIELDS) > 250


@pytest.mark.parametrize("name", sorted(messages()))
def test_everything_has_a_comment(name: str) -> None:
    assert comment_of(name)
    assert all(comment_of(field.full_name) for field in fields_of(messages()[name]))


def test_no_comment_is_left_over() -> None:
    """Comments of what is not there any more: ``gen_proto --check`` finds them as well."""
    known = {*messages(), *(field.full_name for field in FIELDS)}
    fields = {name for name in COMMENTS if COMMENTS[name] and name.rpartition(".")[0] in messages()}
    assert fields <= known


def test_what_may_not_be_set_is_null() -> None:
    """A time that is not set would be shown as 1970, an object as an empty one: comment and rules say the same."""
    shown = [field for field in FIELDS if field.is_output_only or not field.full_name.split(".")[2].endswith("Request")]
    unset = {field.full_name for field in shown if re.search(r"\bNot set\b", comment_of(field.full_name))}
    single = [field for field in shown if not (field.is_list or field.is_map) and _can_be_null(field)]
    nullable = {field.full_name for field in single if field.is_nullable and field.kind in (Kind.TIME, Kind.OBJECT)}
    assert nullable <= unset
    assert {field.full_name for field in single if not field.is_nullable} & unset == {"mailing.v1.Mailing.filter"}


def _can_be_null(field: Field) -> bool:
    return field.kind in (Kind.TIME, Kind.OBJECT) or field.has_presence


def test_examples_are_of_the_field_s_kind() -> None:
    for field in FIELDS:
        for text in (field.rules.example, field.rules.input_example):
            if text and (field.kind in (Kind.WHOLE, Kind.REAL, Kind.STRUCT) or field.is_map):
                json.loads(text)
            elif text and field.kind is Kind.WORD:
                assert text in field.words.values(), field.full_name
            elif text and field.kind is Kind.TEXT and field.rules.pattern:
                assert re.fullmatch(field.rules.pattern, text.replace("#", "0")), field.full_name  # it becomes digits


def test_rules_are_those_of_a_field_that_it_is_like() -> None:
    tags = field_of(mailing_pb2.AudienceFilter.DESCRIPTOR, "tags")
    assert (tags.rules.length_max, tags.rules.entries_max, tags.is_list, tags.kind) == (64, 1000, True, Kind.TEXT)
    text = field_of(client_service_pb2.ImportClientsRow.DESCRIPTOR, "tag")
    assert text.rules.length_max == 64


def test_a_field() -> None:
    number = field_of(client_pb2.Client.DESCRIPTOR, "phone_number")
    assert (number.kind, number.is_required, number.is_output_only, number.is_nullable) == (
        Kind.TEXT,
        True,
        False,
        False,
    )
    assert field_of(client_pb2.Client.DESCRIPTOR, "id").is_output_only
    state = field_of(mailing_pb2.Mailing.DESCRIPTOR, "state")
    assert list(state.words.values()) == ["scheduled", "active", "paused", "cancelled", "ended"]
    assert not field_of(client_service_pb2.ListClientsRequest.DESCRIPTOR, "skip").is_in_rest
    with pytest.raises(KeyError):
        field_of(client_pb2.Client.DESCRIPTOR, "colour")


def test_names() -> None:
    assert name_of(client_pb2.Client.DESCRIPTOR) == "Client"
    assert name_of(access_pb2.ApiToken.DESCRIPTOR) == "Token"
    assert name_of(client_service_pb2.ListClientsResponse.DESCRIPTOR) == "ClientList"
    assert keys_min_of(engine_service_pb2.UpdateEngineRequest.DESCRIPTOR) == 1
    assert (has_details(message_pb2.Message.DESCRIPTOR), has_details(client_pb2.Client.DESCRIPTOR)) == (True, False)


def routes(file: Any) -> list[tuple[str, str, str, str | None]]:
    (service,) = file.DESCRIPTOR.services_by_name.values()
    return [(each.verb, each.path, each.body, each.role) for each in bindings_of(service)]


def test_bindings() -> None:
    assert routes(client_service_pb2)[:5] == [
        ("post", "/api/v1/clients", "client", "operator"),
        ("get", "/api/v1/clients/{client_id}", "", "viewer"),
        ("get", "/api/v1/clients", "", "viewer"),
        ("patch", "/api/v1/clients/{client_id}", "client", "operator"),
        ("put", "/api/v1/clients/{client_id}", "client", "operator"),
    ]
    service = mailing_service_pb2.DESCRIPTOR.services_by_name["MailingService"]
    put = next(each for each in bindings_of(service) if each.verb == "put")
    assert (put.path_fields, put.rest.summary) == (["mailing.id"], "Replace a mailing")


def test_words_without_grpc() -> None:
    """Sentences that name gRPC's statuses are left out, and what is not set is null."""
    assert sentences_of("mailing.v1.ClientService.CreateClient") == ["Add a client."]
    assert words_of("mailing.v1.Mailing.rate_limit") == (
        "Messages a second at most, above 0 and at most 100,000. Null: no limit of its own."
    )
    assert (
        words_of("mailing.v1.ListMessagesRequest.status", "left out")
        == "Only messages with this status; left out: any."
    )


def test_numbers_of_options_are_not_taken_twice() -> None:
    numbers = [extension.number for extension in options_pb2.DESCRIPTOR.extensions_by_name.values()]
    numbers += [extension.number for extension in access_pb2.DESCRIPTOR.extensions_by_name.values()]
    assert len(set(numbers)) == len(numbers) > 0
