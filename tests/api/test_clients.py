"""ClientService over a real server and a real store."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2
from grpc import StatusCode, aio

from common.import_parts import PART_OF
from engine.access.authority import Authority
from engine.api.server import ApiServer
from engine.store.store import Store
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import (
    CreateClientRequest,
    DeleteClientRequest,
    ExportClientsRequest,
    GetClientRequest,
    ImportClientsRequest,
    ImportClientsRow,
    ListClientsRequest,
    UpdateClientRequest,
)
from mailing.v1.client_service_pb2_grpc import ClientServiceStub
from mailing.v1.engine_service_pb2 import ListAuditEventsRequest
from scripts.token_channel import with_token
from tests.api.conftest import Api, refusal
from tests.api.fakes import FakeClock, FakeControl, cheap_passwords

BAD = Client(phone_number="123", phone_code="x", tag="t" * 65, time_zone="Mars/Olympus")
BAD_FIELDS = {"phone_number", "phone_code", "tag", "time_zone"}


async def test_a_client_is_created_completed_and_read(api: Api) -> None:
    made = await api.add_client("+7 (916) 123-45-67", tag="new")
    assert (made.phone_number, made.phone_code, made.tag, made.time_zone) == ("79161234567", "916", "new", "UTC")
    assert made.id > 0
    assert made.create_time.ToMicroseconds() == made.update_time.ToMicroseconds() == api.clock.us
    assert await api.clients.GetClient(GetClientRequest(client_id=made.id)) == made
    assert api.control.clients == [made.id]


async def test_every_bad_field_of_a_client_is_named(api: Api) -> None:
    refused = await refusal(api.clients.CreateClient(CreateClientRequest(client=BAD, request_id="x" * 129)))
    assert refused.code is StatusCode.INVALID_ARGUMENT
    assert refused.bad == BAD_FIELDS | {"request_id"}
    assert refused.reason == "INVALID_FIELDS"
    assert refused.message


async def test_a_second_client_with_the_same_number_is_refused(api: Api) -> None:
    await api.add_client("79161234567")
    refused = await refusal(api.add_client("89161234567"))
    assert refused.code is StatusCode.ALREADY_EXISTS
    assert refused.bad == {"phone_number"}


async def test_a_client_that_is_not_there(api: Api) -> None:
    for call in (
        api.clients.GetClient(GetClientRequest(client_id=99)),
        api.clients.UpdateClient(UpdateClientRequest(client=Client(id=99, tag="x"))),
        api.clients.DeleteClient(DeleteClientRequest(client_id=99)),
    ):
        refused = await refusal(call)
        assert refused.code is StatusCode.NOT_FOUND
        resource = refused.detail(error_details_pb2.ResourceInfo)
        assert (resource.resource_type, resource.resource_name) == ("client", "99")


async def test_a_repeated_request_id_gets_the_first_answer(api: Api) -> None:
    request = CreateClientRequest(client=Client(phone_number="79161234567"), request_id="once")
    first = await api.clients.CreateClient(request)
    await api.clients.UpdateClient(UpdateClientRequest(client=Client(id=first.id, tag="later")))
    assert await api.clients.CreateClient(request) == first
    request.client.tag = "other"
    refused = await refusal(api.clients.CreateClient(request))
    assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    assert refused.bad == {"request_id"}


async def test_a_repeated_request_id_gets_the_first_answer_although_it_would_be_refused_now(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = CreateClientRequest(client=Client(phone_number="79161234567", time_zone="Asia/Omsk"), request_id="once")
    first = await api.clients.CreateClient(request)
    monkeypatch.setattr("engine.domain.validate.time_zone_of", lambda text: None)
    assert await api.clients.CreateClient(request) == first
    request.request_id = "twice"
    assert (await refusal(api.clients.CreateClient(request))).bad == {"time_zone"}


async def update(api: Api, client: Client, *paths: str) -> Client:
    return await api.clients.UpdateClient(UpdateClientRequest(client=client, update_mask=FieldMask(paths=paths)))


async def test_an_update_changes_what_the_mask_names(api: Api) -> None:
    made = await api.add_client("79161234567", tag="a", time_zone="Europe/Moscow")
    api.clock.pass_seconds(1)
    changed = await update(api, Client(id=made.id, tag="b", time_zone="Asia/Omsk"), "tag")
    assert (changed.tag, changed.time_zone) == ("b", "Europe/Moscow")
    assert changed.update_time.ToMicroseconds() == api.clock.us
    assert changed.create_time == made.create_time
    assert (await update(api, Client(id=made.id), "tag")).tag == ""


async def test_without_a_mask_what_is_set_changes(api: Api) -> None:
    made = await api.add_client("79161234567", tag="a")
    changed = await update(api, Client(id=made.id, time_zone="Asia/Omsk"))
    assert (changed.tag, changed.time_zone) == ("a", "Asia/Omsk")


async def test_a_star_replaces_the_client(api: Api) -> None:
    made = await api.add_client("79161234567", tag="a", time_zone="Asia/Omsk", phone_code="999")
    changed = await update(api, Client(id=made.id, phone_number="79161234567"), "*")
    assert (changed.tag, changed.time_zone, changed.phone_code) == ("", "UTC", "916")


async def test_a_derived_code_follows_the_number_a_given_one_stays(api: Api) -> None:
    derived, given = await api.add_client("79161234567"), await api.add_client("79161234568", phone_code="999")
    assert (await update(api, Client(id=derived.id, phone_number="79257654321"))).phone_code == "925"
    assert (await update(api, Client(id=given.id, phone_number="79257654322"))).phone_code == "999"


async def test_paths_that_are_not_fields_are_named_and_output_fields_ignored(api: Api) -> None:
    made = await api.add_client("79161234567", tag="a")
    refused = await refusal(update(api, Client(id=made.id), "tag", "nonsense", "tag.inner"))
    assert refused.bad == {"update_mask"}
    assert '"nonsense"' in refused.message
    assert '"tag.inner"' in refused.message
    told = len(api.control.clients)
    assert await update(api, Client(id=made.id), "create_time", "id") == made
    assert len(api.control.clients) == told


@pytest.mark.parametrize("key", ["Bad", "a.b", "", "tag", "a" * 33])
async def test_a_path_below_attributes_is_the_name_of_one(api: Api, key: str) -> None:
    made = await api.add_client("79161234567")
    path = f"attributes.{key}"
    refused = await refusal(update(api, Client(id=made.id), path))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"update_mask"})
    for value in ("x", None):  # the client itself has the bad name: that is told, with all else that is bad
        client = Client(id=made.id, time_zone="Mars")
        client.attributes.update({key: value})
        assert (await refusal(update(api, client, path, "time_zone"))).bad == {path, "time_zone"}
    assert (await update(api, Client(id=made.id), "attributes.good")).id == made.id


async def test_every_bad_field_of_an_update_is_named(api: Api) -> None:
    made = await api.add_client("79161234567")
    bad = Client()
    bad.CopyFrom(BAD)
    bad.id = made.id
    assert (await refusal(update(api, bad, "*"))).bad == BAD_FIELDS


async def test_a_deleted_client_is_gone(api: Api) -> None:
    made = await api.add_client("79161234567")
    await api.clients.DeleteClient(DeleteClientRequest(client_id=made.id))
    assert (await refusal(api.clients.GetClient(GetClientRequest(client_id=made.id)))).code is StatusCode.NOT_FOUND
    assert api.control.clients == [made.id, made.id]
    assert api.control.followed == [[made.id]]  # nobody can have a claim of a new one


async def test_filters_of_the_list(api: Api) -> None:
    await api.add_client("79161234567", tag="a", time_zone="Asia/Omsk")
    await api.add_client("79251234567", tag="b")
    await api.add_client("79251234568")
    for request, numbers in (
        (ListClientsRequest(tag="a"), ["79161234567"]),
        (ListClientsRequest(tag=""), ["79251234568"]),
        (ListClientsRequest(phone_code="925"), ["79251234567", "79251234568"]),
        (ListClientsRequest(phone_code="925", tag="b"), ["79251234567"]),
        (ListClientsRequest(phone_number="8 925 123-45-68"), ["79251234568"]),
        (ListClientsRequest(time_zone="Asia/Omsk"), ["79161234567"]),
        (ListClientsRequest(time_zone="Asia/Tomsk"), []),
    ):
        found = await api.clients.ListClients(request)
        assert [client.phone_number for client in found.clients] == numbers
        assert found.total_size == len(numbers)
        assert found.next_page_token == ""


async def test_a_number_that_may_be_somebody_else_s_is_refused_wherever_one_is_read(api: Api) -> None:
    made, damaged = await api.add_client("79161234567"), "7771234567.0"
    for call in (
        api.add_client(damaged),
        api.clients.UpdateClient(UpdateClientRequest(client=Client(id=made.id, phone_number=damaged))),
        api.clients.ListClients(ListClientsRequest(phone_number=damaged)),
        api.clients.ExportClients(ExportClientsRequest(phone_number=damaged)).read(),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"phone_number"})
    rows = [ImportClientsRow(line=2, phone_number=damaged), ImportClientsRow(line=3, phone_number="7,9265551E+10")]
    report = await api.clients.ImportClients(iter([ImportClientsRequest(rows=rows)]))
    assert (report.created, report.rejected) == (0, 2)
    assert "single digit" in report.errors[0].message
    assert "Excel has shortened" in report.errors[1].message


async def test_pages_survive_inserts_and_deletions(api: Api) -> None:
    await api.add_clients(5)
    request = ListClientsRequest(page_size=2)
    first = await api.clients.ListClients(request)
    await api.clients.DeleteClient(DeleteClientRequest(client_id=first.clients[0].id))
    await api.add_client("79169999999")
    seen = [client.phone_number for client in first.clients]
    page = first
    while page.next_page_token:
        request.page_token = page.next_page_token
        page = await api.clients.ListClients(request)
        seen += [client.phone_number for client in page.clients]
    assert seen == [*(str(79160000000 + n) for n in range(5)), "79169999999"]
    assert page.total_size == 5


async def test_page_tokens_of_others_and_damaged_ones_are_refused(api: Api) -> None:
    await api.add_clients(5)
    token = (await api.clients.ListClients(ListClientsRequest(page_size=2))).next_page_token
    damaged = ("A" if token[0] != "A" else "B") + token[1:]
    for request in (
        ListClientsRequest(page_token=token, tag="a"),
        ListClientsRequest(page_token=damaged),
        ListClientsRequest(page_token=token[:-1]),
        ListClientsRequest(page_token="né"),
        ListClientsRequest(page_token=token + "=" * 3),
    ):
        refused = await refusal(api.clients.ListClients(request))
        assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"page_token"})
    # Another size is no other list.
    assert len((await api.clients.ListClients(ListClientsRequest(page_size=1000, page_token=token))).clients) == 3


async def test_bad_list_requests_name_every_field(api: Api) -> None:
    refused = await refusal(api.clients.ListClients(ListClientsRequest(page_size=-1, page_token="x", phone_number="y")))
    assert refused.bad == {"page_size", "page_token", "phone_number"}


async def test_page_sizes(api: Api) -> None:
    await api.add_clients(1001)
    assert len((await api.clients.ListClients(ListClientsRequest())).clients) == 50
    lowered = await api.clients.ListClients(ListClientsRequest(page_size=5000))
    assert (len(lowered.clients), lowered.total_size) == (1000, 1001)


# -- import and export -------------------------------------------------------------------------


def row(phone_number: str, line: int = 0, **fields: str) -> ImportClientsRow:
    return ImportClientsRow(line=line, phone_number=phone_number, **fields)


async def test_an_import_counts_what_it_did_and_names_each_bad_field_of_each_bad_row(api: Api) -> None:
    await api.add_client("79161234567", tag="a")
    await api.add_client("79161234568", tag="a")
    pages = [
        ImportClientsRequest(rows=[row("89161234567", 2, tag="a"), row("79161234568", 3, tag="b")]),
        ImportClientsRequest(rows=[]),
        ImportClientsRequest(rows=[row("1", 4, time_zone="Moon"), row("79161234569", 5)]),
    ]
    report = await api.clients.ImportClients(iter(pages))
    assert (report.created, report.updated, report.unchanged, report.rejected) == (1, 1, 1, 1)
    assert [(error.line, error.field) for error in report.errors] == [(4, "phone_number"), (4, "time_zone")]
    assert all(error.message for error in report.errors)
    assert len(api.control.clients) == 4
    assert api.control.followed == [None]  # once, when all is stored


async def test_an_import_of_many_pages_is_one_entry_of_the_audit_list(api: Api) -> None:
    pages = [ImportClientsRequest(rows=[row(f"7916123456{digit}")]) for digit in range(4)]
    await api.clients.ImportClients(iter(pages))
    (event,) = (await api.engine.ListAuditEvents(ListAuditEventsRequest(action="client.import"))).audit_events
    assert dict(event.detail)["created"] == 4


async def test_calls_that_are_parts_of_one_import_are_one_entry_of_each_caller(api: Api) -> None:
    async def imported(name: str, first: int, *, rows: int = 2) -> None:
        pages = [ImportClientsRequest(rows=[row(str(number)) for number in range(first, first + rows)])]
        await api.clients.ImportClients(iter(pages), metadata=((PART_OF, name),))

    async def noted() -> list[Any]:
        asked = ListAuditEventsRequest(action="client.import")
        found = (await api.engine.ListAuditEvents(asked)).audit_events
        return [dict(event.detail)["created"] for event in reversed(found)]

    for first in range(79161230000, 79161230006, 2):
        await imported("a", first)
    await imported("b", 79161230010)
    await imported("x" * 65, 79161230020)
    await imported("x" * 65, 79161230030)
    assert await noted() == [6, 2, 2, 2]
    await imported("a", 79161230006, rows=1)
    assert await noted() == [7, 2, 2, 2]


async def test_rows_without_a_line_are_counted(api: Api) -> None:
    pages = [ImportClientsRequest(rows=[row("79161234567")]), ImportClientsRequest(rows=[row("79161234568"), row("x")])]
    report = await api.clients.ImportClients(iter(pages))
    assert [error.line for error in report.errors] == [3]


@pytest.mark.parametrize(("asked", "listed"), [(0, 1_000), (3, 3), (1_000, 1_000), (1_000_000, 1_000)])
async def test_an_import_lists_as_many_errors_as_its_first_page_asks_for(api: Api, asked: int, listed: int) -> None:
    pages = [ImportClientsRequest(rows=[row("x")] * 5010, errors_max=maximum) for maximum in (asked, 5)]
    report = await api.clients.ImportClients(iter(pages))
    assert report.rejected == 10_020
    assert [error.line for error in report.errors] == list(range(1, listed + 1))


async def test_an_import_lists_no_more_errors_than_fit_into_a_message(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text counts once, however many rows have this fault."""
    monkeypatch.setattr("engine.api.importing.ERROR_BYTES_MAX", 500)
    same = [ImportClientsRequest(rows=[row("x", time_zone="Moon")] * 100)]
    assert len((await api.clients.ImportClients(iter(same))).errors) == 200
    pages = [ImportClientsRequest(rows=[row("x" * n) for n in range(100)])] * 2
    report = await api.clients.ImportClients(iter(pages))
    lines = [error.line for error in report.errors]
    assert (report.rejected, lines) == (200, list(range(1, len(lines) + 1)))
    texts = {(error.field, error.message) for error in report.errors}
    assert sum(len(part.encode()) for text in texts for part in text) <= 500


