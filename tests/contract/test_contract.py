"""The contract: complete (docs/behaviour.md, sections 4 and 5), commented, linted, its stubs up to date."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor

from mailing.v1 import (
    access_pb2,
    access_service_pb2,
    audit_pb2,
    client_pb2,
    client_service_pb2,
    engine_pb2,
    engine_service_pb2,
    event_pb2,
    event_service_pb2,
    inbound_service_pb2,
    mailing_pb2,
    mailing_service_pb2,
    mailing_stats_pb2,
    message_pb2,
    message_service_pb2,
    overview_pb2,
    receipt_service_pb2,
    suppression_pb2,
    suppression_service_pb2,
    test_text_pb2,
    webhook_service_pb2,
)

ROOT = Path(__file__).resolve().parents[2]
PROTOS = sorted((ROOT / "proto").rglob("*.proto"))
FILES: list[FileDescriptor] = [
    module.DESCRIPTOR
    for module in (
        *(
            access_pb2,
            access_service_pb2,
            audit_pb2,
            client_pb2,
            client_service_pb2,
            engine_pb2,
            engine_service_pb2,
            mailing_pb2,
        ),
        *(mailing_service_pb2, mailing_stats_pb2, message_pb2, message_service_pb2, overview_pb2, test_text_pb2),
        *(suppression_pb2, suppression_service_pb2, inbound_service_pb2, receipt_service_pb2),
        *(event_pb2, event_service_pb2, webhook_service_pb2),
    )
]

METHODS = {
    "ClientService": "CreateClient GetClient ListClients UpdateClient DeleteClient EraseClient "
    "ImportClients> "
    "ListClientFacets ListAttributeFacets BatchUpdateClients BatchDeleteClients ExportClients<",
    "MailingService": "CreateMailing GetMailing ListMailings UpdateMailing DeleteMailing PauseMailing ResumeMailing "
    "CancelMailing ArchiveMailing UnarchiveMailing PreviewMailing TestMailing GetMailingStats WatchMailing<",
    "MessageService": "GetMessage ListMessages ExportMessages<",
    "EngineService": "GetStatus GetOverview UpdateEngine SetWorkers SetRate PauseSending ResumeSending BackUp< "
    "ListAuditEvents "
    "GetReport MailReport",
    "AccessService": "SignIn DescribeSignIn BeginOidcSignIn FinishOidcSignIn SignOut WhoAmI ChangePassword "
    "GetTotp BeginTotp ConfirmTotp DisableTotp RenewRecoveryCodes "
    "CreateAccount ListAccounts RevokeAccount ResetTotp CreateToken ListTokens RevokeToken",
    "SuppressionService": "CreateSuppression ListSuppressions DeleteSuppression ImportSuppressions> "
    "ExportSuppressions<",
    "InboundService": "ReceiveText",
    "ReceiptService": "RecordReceipts ReceiveReceipts",
    "EventService": "ListEvents",
    "WebhookService": "CreateWebhook GetWebhook ListWebhooks UpdateWebhook DeleteWebhook ListWebhookDeliveries "
    "TestWebhook",
}
"""docs/behaviour.md, section 4; ``>`` streams requests, ``<`` responses."""

FOR_THE_PANEL = {
    "ListClientFacets",
    "ListAttributeFacets",
    "BatchUpdateClients",
    "BatchDeleteClients",
    "GetOverview",
    "DescribeSignIn",
    "BeginOidcSignIn",
    "FinishOidcSignIn",
}
"""What the admin panel needs beside docs/behaviour.md, sections 4 and 5: it speaks gRPC, so they have no route."""

WITHOUT_ROUTE = {"SetWorkers", "SetRate", "PauseSending", "ResumeSending", "BackUp"} | FOR_THE_PANEL
"""Over HTTP one PATCH serves the first four: UpdateEngine. A copy of the database is for the command alone."""

REPEATABLE = {
    "PauseMailing",
    "ResumeMailing",
    "CancelMailing",
    "ArchiveMailing",
    "UnarchiveMailing",
    "ImportClients",
    "ImportSuppressions",
    "EraseClient",
    "TestMailing",
    "ReceiveText",
    "RecordReceipts",
    "TestWebhook",
}
"""Methods with a request id beside the creates."""

VALIDATE_ONLY = {
    "CreateSuppression",
    "ImportClients",
    "CreateClient",
    "UpdateClient",
    "CreateMailing",
    "UpdateMailing",
    "TestMailing",
    "ReceiveText",
}

FOR_PROVIDERS = {"ReceiveText", "RecordReceipts", "WhoAmI"}
"""Methods that the role ``provider`` may call."""

ADMINS_READ = {"ListAccounts", "ListTokens", "GetWebhook", "ListWebhooks", "ListWebhookDeliveries"}
"""What tells who may do what, or where secrets are sent."""

IDS = re.compile(r"[.]id\b")
"""In a path: the id of what the body has."""

BEFORE_TOTP_SETUP = {"SignOut", "WhoAmI", "GetTotp", "BeginTotp", "ConfirmTotp"}
"""What a session may call whose account must set up two-step sign-in first."""

OPEN = {"SignIn", "DescribeSignIn", "BeginOidcSignIn", "FinishOidcSignIn", "ReceiveReceipts"}
"""Methods that need no token."""

ROUTES = """
GET /clients; POST /clients; GET /clients/{client_id}; PUT /clients/{client_id}; PATCH /clients/{client_id}
DELETE /clients/{client_id}; POST /clients/import; GET /clients/export
GET /mailings; POST /mailings; GET /mailings/{mailing_id}; PUT /mailings/{mailing_id}; PATCH /mailings/{mailing_id}
DELETE /mailings/{mailing_id}; POST /mailings/{mailing_id}/pause; POST /mailings/{mailing_id}/resume
POST /mailings/{mailing_id}/cancel; POST /mailings/{mailing_id}/archive; POST /mailings/{mailing_id}/unarchive
POST /mailings/preview; POST /mailings/test; GET /mailings/{mailing_id}/stats
GET /mailings/{mailing_id}/events; GET /mailings/{mailing_id}/messages; GET /messages; GET /messages/{message_id}
GET /mailings/{mailing_id}/messages/export; GET /messages/export
GET /engine; PATCH /engine; GET /audit; GET /report; POST /report/mail
POST /session; DELETE /session; GET /session; PUT /session/password; GET /accounts; POST /accounts
GET /suppressions; POST /suppressions; DELETE /suppressions/{phone_number}; POST /suppressions/import
GET /suppressions/export; POST /inbound; POST /receipts; POST /receipts/{provider}; POST /clients/{client_id}/erase
GET /events; GET /webhooks; POST /webhooks; GET /webhooks/{webhook_id}; PATCH /webhooks/{webhook_id}
DELETE /webhooks/{webhook_id}; GET /webhooks/{webhook_id}/deliveries; POST /webhooks/{webhook_id}/test
POST /accounts/{account_id}/revoke; POST /accounts/{account_id}/reset_totp
GET /session/totp; POST /session/totp; POST /session/totp/confirm; POST /session/totp/disable
POST /session/totp/recovery_codes; GET /tokens; POST /tokens; POST /tokens/{token_id}/revoke
"""
"""docs/behaviour.md, section 5; and accounts, sessions and tokens (docs/behaviour.md, section 6)."""

FIELDS = {
    "Client": "id phone_number phone_code tag time_zone create_time update_time",
    "Mailing": "id text filter start_time end_time local_hours rate_limit on_uncertain state audience_state segments "
    "message_counts create_time update_time",
    "AudienceFilter": "tags phone_codes",
    "LocalHours": "from to",
    "MessageCounts": "pending sent not_sent total",
    "Message": "id mailing_id client_id phone_number status reason attempts create_time sent_time next_attempt_time "
    "last_error delivery provider provider_message_id",
    "Delivery": "status time code detail",
    "MessageError": "http_status detail",
    "MailingStats": "mailing_id message_counts reasons progress rate_per_second estimated_completion_time forecast "
    "attempts latency_seconds by_phone_code by_tag by_time_zone timeline delivery by_provider cost",
    "ProviderCounts": "pending sent delivered undelivered not_sent cost",
    "DeliveryStats": "delivered undelivered none seconds",
    "DeliveryQuantiles": "p50 p95",
    "Receipt": "id provider_message_id status time code detail",
    "RecordReceiptsResponse": "accepted duplicate unknown",
    "AttemptStats": "total retried by_http_status by_smpp_status",
    "LatencyQuantiles": "p50 p95 p99",
    "TimelinePoint": "time sent not_sent deferred delivered",
    "PreviewMailingResponse": "audience segments forecast suppressed",
    "ImportClientsResponse": "created updated unchanged rejected errors",
    "ImportClientsError": "line field message",
    "Suppression": "phone_number reason note source create_time",
    "ReceiveTextRequest": "phone_number text time",
    "ReceiveTextResponse": "action",
    "Event": "id type time data",
    "Webhook": "id url events active create_time",
    "CreateWebhookResponse": "id url events active create_time secret",
}
"""The JSON names of docs/behaviour.md, section 5."""


def methods() -> Iterator[MethodDescriptor]:
    for file in FILES:
        for service in file.services_by_name.values():
            yield from service.methods


def bindings(method: MethodDescriptor) -> Iterator[tuple[str, str]]:
    """Each (verb, path) of a method."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    if method.name in WITHOUT_ROUTE:
        assert rule.WhichOneof("pattern") is None
        return
    for each in (rule, *rule.additional_bindings):
        verb = each.WhichOneof("pattern")
        assert verb is not None, f"{method.full_name} has no HTTP route"
        yield verb.upper(), getattr(each, verb)


