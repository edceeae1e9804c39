"""The document is valid OpenAPI 3, says all that can happen, and its examples are what it says they should be."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from google.api import annotations_pb2
from grpc import StatusCode, aio
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator

from common.contract.services import SERVICES
from gateway.app import make_app
from gateway.document import page
from gateway.document.fresh import fresh
from gateway.document.openapi import DOCUMENT, Body, make_document, operation, setup_document
from gateway.document.page import DOCS_PATH, DOCUMENT_PATH
from gateway.document.shared_parts import ERRORS, PROBLEM_TYPE
from gateway.http.problems import of_rpc
from gateway.settings import Settings
from gateway.shapes import Use, schema_of
from gateway.tables.workbook import WORKBOOK_TYPE
from mailing.v1.client_pb2 import Client

API = "/api/v1"


@pytest.fixture
async def app() -> AsyncIterator[web.Application]:
    async with aio.insecure_channel("127.0.0.1:1") as channel:
        yield make_app(Settings(admin_secret="a secret of the tests"), channel)


@pytest.fixture
async def document(app: web.Application) -> dict[str, Any]:
    """As it is read at some time."""
    found: dict[str, Any] = orjson.loads(fresh(orjson.dumps(app[DOCUMENT]), datetime.now(UTC)))
    return found


@pytest.fixture
async def browser(app: web.Application) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async with TestClient(TestServer(app)) as client:
        yield client


Operation = tuple[str, str, dict[str, Any]]


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method, described in item.items():
            yield method, path, described


def test_it_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.0.3"
    OpenAPIV30SpecValidator(document).validate()


def test_ids_are_unique_and_everything_is_said(document: dict[str, Any]) -> None:
    ids = [described["operationId"] for _, _, described in operations(document)]
    assert len(set(ids)) == len(ids) > 30
    declared = {tag["name"] for tag in document["tags"]}
    for name, schema in document["components"]["schemas"].items():
        for key, shown in schema.get("properties", {}).items():
            assert shown.get("description") or "$ref" in shown, (name, key)
    for method, path, described in operations(document):
        assert 0 < len(described["summary"]) <= 80, (method, path)
        assert described["description"], (method, path)
        assert set(described["tags"]) <= declared, (method, path)
        assert any(200 <= int(status) < 300 for status in described["responses"]), (method, path)
        for parameter in described["parameters"]:
            assert parameter["description"], (method, path, parameter["name"])


def test_every_rpc_with_a_route_is_there(document: dict[str, Any]) -> None:
    """The routes of the contract's http annotations, and no other."""
    declared = set()
    for service in SERVICES.values():
        for method in service.methods:
            rule = method.GetOptions().Extensions[annotations_pb2.http]
            for each in [rule, *rule.additional_bindings]:
                if verb := each.WhichOneof("pattern"):
                    declared.add((verb, re.sub(r"\{(\w+)\.id\}", r"{\1_id}", getattr(each, verb))))
    found = {(method, path) for method, path, _ in operations(document) if path.startswith(API)}
    assert found == declared
    assert len(declared) > 30


PANEL_ONLY = {"skip", "order_by", "phone_contains", "timeline_points_max"}
"""Fields of requests that REST does without: they are for the admin panel, which shows page numbers and searches as one
types, and speaks gRPC; REST turns pages by tokens (docs/behaviour.md, section 5)."""

STREAMED = {"page_size", "with_attribute_names"}
"""Of an export: how the rows are cut into messages is no matter of REST's."""


def test_every_field_of_a_get_request_is_a_parameter(document: dict[str, Any]) -> None:
    found = {(method, path): described for method, path, described in operations(document)}
    left_out = set()
    for service in SERVICES.values():
        for method in service.methods:
            path = method.GetOptions().Extensions[annotations_pb2.http].get
            if not path:
                continue
            parameters = {each["name"].partition(".")[0] for each in found["get", path]["parameters"]}
            missing = {field.name for field in method.input_type.fields} - parameters - PANEL_ONLY
            assert missing <= (STREAMED if method.server_streaming else set()), method.name
            left_out |= {field.name for field in method.input_type.fields} - parameters
    assert left_out == PANEL_ONLY | STREAMED