async def test_how_many_errors_an_import_lists_is_not_negative(api: Api) -> None:
    refused = await refusal(api.clients.ImportClients(iter([ImportClientsRequest(rows=[row("x")], errors_max=-1)])))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"errors_max"})


async def test_a_page_that_is_too_large_is_refused(api: Api) -> None:
    refused = await refusal(api.clients.ImportClients(iter([ImportClientsRequest(rows=[row("x")] * 10_001)])))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"rows"})


@pytest.mark.parametrize(
    ("said", "code", "tag", "zone"),
    [
        ({}, "999", "a", "Asia/Omsk"),
        ({"tag": "b"}, "999", "b", "Asia/Omsk"),
        ({"tag": ""}, "999", "", "Asia/Omsk"),
        ({"time_zone": ""}, "999", "a", "UTC"),
        ({"phone_code": "", "time_zone": "Asia/Tomsk"}, "916", "a", "Asia/Tomsk"),
    ],
)
async def test_a_row_leaves_alone_what_it_does_not_say(
    api: Api, said: dict[str, Any], code: str, tag: str, zone: str
) -> None:
    made = await api.add_client("79161234567", tag="a", time_zone="Asia/Omsk", phone_code="999")
    rows = [ImportClientsRow(phone_number="79161234567", **said), row("79251234567", tag="new")]
    report = await api.clients.ImportClients(iter([ImportClientsRequest(rows=rows)]))
    assert (report.created, report.updated, report.unchanged) == (1, bool(said), not said)
    after = await api.clients.GetClient(GetClientRequest(client_id=made.id))
    assert (after.phone_code, after.tag, after.time_zone) == (code, tag, zone)
    (new,) = (await api.clients.ListClients(ListClientsRequest(phone_code="925"))).clients
    assert (new.tag, new.time_zone) == ("new", "UTC")


