"""/audit: who changed what, when."""

from __future__ import annotations

from aiohttp import web

from gateway.document.openapi import operation
from gateway.http.body import read_query
from gateway.http.keys import ENGINE
from gateway.routes.common import API, json_answer
from gateway.schemas import AuditEventListSchema, AuditQuerySchema
from gateway.translate import audit_event_list_json, list_audit_events_proto


def routes() -> list[web.RouteDef]:
    """The route, with a handler of its own (FINDINGS 2)."""

    @operation(
        id="listAuditEvents",
        tag="audit",
        summary="List who changed what",
        description="The newest first.",
        query=AuditQuerySchema,
        response=(200, AuditEventListSchema),
    )
    async def list_audit(request: web.Request) -> web.Response:
        engine, asked = request.app[ENGINE], list_audit_events_proto(read_query(request, AuditQuerySchema))
        return json_answer(audit_event_list_json(await engine.call(request, engine.engine.ListAuditEvents, asked)))

    return [web.get(f"{API}/audit", list_audit, allow_head=False)]
