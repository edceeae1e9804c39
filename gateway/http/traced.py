"""Requests as spans of a trace."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_exceptions import HTTPException

from common.tracing import Tracing

_STATUS: Final = "http.response.status_code"


def traced(tracing: Tracing) -> Middleware:
    """The span of each request is named after its route, and belongs to the caller's trace where there is one."""

    @web.middleware
    async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        name = f"{request.method} {'none' if resource is None else resource.canonical}"
        incoming = {key.lower(): value for key, value in request.headers.items()}
        with tracing.served(name, incoming) as span:
            try:
                response = await handler(request)
            except HTTPException as error:  # a redirect
                span.set_attribute(_STATUS, error.status)
                raise
            span.set_attribute(_STATUS, response.status)
            return response

    return trace