async def test_an_export_tells_all_that_match_in_pages(api: Api) -> None:
    await api.add_clients(25)
    pages = [page async for page in api.clients.ExportClients(ExportClientsRequest(page_size=10))]
    assert [len(page.clients) for page in pages] == [10, 10, 5]
    numbers = [int(client.phone_number) for page in pages for client in page.clients]
    assert numbers == [79160000000 + n for n in range(25)]
    tagged = [page async for page in api.clients.ExportClients(ExportClientsRequest(tag="a"))]
    assert [len(page.clients) for page in tagged] == [13]
    assert [page async for page in api.clients.ExportClients(ExportClientsRequest(tag="none"))] == []


async def test_a_bad_export_names_its_fields(api: Api) -> None:
    refused = await refusal(api.clients.ExportClients(ExportClientsRequest(phone_number="x", page_size=-1)).read())
    assert refused.bad == {"phone_number", "page_size"}


async def test_a_client_gets_the_time_zone_of_the_setting_where_none_is_said(store: Store) -> None:
    clock = FakeClock()
    authority = Authority(store, clock, passwords=cheap_passwords(), monotonic=lambda: 0.0)
    server = ApiServer(store, FakeControl(), clock, authority=authority, default_time_zone="Asia/Omsk")
    port = await server.start("127.0.0.1:0")
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        clients = ClientServiceStub(with_token(channel))
        made = await clients.CreateClient(CreateClientRequest(client=Client(phone_number="79161234567")))
        assert made.time_zone == "Asia/Omsk"
        change = UpdateClientRequest(client=Client(id=made.id), update_mask=FieldMask(paths=["time_zone"]))
        assert (await clients.UpdateClient(change)).time_zone == "Asia/Omsk"
        rows = [
            ImportClientsRow(phone_number="79161234568"),
            ImportClientsRow(phone_number="79161234569", time_zone=""),
            ImportClientsRow(phone_number="79161234570", time_zone="UTC"),
        ]
        await clients.ImportClients(iter([ImportClientsRequest(rows=rows)]))
        listed = await clients.ListClients(ListClientsRequest())
        assert [client.time_zone for client in listed.clients] == ["Asia/Omsk"] * 3 + ["UTC"]
    await server.stop(0)
