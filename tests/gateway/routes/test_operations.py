"""Routes of the contract: their names, and the requests that are made of what came."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.routes.operations import binding_named, request_of, routes_of
from mailing.v1.mailing_pb2 import Mailing
from mailing.v1.mailing_service_pb2 import PreviewMailingRequest
from tests.common.contract.test_codec import MAILING

CLIENT = {"phone_number": "79161234567", "phone_code": "916", "tag": "new", "time_zone": "Europe/Moscow"}


def test_a_new_one() -> None:
    asked = request_of(binding_named("createClient"), CLIENT, {"request_id": "key", "validate_only": True})
    assert {name: getattr(asked.client, name) for name in CLIENT} == CLIENT
    assert (asked.request_id, asked.validate_only) == ("key", True)


@pytest.mark.parametrize(("data", "paths"), [({}, []), ({"tag": "", "id": 6}, ["tag"]), (CLIENT, [*CLIENT])])
def test_a_patch_names_its_fields(data: dict[str, Any], paths: list[str]) -> None:
    asked = request_of(binding_named("updateClient"), data, {"client.id": 5})
    assert (asked.client.id, list(asked.update_mask.paths), asked.validate_only) == (5, paths, False)


@pytest.mark.parametrize("data", [{"filter": {}}, {"local_hours": {}}, {"filter": {}, "local_hours": {}}, {}])
def test_a_patch_that_names_no_field_sets_none(data: dict[str, Any]) -> None:
    """An empty mask means whatever is set (AIP-134). An empty filter is one for everyone."""
    asked = request_of(binding_named("updateMailing"), data, {"mailing.id": 5})
    assert (asked.mailing, list(asked.update_mask.paths)) == (Mailing(id=5), [])


def test_put_replaces_everything() -> None:
    asked = request_of(binding_named("replaceMailing"), MAILING, {"mailing.id": 5})
    assert (asked.mailing.id, asked.mailing.text, list(asked.update_mask.paths)) == (5, "Hi", ["*"])


def test_a_query_beside_a_body() -> None:
    asked = request_of(binding_named("previewMailing"), MAILING, {"mailing_id": 7, "validate_only": True})
    assert isinstance(asked, PreviewMailingRequest)
    assert (asked.mailing_id, asked.mailing.text) == (7, "Hi")
    assert not request_of(binding_named("previewMailing"), MAILING).HasField("mailing_id")


def test_a_body_that_is_the_request() -> None:
    data = {"name": "maria", "role": "operator", "password": "secret-1"}
    asked = request_of(binding_named("createAccount"), data, {"request_id": "key"})
    assert (asked.name, asked.role, asked.password, asked.request_id) == ("maria", 2, "secret-1", "key")


def test_streams_are_handled_by_hand() -> None:
    paths = {(route.method, route.path) for route in routes_of("ClientService")}
    assert ("GET", "/api/v1/clients") in paths
    assert not {path for _, path in paths if "import" in path or "export" in path}
    assert len(routes_of("AccessService", without=("signIn",))) == len(routes_of("AccessService")) - 1


def test_two_applications_have_each_their_handlers() -> None:
    first, second = (routes_of("ClientService") for _ in range(2))
    assert all(one.handler is not other.handler for one, other in zip(first, second, strict=True))


def test_ids_of_operations() -> None:
    assert binding_named("replaceClient").verb == "put"
    assert binding_named("getEngine").path == "/api/v1/engine"
    with pytest.raises(StopIteration):
        binding_named("getColour")
