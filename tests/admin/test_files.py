"""The page and its files: what headers they bear, and that nothing beside them can be read."""

from __future__ import annotations

import html
import json
import re
from typing import Final

from yarl import URL

from admin.index import STATIC
from tests.admin.rig import Panel, ask
from tests.gateway.rig import Gateway

SCRIPTS: Final = {"text/javascript", "application/javascript"}
"""As the machine's own table says."""


async def test_the_page_loads_its_own_files_only(gateway: Gateway) -> None:
    page = await ask(gateway, "GET", "/")
    assert (page.status, page.headers["cache-control"]) == (200, "no-cache")
    text = page.raw.decode()
    found = re.findall(r'(?:src|href)="([^"]+)"', text)
    state = json.loads(html.unescape(re.search(r'data-state="([^"]*)"', text)[1]))  # type: ignore[index]
    found.append(state["js_module"])
    assert len(found) == 4 + len(list(STATIC.glob("pages/*.css")))
    for each in found:
        assert each.startswith("/admin/")
        answer = await ask(gateway, "GET", each.removeprefix("/admin"))
        assert (answer.status, answer.headers["x-content-type-options"]) == (200, "nosniff")
        kept = answer.headers["cache-control"]
        assert kept == ("no-cache" if "/static/" in each else "public, max-age=31536000, immutable")
        assert answer.headers["content-type"].split(";")[0] in SCRIPTS | {"text/css", "image/svg+xml"}
        tag = {"If-None-Match": answer.headers["etag"]}
        assert (await ask(gateway, "GET", each.removeprefix("/admin"), headers=tag)).status == 304
    assert "<script>" not in text


async def test_every_answer_below_admin_has_the_policy(gateway: Gateway, panel: Panel) -> None:
    answers = [
        await ask(gateway, "GET", "/"),
        await ask(gateway, "GET", "/static/admin.js"),
        await ask(gateway, "GET", "/none"),
        await panel.ask("GET", "/engine/one?id=1"),
        await panel.ask("GET", "/api/v1/clients/export"),
        await panel.ask("POST", "/token", json={}),
    ]
    for answer in answers:
        policy = dict(each.strip().split(" ", 1) for each in answer.headers["content-security-policy"].split(";"))
        assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
        assert policy["frame-ancestors"] == "'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
    assert [each.headers["cache-control"] for each in answers[2:]] == ["no-store"] * 4
    rest = await gateway.get("/clients")
    assert "content-security-policy" not in rest.headers


BESIDE: Final = (
    "/assets/{}/", "/assets/{}", "/assets/{}/pages/", "/static/", "/assets/", "/assets/{}/../panel.py",
    "/assets/{}/%2e%2e/panel.py", "/assets/{}/..%2fpanel.py", "/static/..%2f__init__.py", "/assets/{}//etc/passwd",
    "/assets/{}/panel.js%00.css", "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/assets/{}/panel.js/x",
)  # fmt: skip


async def test_nothing_beside_the_files_can_be_read(gateway: Gateway) -> None:
    digest = re.search(r"/assets/([0-9a-f]+)/", (await ask(gateway, "GET", "/")).raw.decode())
    assert digest
    for path in BESIDE:
        url = URL(f"{gateway.url}/admin{path.format(digest[1])}", encoded=True)
        async with gateway.http.get(url, allow_redirects=False) as answer:
            assert answer.status in (403, 404), path
            assert b"import" not in await answer.read()


async def test_the_bare_address_leads_to_the_panel(gateway: Gateway) -> None:
    async with gateway.http.get(f"{gateway.url}/", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (307, "/admin/")
    async with gateway.http.get(f"{gateway.url}/") as answer:
        assert (answer.status, str(answer.url)) == (200, f"{gateway.url}/admin/")
