"""Swagger UI at ``/api/v1/docs/``: from our own files, with nothing asked of anybody else (docs/measured.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiohttp import web

from gateway.document.fresh import fresh

DOCS_PATH: Final = "/api/v1/docs/"
DOCUMENT_PATH: Final = f"{DOCS_PATH}swagger.json"
LEADING_THERE: Final = (DOCS_PATH.rstrip("/"), "/docs/", "/docs")
"""Addresses of the page that people try, or were given."""

_STATIC: Final = Path(__file__).parent / "static" / "swagger-ui"
_FILES: Final = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
# Swagger UI sets style attributes, and its pictures are data URLs; scripts are files of ours only.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mailing Service: API</title>
<link rel="stylesheet" href="swagger-ui.css">
<link rel="icon" type="image/png" href="favicon-32x32.png">
</head>
<body style="margin: 0">
<noscript>This page needs JavaScript. The document itself is <a href="swagger.json">swagger.json</a>.</noscript>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</body>
</html>
"""


def routes(document: bytes) -> list[web.RouteDef]:
    """The page, its files, the document, and redirects from other addresses; all without a token.

    Args:
        document: in JSON; see ``fresh``.
    """

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html", headers=_HEADERS)

    async def swagger_json(_: web.Request) -> web.Response:
        body = fresh(document, datetime.now(UTC))
        return web.Response(body=body, content_type="application/json", headers=_HEADERS)

    async def to_page(_: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": DOCS_PATH})

    found = [*((path, to_page) for path in LEADING_THERE), (DOCS_PATH, page), (DOCUMENT_PATH, swagger_json)]
    files = [(DOCS_PATH + name, _file(name, kind)) for name, kind in _FILES.items()]
    return [web.get(path, handler, allow_head=False) for path, handler in [*found, *files]]


def _file(name: str, content_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def file(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(_STATIC / name, headers={**_HEADERS, "Content-Type": content_type})

    return file
