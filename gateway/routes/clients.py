"""/clients: the people who can receive texts."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.document.openapi import operation
from gateway.http.body import read_query
from gateway.http.keys import ENGINE
from gateway.routes.common import API, ID, checked_call, id_in_path, idempotency_key, json_answer, no_content, no_query
from gateway.schemas import (
    ClientCreateSchema,
    ClientListQuerySchema,
    ClientListSchema,
    ClientPatchSchema,
    ClientReplaceSchema,
    ClientSchema,
    Input,
)
from gateway.translate import (
    client_json,
    client_list_json,
    create_client_proto,
    list_clients_proto,
    update_client_proto,
)
from mailing.v1.client_service_pb2 import DeleteClientRequest, GetClientRequest

_EXAMPLE = {"phone_number": "+7 (916) 123-45-67", "tag": "new", "time_zone": "Europe/Moscow"}


def routes() -> list[web.RouteDef]:
    """The routes, with handlers of their own (FINDINGS 2)."""
    return [*_all(), *_one()]


def _all() -> list[web.RouteDef]:
    @operation(
        id="listClients",
        tag="clients",
        summary="List clients",
        description="In the order of their ids.",
        query=ClientListQuerySchema,
        response=(200, ClientListSchema),
    )
    async def list_clients(request: web.Request) -> web.Response:
        engine = request.app[ENGINE]
        asked = list_clients_proto(read_query(request, ClientListQuerySchema))
        return json_answer(client_list_json(await engine.call(request, engine.clients.ListClients, asked)))

    @operation(
        id="createClient",
        tag="clients",
        summary="Add a client",
        role="operator",
        body=ClientCreateSchema,
        body_example=_EXAMPLE,
        response=(201, ClientSchema),
        idempotent=True,
    )
    async def create_client(request: web.Request) -> web.Response:
        method = request.app[ENGINE].clients.CreateClient
        make = partial(create_client_proto, request_id=idempotency_key(request))
        client = await checked_call(request, ClientCreateSchema, method, make)
        return json_answer(client_json(client), 201, location=f"{API}/clients/{client.id}")

    path = f"{API}/clients"
    return [web.get(path, list_clients, allow_head=False), web.post(path, create_client)]


def _one() -> list[web.RouteDef]:
    @operation(id="getClient", tag="clients", summary="Read a client", query=Input, response=(200, ClientSchema))
    async def get_client(request: web.Request) -> web.Response:
        no_query(request)
        engine, asked = request.app[ENGINE], GetClientRequest(client_id=id_in_path(request, "client_id"))
        return json_answer(client_json(await engine.call(request, engine.clients.GetClient, asked)))

    async def update(request: web.Request, schema: type[Input], *, replace: bool) -> web.Response:
        make = partial(update_client_proto, id_in_path(request, "client_id"), replace=replace)
        changed = await checked_call(request, schema, request.app[ENGINE].clients.UpdateClient, make)
        return json_answer(client_json(changed))

    @operation(
        id="replaceClient",
        tag="clients",
        summary="Replace a client",
        description="What is left out gets its default.",
        role="operator",
        body=ClientReplaceSchema,
        body_example=_EXAMPLE | {"tag": "regular"},
        response=(200, ClientSchema),
        errors=(409,),
    )
    async def replace_client(request: web.Request) -> web.Response:
        return await update(request, ClientReplaceSchema, replace=True)

    @operation(
        id="updateClient",
        tag="clients",
        summary="Change a client",
        description="What is left out stays as it is.",
        role="operator",
        body=ClientPatchSchema,
        body_example={"tag": "regular"},
        response=(200, ClientSchema),
        errors=(409,),
    )
    async def update_client(request: web.Request) -> web.Response:
        return await update(request, ClientPatchSchema, replace=False)

    @operation(
        id="deleteClient",
        tag="clients",
        summary="Delete a client",
        description="Its pending messages are removed; the history of sent ones stays, without the phone number.",
        role="operator",
        query=Input,
        response=(204, None),
    )
    async def delete_client(request: web.Request) -> web.Response:
        no_query(request)
        engine, asked = request.app[ENGINE], DeleteClientRequest(client_id=id_in_path(request, "client_id"))
        await engine.call(request, engine.clients.DeleteClient, asked)
        return no_content()

    one = f"{API}/clients/{{client_id:{ID}}}"
    return [
        web.get(one, get_client, allow_head=False),
        web.put(one, replace_client),
        web.patch(one, update_client),
        web.delete(one, delete_client),
    ]
