"""Clients between JSON and the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from common.contract.values import Json, time_json
from mailing.v1 import client_pb2, client_service_pb2

_FILTERS = ("tag", "phone_code", "phone_number", "time_zone")


def client_json(client: client_pb2.Client) -> Json:
    """A client as REST shows it."""
    return {
        "id": client.id,
        "phone_number": client.phone_number,
        "phone_code": client.phone_code,
        "tag": client.tag,
        "time_zone": client.time_zone,
        "create_time": time_json(client.create_time),
        "update_time": time_json(client.update_time),
    }


def client_list_json(page: client_service_pb2.ListClientsResponse) -> Json:
    """A page of clients."""
    return {
        "clients": [client_json(each) for each in page.clients],
        "next_page_token": page.next_page_token,
        "total_size": page.total_size,
    }


def client_proto(data: Mapping[str, Any], client_id: int = 0) -> client_pb2.Client:
    """A client as a body says it; keys that are not there are not set."""
    return client_pb2.Client(
        id=client_id,
        phone_number=data.get("phone_number", ""),
        phone_code=data.get("phone_code", ""),
        tag=data.get("tag", ""),
        time_zone=data.get("time_zone", ""),
    )


def create_client_proto(
    data: Mapping[str, Any], request_id: str = "", *, validate_only: bool = False
) -> client_service_pb2.CreateClientRequest:
    """Ask for a new client."""
    return client_service_pb2.CreateClientRequest(
        client=client_proto(data), request_id=request_id, validate_only=validate_only
    )


def update_client_proto(
    client_id: int, data: Mapping[str, Any], *, replace: bool, validate_only: bool = False
) -> client_service_pb2.UpdateClientRequest:
    """Ask for a change of the keys that are there (PATCH), or of everything (PUT, ``replace``)."""
    return client_service_pb2.UpdateClientRequest(
        client=client_proto(data, client_id),
        # An empty mask would mean the fields that are set: with no key there that is none of them.
        update_mask=FieldMask(paths=["*"] if replace else [key for key in data if key in _FILTERS]),
        validate_only=validate_only,
    )


def list_clients_proto(query: Mapping[str, Any]) -> client_service_pb2.ListClientsRequest:
    """Ask for a page of clients; the keys are those of the query's schema."""
    return client_service_pb2.ListClientsRequest(
        page_size=query.get("page_size", 0), page_token=query.get("page_token", ""), **_filters(query)
    )


def export_clients_proto(query: Mapping[str, Any]) -> client_service_pb2.ExportClientsRequest:
    """Ask for all clients that match."""
    return client_service_pb2.ExportClientsRequest(**_filters(query))


def _filters(query: Mapping[str, Any]) -> dict[str, Any]:
    return {key: query[key] for key in _FILTERS if key in query}
