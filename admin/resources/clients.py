"""Clients: search, add, edit, delete, tag many; facets for pickers; a file to be imported, and one to take away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp_admin.backends.abc import Meta, Record
from google.protobuf.field_mask_pb2 import FieldMask

from admin.file_export import clients_file, export
from admin.import_preview import clients_shown, preview_of
from admin.import_run import Imports, columns_said, options_of
from admin.resources.base import PanelResource
from admin.resources.parameters import checked
from admin.session import Sessions
from common.contract.codec import json_of, message_of
from common.contract.reader import fields_of
from gateway.http.engine_client import EngineClient
from gateway.routes.common import json_answer
from gateway.routes.operations import binding_named
from gateway.shapes import Use, schema_of
from gateway.tables.columns import Unknown
from mailing.v1 import client_service_pb2 as pb
from mailing.v1.client_pb2 import Client

_CREATE, _UPDATE = binding_named("createClient"), binding_named("updateClient")
_TEXTS: Final = [
    field.name
    for field in fields_of(pb.ListClientsRequest.DESCRIPTOR)
    if field.has_presence and field.name not in ("phone_number", "phone_contains")
]
"""What clients have and a list can be filtered by, but for the number."""
_CHANGES: Final = schema_of(Client.DESCRIPTOR, Use.PATCH)


class ClientResource(PanelResource):
    """The people who can receive texts."""

    name = "clients"
    kind = made_of = Client
    switches = tuple(f"no_{name}" for name in _TEXTS)
    """Each lists clients without a value."""
    by_names = ("attributes",)
    filters = ("phone_contains", *_TEXTS, *switches, *by_names)

    def __init__(self, engine: EngineClient, sessions: Sessions) -> None:
        super().__init__(engine, sessions)
        self._imports = Imports()

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read a page; a part of the number is understood as people type it."""
        asked = pb.ListClientsRequest(**paging, **_texts(filters))
        found = await self.call(self.engine.clients.ListClients, asked)
        return [json_of(each) for each in found.clients], found.total_size

    async def get_one(self, record_id: int, meta: Meta) -> Record:
        """Read one client."""
        asked = pb.GetClientRequest(client_id=record_id)
        return json_of(await self.call(self.engine.clients.GetClient, asked))

    async def create(self, data: Record, meta: Meta) -> Record:
        """Add a client; what is empty gets its default."""
        asked = await self.asked(_CREATE, {key: value for key, value in data.items() if value not in (None, "")})
        return json_of(await self.call(self.engine.clients.CreateClient, asked))

    async def update(self, record_id: int, data: Record, previous_data: Record, meta: Meta) -> Record:
        """Change what differs from what the person had seen; an empty field gets its default."""
        changes = {key: value for key, value in _emptied(data).items() if value != previous_data.get(key)}
        if "attributes" in changes:
            changes["attributes"] = _attribute_changes(changes["attributes"], previous_data.get("attributes"))
        asked = await self.asked(_UPDATE, changes, {"client.id": record_id})
        return json_of(await self.call(self.engine.clients.UpdateClient, asked))

    async def update_many(self, record_ids: Sequence[int], data: Record, meta: Meta) -> list[int]:
        """Give many clients the same tag or time zone; those that are gone are left out of the answer."""
        given = checked(_CHANGES, _emptied(data))
        asked = pb.BatchUpdateClientsRequest(
            client_ids=record_ids, client=message_of(Client, given), update_mask=FieldMask(paths=list(given))
        )
        answer = await self.call(self.engine.clients.BatchUpdateClients, asked)
        return _without(record_ids, answer.missing_client_ids)

    async def delete(self, record_id: int, previous_data: Record, meta: Meta) -> Record:
        """Delete a client, and return what it was."""
        client = await self.get_one(record_id, meta)
        await self.call(self.engine.clients.DeleteClient, pb.DeleteClientRequest(client_id=record_id))
        return client

    async def delete_many(self, record_ids: Sequence[int], meta: Meta) -> list[int]:
        """Delete many clients."""
        asked = pb.BatchDeleteClientsRequest(client_ids=record_ids)
        answer = await self.call(self.engine.clients.BatchDeleteClients, asked)
        return _without(record_ids, answer.missing_client_ids)

    def more_routes(self) -> Sequence[web.RouteDef]:
        """Values that clients have, with how many have each; what an import will do; and an export."""
        return (
            self.extra("facets", self._facets),
            self.extra("attribute_facets", self._attribute_facets),
            web.post("/clients/import_preview", self._named(self._preview, "add"), name="clients_import_preview"),
            web.post("/clients/import", self._named(self._import, "add"), name="clients_import"),
            web.get(
                "/clients/import_progress",
                self._named(self._import_progress, "add"),
                allow_head=False,
                name="clients_import_progress",
            ),
            web.get("/clients/export", self._named(self._export, "view"), allow_head=False, name="clients_export"),
        )

    async def _facets(self, _: web.Request) -> Record:
        return json_of(await self.call(self.engine.clients.ListClientFacets, pb.ListClientFacetsRequest()))

    async def _attribute_facets(self, request: web.Request) -> Record:
        asked = pb.ListAttributeFacetsRequest(name=request.query.get("name", ""))
        return json_of(await self.call(self.engine.clients.ListAttributeFacets, asked))

    async def _preview(self, request: web.Request) -> web.Response:
        plan = columns_said(request)._replace(unknown=Unknown.PROPOSE)
        show = clients_shown(self.engine, self.call, options_of(request))
        return json_answer(await preview_of(request, plan, show))

    async def _import(self, request: web.Request) -> web.Response:
        return json_answer(await self._imports.run(request, self.engine))

    async def _import_progress(self, request: web.Request) -> web.Response:
        return json_answer(self._imports.progress(request))

    async def _export(self, request: web.Request) -> web.StreamResponse:
        asked = pb.ExportClientsRequest(**_texts(self.filters_in(request)), with_attribute_names=True)
        return await export(request, self.engine, clients_file(self.engine), asked, request.query.get("format", "csv"))


def _texts(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters as the contract has them; an empty text is a value there, which react-admin can't send."""
    resource, said = ClientResource, {}
    for key, value in filters.items():
        if key in resource.switches:
            said[key.removeprefix("no_")] = ""
        else:
            said[key] = value if key in resource.by_names else str(value)
    return said


def _attribute_changes(now: Any, before: Any) -> Any:
    """What makes of the attributes that the person had seen those that are there now (RFC 7396): others that came
    meanwhile stay."""
    if not isinstance(now, dict) or not isinstance(before, dict):
        return now
    gone = dict.fromkeys(before.keys() - now.keys())
    return {**{name: value for name, value in now.items() if not _is_same(before.get(name), value)}, **gone}


def _is_same(one: Any, other: Any) -> bool:
    """1 is not true, though Python says so."""
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _emptied(data: Record) -> Record:
    """react-admin's forms say null for a field that was emptied."""
    return {key: "" if value is None else value for key, value in data.items()}


def _without(ids: Sequence[int], missing: Sequence[int]) -> list[int]:
    gone = set(missing)
    return [each for each in ids if each not in gone]