def test_security(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    open_ones = {(method, path) for method, path, described in operations(document) if described["security"] == []}
    assert {each for each in open_ones if each[1].startswith(API)} == {
        ("post", f"{API}/session"),
        ("post", f"{API}/receipts/{{provider}}"),
    }
    for method, path, described in operations(document):
        if (method, path) not in open_ones:
            assert described["security"] == [{"bearer": []}]
            assert {"401", "429", "503", "504"} <= set(described["responses"]), (method, path)


def test_what_may_happen_to_every_request(document: dict[str, Any]) -> None:
    """Whatever it asks for: its header comes too slowly, is too long, or there are too many connections."""
    for method, path, described in operations(document):
        assert {"408", "431", "503"} <= set(described["responses"]), (method, path)


def test_the_challenge_is_described_as_it_is_sent(document: dict[str, Any]) -> None:
    described = document["components"]["responses"]["Problem401"]["headers"]["WWW-Authenticate"]
    sent = of_rpc(aio.AioRpcError(StatusCode.UNAUTHENTICATED, aio.Metadata(), aio.Metadata())).headers
    assert described["schema"]["enum"] == [described["example"]] == [sent["WWW-Authenticate"]]


def test_health_and_metrics_are_there(document: dict[str, Any]) -> None:
    found = {path: item["get"] for path, item in document["paths"].items() if not path.startswith(API)}
    assert set(found) == {"/healthz", "/readyz", "/metrics"}
    assert {path for path, described in found.items() if described["security"]} == {"/metrics"}


def test_what_follows_from_a_body_a_path_and_a_key(document: dict[str, Any]) -> None:
    for method, path, described in operations(document):
        statuses = set(described["responses"])
        if "requestBody" in described:
            assert described["requestBody"]["required"] is True
            assert {"400", "408", "413", "415"} <= statuses, (method, path)
        if "{" in path:
            assert "404" in statuses, (method, path)
        if any(each["name"] == "Idempotency-Key" for each in described["parameters"]):
            assert {"409", "422"} <= statuses, (method, path)


def test_posts_take_a_key(document: dict[str, Any]) -> None:
    without = {
        path
        for method, path, described in operations(document)
        if method == "post" and not any(each["name"] == "Idempotency-Key" for each in described["parameters"])
    }
    # They change nothing, or repeating them does no harm.
    assert without <= {
        f"{API}/mailings/preview",
        f"{API}/session",
        f"{API}/inbound",
        f"{API}/report/mail",
        f"{API}/receipts/{{provider}}",
        f"{API}/accounts/{{account_id}}/revoke",
        f"{API}/accounts/{{account_id}}/reset_totp",
        f"{API}/tokens/{{token_id}}/revoke",
        # A one-time code is good once; a secret that nobody has seen is made anew.
        *(f"{API}/session/totp{path}" for path in ("", "/confirm", "/disable", "/recovery_codes")),
    }


def test_streams(document: dict[str, Any]) -> None:
    paths = document["paths"]
    imported = paths[f"{API}/clients/import"]["post"]["requestBody"]["content"]
    assert set(imported) == {"text/csv", "application/x-ndjson", WORKBOOK_TYPE}
    exported = paths[f"{API}/clients/export"]["get"]["responses"]["200"]["content"]
    assert set(exported) == {"text/csv", "application/x-ndjson"}
    events = paths[f"{API}/mailings/{{mailing_id}}/events"]["get"]["responses"]["200"]["content"]
    assert set(events) == {"text/event-stream"}


def test_errors_are_problems(document: dict[str, Any]) -> None:
    named = document["components"]["responses"]
    assert len(named) == len(ERRORS)
    for response in named.values():
        assert list(response["content"]) == [PROBLEM_TYPE]
    for method, path, described in operations(document):
        for status, response in described["responses"].items():
            if int(status) >= 400 and "$ref" in response:
                assert response == {"$ref": f"#/components/responses/Problem{status}"}, (method, path)


def test_every_example_is_as_its_schema_says(document: dict[str, Any]) -> None:
    checked = 0
    for place, media in _media(document):
        if "example" in media:
            schema = {**media["schema"], "components": document["components"]}
            errors = [error.message for error in OAS30Validator(schema).iter_errors(media["example"])]
            assert not errors, (place, errors)
            checked += 1
    assert checked > 40


def test_every_json_body_and_answer_has_an_example(document: dict[str, Any]) -> None:
    assert [place for place, media in _media(document) if "example" not in media] == []


def _media(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for method, path, described in operations(document):
        for kind, media in described.get("requestBody", {}).get("content", {}).items():
            yield f"{method} {path} {kind}", media
        for status, response in described["responses"].items():
            for kind, media in response.get("content", {}).items():
                yield f"{method} {path} {status} {kind}", media
    for name, response in document["components"]["responses"].items():
        for media in response["content"].values():
            yield name, media


def test_inputs_refuse_what_they_do_not_know_and_null_is_said(document: dict[str, Any]) -> None:
    named = document["components"]["schemas"]
    assert named["MailingCreate"]["additionalProperties"] is False
    assert "additionalProperties" not in named["Mailing"]  # so that a new field breaks no reader
    hours = named["MailingCreate"]["properties"]["local_hours"]
    validator = OAS30Validator({**hours, "components": document["components"]})
    assert validator.is_valid(None)
    assert validator.is_valid({"from": "09:00", "to": "21:00"})
    assert not validator.is_valid({"colour": "red"})
    assert named["MailingCreate"]["properties"]["rate_limit"]["nullable"] is True


def _routes() -> list[web.RouteDef]:
    @operation(
        id="make", tag="clients", summary="Make", role="operator", idempotent=True,
        body=schema_of(Client.DESCRIPTOR, Use.CREATE), response=(201, schema_of(Client.DESCRIPTOR)), errors=(501,),
    )  # fmt: skip
    async def make(_: web.Request) -> web.Response:
        return web.Response()

    @operation(id="send", tag="clients", summary="Send", role=None, bodies={"text/csv": Body({"type": "string"}, "a")})
    async def send(_: web.Request) -> web.Response:
        return web.Response()

    return [web.post("/x/{client_id}", make), web.post("/send", send)]


def test_an_operation_says_what_follows_from_it() -> None:
    app = web.Application()
    app.router.add_routes(_routes())
    paths = make_document(app)["paths"]
    made = paths["/x/{client_id}"]["post"]
    statuses = {"201", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "431", "501", "503", "504"}
    assert set(made["responses"]) == statuses
    assert made["responses"]["201"]["headers"].keys() == {"Location"}
    assert [each["name"] for each in made["parameters"]] == ["client_id", "Idempotency-Key"]
    assert "*operator*" in made["description"]
    sent = paths["/send"]["post"]
    statuses = {"200", "400", "408", "413", "415", "422", "431", "503"}
    assert (sent["security"], set(sent["responses"])) == ([], statuses)


def test_two_applications_have_each_their_own_document() -> None:
    documents = []
    for _ in range(2):
        app = web.Application()
        app.router.add_routes(_routes())
        setup_document(app)
        documents.append(app[DOCUMENT])
    assert documents[0] == documents[1]
    OpenAPIV30SpecValidator(documents[1]).validate()


# -- the page ------------------------------------------------------------------------------------


async def test_the_page_asks_nobody_else(browser: TestClient[web.Request, web.Application]) -> None:
    async with browser.get(DOCS_PATH) as response:
        text = await response.text()
        policy = response.headers["Content-Security-Policy"]
        assert (response.status, response.content_type) == (200, "text/html")
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in text.replace("http-equiv", "")
    for name in re.findall(r'(?:src|href)="([^"]+)"', text):
        async with browser.get(DOCS_PATH + name) as response:
            assert response.status == 200, name
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert len(await response.read()) > 100


@pytest.mark.parametrize("path", ["/api/v1/docs", "/docs/", "/docs"])
async def test_other_addresses_lead_there(browser: TestClient[web.Request, web.Application], path: str) -> None:
    async with browser.get(path, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (308, DOCS_PATH)


async def test_the_document_is_served(
    browser: TestClient[web.Request, web.Application], app: web.Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "fresh", lambda document, now: document if now.tzinfo else b"")
    async with browser.get(DOCUMENT_PATH) as response:
        assert response.content_type == "application/json"
        assert await response.json() == app[DOCUMENT]


async def test_no_outside_validator(browser: TestClient[web.Request, web.Application]) -> None:
    async with browser.get(DOCS_PATH + "start.js") as response:
        assert "validatorUrl: null" in await response.text()


def test_what_the_engine_refuses_is_refused_by_the_document(document: dict[str, Any]) -> None:
    named = document["components"]["schemas"]

    def valid(name: str, field: str, value: Any) -> bool:
        return bool(OAS30Validator(named[name]["properties"][field]).is_valid(value))

    assert not OAS30Validator(named["EnginePatch"]).is_valid({})
    assert OAS30Validator(named["EnginePatch"]).is_valid({"workers": 1})
    assert "minProperties" not in named["ClientPatch"]
    assert [valid("AccountCreate", "name", name) for name in ("maria@x-1", "m m", "", "m" * 65)] == [1, 0, 0, 0]
    names = ("reports", "все отчёты", "a", " a", "a ", "a\tb", "", "a" * 65)
    assert [valid("TokenCreate", "name", name) for name in names] == [1, 1, 1, 0, 0, 0, 0, 0]
    for name, field in (("ClientCreate", "tag"), ("ClientPatch", "tag"), ("MailingCreate", "text")):
        assert valid(name, field, "a\nb")
        assert not valid(name, field, "a\0b")
    assert not OAS30Validator(named["AudienceFilter"]).is_valid({"tags": ["a\0"]})
