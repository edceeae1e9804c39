"""/mailings: register, change, and read."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.document.openapi import operation
from gateway.http.body import read_query
from gateway.http.keys import ENGINE
from gateway.routes.common import API, ID, checked_call, id_in_path, idempotency_key, json_answer, no_content, no_query
from gateway.schemas import (
    Input,
    MailingCreateSchema,
    MailingListQuerySchema,
    MailingListSchema,
    MailingPatchSchema,
    MailingReplaceSchema,
    MailingSchema,
)
from gateway.translate import (
    create_mailing_proto,
    list_mailings_proto,
    mailing_json,
    mailing_list_json,
    update_mailing_proto,
)
from mailing.v1.mailing_service_pb2 import DeleteMailingRequest, GetMailingRequest

EXAMPLE = {
    "text": "Big sale: -50% today only!",
    "filter": {"tags": ["new"], "phone_codes": ["916"]},
    "start_time": "2026-01-31T09:00:00+03:00",
    "end_time": "2099-01-31T21:00:00+03:00",
    "local_hours": {"from": "09:00", "to": "21:00"},
    "rate_limit": 50,
}


def routes() -> list[web.RouteDef]:
    """The routes, with handlers of their own (FINDINGS 2)."""
    return [*_all(), *_one()]


def _all() -> list[web.RouteDef]:
    @operation(
        id="listMailings",
        tag="mailings",
        summary="List mailings",
        description="The newest first, with their counts.",
        query=MailingListQuerySchema,
        response=(200, MailingListSchema),
    )
    async def list_mailings(request: web.Request) -> web.Response:
        engine = request.app[ENGINE]
        asked = list_mailings_proto(read_query(request, MailingListQuerySchema))
        return json_answer(mailing_list_json(await engine.call(request, engine.mailings.ListMailings, asked)))

    @operation(
        id="createMailing",
        tag="mailings",
        summary="Register a mailing",
        description="Returns at once; its messages are made in the background (`audience_state`).",
        role="operator",
        body=MailingCreateSchema,
        body_example=EXAMPLE,
        response=(201, MailingSchema),
        idempotent=True,
    )
    async def create_mailing(request: web.Request) -> web.Response:
        method = request.app[ENGINE].mailings.CreateMailing
        make = partial(create_mailing_proto, request_id=idempotency_key(request))
        mailing = await checked_call(request, MailingCreateSchema, method, make)
        return json_answer(mailing_json(mailing), 201, location=f"{API}/mailings/{mailing.id}")

    path = f"{API}/mailings"
    return [web.get(path, list_mailings, allow_head=False), web.post(path, create_mailing)]


def _one() -> list[web.RouteDef]:
    @operation(id="getMailing", tag="mailings", summary="Read a mailing", query=Input, response=(200, MailingSchema))
    async def get_mailing(request: web.Request) -> web.Response:
        no_query(request)
        engine, asked = request.app[ENGINE], GetMailingRequest(mailing_id=id_in_path(request, "mailing_id"))
        return json_answer(mailing_json(await engine.call(request, engine.mailings.GetMailing, asked)))

    async def update(request: web.Request, schema: type[Input], *, replace: bool) -> web.Response:
        make = partial(update_mailing_proto, id_in_path(request, "mailing_id"), replace=replace)
        changed = await checked_call(request, schema, request.app[ENGINE].mailings.UpdateMailing, make)
        return json_answer(mailing_json(changed))

    @operation(
        id="replaceMailing",
        tag="mailings",
        summary="Replace a mailing",
        description="What is left out gets its default; unsent messages follow.",
        role="operator",
        body=MailingReplaceSchema,
        body_example=EXAMPLE | {"text": "Even bigger sale!"},
        response=(200, MailingSchema),
        errors=(409,),
    )
    async def replace_mailing(request: web.Request) -> web.Response:
        return await update(request, MailingReplaceSchema, replace=True)

    @operation(
        id="updateMailing",
        tag="mailings",
        summary="Change a mailing",
        description="What is left out stays as it is; unsent messages follow.",
        role="operator",
        body=MailingPatchSchema,
        body_example={"text": "Even bigger sale!", "rate_limit": None},
        response=(200, MailingSchema),
        errors=(409,),
    )
    async def update_mailing(request: web.Request) -> web.Response:
        return await update(request, MailingPatchSchema, replace=False)

    @operation(
        id="deleteMailing",
        tag="mailings",
        summary="Delete a mailing",
        description="With its messages, in any state. No call for it starts after this has returned.",
        role="operator",
        query=Input,
        response=(204, None),
    )
    async def delete_mailing(request: web.Request) -> web.Response:
        no_query(request)
        engine, asked = request.app[ENGINE], DeleteMailingRequest(mailing_id=id_in_path(request, "mailing_id"))
        await engine.call(request, engine.mailings.DeleteMailing, asked)
        return no_content()

    one = f"{API}/mailings/{{mailing_id:{ID}}}"
    return [
        web.get(one, get_mailing, allow_head=False),
        web.put(one, replace_mailing),
        web.patch(one, update_mailing),
        web.delete(one, delete_mailing),
    ]
