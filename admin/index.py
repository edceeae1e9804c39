"""The page that loads the panel, and the panel's own files.

aiohttp-admin's own index page puts JSON into an attribute without escaping it and has no place for a style sheet or a
policy (docs/measured.md); this one stands in its place. It names our module as aiohttp-admin's ``js_module``.
"""

from __future__ import annotations

import hashlib
import html
from functools import cache
from pathlib import Path
from typing import Final

import orjson
from aiohttp import web

from admin.session import PATH

STATIC: Final = Path(__file__).parent / "static"
# React sets styles from scripts (emotion), so style-src needs 'unsafe-inline'; scripts are files of ours only.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin"}
"""Of everything below /admin: nothing there is to be shown inside, or run by, anybody else's page."""
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="theme-color" content="#1f4e79">
<title>Mailing Service</title>
<link rel="icon" type="image/svg+xml" href="{assets}/icon.svg">
{styles}
<script src="{path}/static/admin.js" defer></script>
</head>
<body data-state="{state}" data-confirm-above="{confirm_above}">
<noscript>This page needs JavaScript. Эта страница не работает без JavaScript.</noscript>
<div id="root"><div class="loading-page" role="status" aria-label="Loading"></div></div>
</body>
</html>
"""


def routes(confirm_above: int) -> list[web.AbstractRouteDef]:
    """The page, a redirect to it, and its files under a name that changes with them.

    ``confirm_above``: see the settings.
    """
    assets = f"{PATH}/assets/{_digest()}"
    state = {"view": {"name": "Mailing Service"}, "js_module": f"{assets}/panel.js", "urls": {}, "resources": {}}
    sheets = [STATIC / "panel.css", *sorted(STATIC.glob("pages/*.css"))]
    styles = "\n".join(
        f'<link rel="stylesheet" href="{assets}/{each.relative_to(STATIC).as_posix()}">' for each in sheets
    )
    escaped = html.escape(orjson.dumps(state).decode())
    page = _PAGE.format(assets=assets, styles=styles, path=PATH, state=escaped, confirm_above=confirm_above)

    async def index(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-cache"})

    async def to_index(_: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": f"{PATH}/"})

    return [
        # All methods: aiohttp-admin's own index is behind this path, for those that are not ours.
        web.route("*", PATH, to_index),
        web.get(f"{PATH}/", index, allow_head=False),
        web.static(assets, STATIC),
    ]


async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Say the panel's policy, and let browsers keep its files.

    Ours have a digest in their path; aiohttp-admin's are asked for again, and answered 304.
    """
    if not request.path.startswith(f"{PATH}/"):
        return
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if response.status not in (200, 304):
        return
    if request.path.startswith(f"{PATH}/assets/"):
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    elif request.path.startswith(f"{PATH}/static/"):
        response.headers["Cache-Control"] = "no-cache"


@cache  # a process serves the files that it started with
def _digest() -> str:
    found = hashlib.blake2b(digest_size=8)
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            found.update(path.relative_to(STATIC).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