def test_every_rpc_of_the_specification_is_there_each_service_in_a_file_of_its_own() -> None:
    found = {
        service.name: [
            method.name + ">" * bool(method.client_streaming) + "<" * bool(method.server_streaming)
            for method in service.methods
        ]
        for file in FILES
        for service in file.services_by_name.values()
    }
    assert found == {name: line.split() for name, line in METHODS.items()}
    assert all(len(file.services_by_name) <= 1 for file in FILES)


def test_http_annotations_cover_the_routes_of_the_specification() -> None:
    found = {
        f"{verb} {IDS.sub('_id', path.removeprefix('/api/v1'))}"
        for method in methods()
        for verb, path in bindings(method)
    }
    assert found == {route.strip() for route in re.split(r"[;\n]", ROUTES) if route.strip()}


def test_path_variables_and_bodies_are_fields_of_the_request() -> None:
    for method in methods():
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        for _, path in bindings(method):
            for variable in re.findall(r"\{(.+?)\}", path):
                message: Descriptor | None = method.input_type
                for name in variable.split("."):
                    assert message is not None
                    assert name in message.fields_by_name, f"{method.name}: {variable}"
                    message = message.fields_by_name[name].message_type
        if rule.body not in ("", "*"):
            assert rule.body in method.input_type.fields_by_name, method.name


