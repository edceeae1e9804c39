"""/mailings: preview, pause, resume, cancel, and statistics."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.document.openapi import operation
from gateway.http.body import read_query
from gateway.http.keys import ENGINE
from gateway.routes.common import API, ID, checked_body, id_in_path, idempotency_key, json_answer, no_query
from gateway.routes.mailings import EXAMPLE
from gateway.schemas import (
    Input,
    MailingCreateSchema,
    MailingPreviewQuerySchema,
    MailingPreviewSchema,
    MailingSchema,
    MailingStatsSchema,
)
from gateway.translate import mailing_json, preview_json, preview_mailing_proto, stats_json
from mailing.v1.mailing_service_pb2 import (
    CancelMailingRequest,
    GetMailingStatsRequest,
    PauseMailingRequest,
    ResumeMailingRequest,
)

_ONE = f"{API}/mailings/{{mailing_id:{ID}}}"


def routes() -> list[web.RouteDef]:
    """The routes, with handlers of their own (FINDINGS 2)."""
    return [*_looking(), *_steering()]


def _looking() -> list[web.RouteDef]:
    @operation(
        id="previewMailing",
        tag="mailings",
        summary="Say what a mailing would be",
        description="How many clients, segments, until when. Stores nothing. With `mailing_id`: what "
        "an edit would make of what that mailing has not sent yet.",
        query=MailingPreviewQuerySchema,
        body=MailingCreateSchema,
        body_example=EXAMPLE,
        response=(200, MailingPreviewSchema),
        errors=(404,),
    )
    async def preview(request: web.Request) -> web.Response:
        engine = request.app[ENGINE]
        edited = read_query(request, MailingPreviewQuerySchema).get("mailing_id")

        async def check(valid: dict[str, object]) -> None:
            await engine.call(request, engine.mailings.PreviewMailing, preview_mailing_proto(valid, edited))

        body = await checked_body(request, MailingCreateSchema, check, query=MailingPreviewQuerySchema)
        asked = preview_mailing_proto(body, edited)
        return json_answer(preview_json(await engine.call(request, engine.mailings.PreviewMailing, asked)))

    @operation(
        id="getMailingStats",
        tag="mailings",
        summary="Read a mailing's statistics",
        query=Input,
        response=(200, MailingStatsSchema),
    )
    async def stats(request: web.Request) -> web.Response:
        no_query(request)
        engine, asked = request.app[ENGINE], GetMailingStatsRequest(mailing_id=id_in_path(request, "mailing_id"))
        return json_answer(stats_json(await engine.call(request, engine.mailings.GetMailingStats, asked)))

    return [
        web.post(f"{API}/mailings/preview", preview),
        web.get(f"{_ONE}/stats", stats, allow_head=False),
    ]


def _steering() -> list[web.RouteDef]:
    async def steer(request: web.Request, method: Any, kind: Any) -> web.Response:
        no_query(request)
        asked = kind(mailing_id=id_in_path(request, "mailing_id"), request_id=idempotency_key(request))
        return json_answer(mailing_json(await request.app[ENGINE].call(request, method, asked)))

    @operation(
        id="pauseMailing",
        tag="mailings",
        summary="Pause a mailing",
        description="No call for it starts after this has returned. Pausing twice is no error.",
        role="operator",
        query=Input,
        response=(200, MailingSchema),
        idempotent=True,
    )
    async def pause(request: web.Request) -> web.Response:
        return await steer(request, request.app[ENGINE].mailings.PauseMailing, PauseMailingRequest)

    @operation(
        id="resumeMailing",
        tag="mailings",
        summary="Resume a mailing",
        description="Resuming twice is no error.",
        role="operator",
        query=Input,
        response=(200, MailingSchema),
        idempotent=True,
    )
    async def resume(request: web.Request) -> web.Response:
        return await steer(request, request.app[ENGINE].mailings.ResumeMailing, ResumeMailingRequest)

    @operation(
        id="cancelMailing",
        tag="mailings",
        summary="Cancel a mailing",
        description="For good: what is pending becomes `not_sent` with the reason `cancelled`. Twice is no error.",
        role="operator",
        query=Input,
        response=(200, MailingSchema),
        idempotent=True,
    )
    async def cancel(request: web.Request) -> web.Response:
        return await steer(request, request.app[ENGINE].mailings.CancelMailing, CancelMailingRequest)

    return [
        web.post(f"{_ONE}/pause", pause),
        web.post(f"{_ONE}/resume", resume),
        web.post(f"{_ONE}/cancel", cancel),
    ]