@pytest.mark.parametrize("name", FIELDS)
def test_fields_have_the_names_of_the_specification(name: str) -> None:
    message = next(file.message_types_by_name[name] for file in FILES if name in file.message_types_by_name)
    assert set(FIELDS[name].split()) <= set(message.fields_by_name)


def test_requests_state_how_each_field_behaves() -> None:
    for method in methods():
        for field in method.input_type.fields:
            assert behaviours(field), f"{field.full_name} has no google.api.field_behavior"


def behaviours(field: FieldDescriptor) -> list[int]:
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def test_creates_take_a_request_id_and_updates_a_mask() -> None:
    for method in methods():
        names = set(method.input_type.fields_by_name)
        is_repeatable = method.name.startswith("Create") or method.name in REPEATABLE
        assert ("request_id" in names) == is_repeatable, method.name
        assert ("validate_only" in names) == (method.name in VALIDATE_ONLY), method.name
        # The engine is no resource with a mask: its fields are set or not.
        is_update = method.name.startswith(("Update", "BatchUpdate")) and method.name != "UpdateEngine"
        assert ("update_mask" in names) == is_update, method.name
        # Facets are no resources: the most frequent 1,000 of each kind, and no pages.
        if method.name.startswith("List") and not method.name.endswith("Facets"):
            assert {"page_size", "page_token", "skip", "order_by"} <= names
            assert {"next_page_token", "total_size"} <= set(method.output_type.fields_by_name)


def test_every_method_says_who_may_call_it() -> None:
    for method in methods():
        options = method.GetOptions()
        role, is_open = options.Extensions[access_pb2.required_role], options.Extensions[access_pb2.open_to_all]
        assert is_open == (method.name in OPEN), method.name
        assert (role == access_pb2.ROLE_UNSPECIFIED) == is_open, method.name
        also = options.Extensions[access_pb2.also_role]
        assert (also == access_pb2.ROLE_PROVIDER) == (method.name in ("ReceiveText", "RecordReceipts", "WhoAmI")), (
            method.name
        )
        before = options.Extensions[access_pb2.before_totp_setup]
        assert before == (method.name in BEFORE_TOTP_SETUP), method.name
        reads = method.name.startswith(("Get", "List", "Export", "Preview", "Watch", "WhoAmI"))
        if reads and method.name not in ADMINS_READ:
            assert role == access_pb2.ROLE_VIEWER, method.name


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.name)
def test_everything_is_commented(path: Path) -> None:
    lines = path.read_text().splitlines()
    bare = []
    for before, line in pairwise(lines):
        declares = re.match(
            r"\s*(message|enum|service|rpc|oneof) \w+|\s*[\w.<>, ]+ \w+ = \d+|\s*[A-Z0-9_]+ = \d+", line
        )
        if declares and not before.strip().startswith("//") and not line.startswith(("syntax", "package")):
            bare.append(line.strip())
    assert bare == []


def test_stubs_are_what_the_proto_files_make() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "scripts" / "gen_proto", "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("arguments", [["lint"], ["format", "--diff", "--exit-code", "proto"]], ids=["lint", "format"])
def test_buf_has_nothing_to_say(arguments: list[str]) -> None:
    buf = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
    if buf is None:
        pytest.skip("buf is not installed: pip install -e '.[dev]'")
    result = subprocess.run([buf, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_vendored_files_keep_their_licence() -> None:
    vendored = sorted((ROOT / "third_party" / "googleapis").rglob("*.proto"))
    assert vendored
    for path in vendored:
        assert "Apache License, Version 2.0" in path.read_text()[:600], path.name
