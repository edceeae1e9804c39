"""The engine is killed and comes back: what the panel is told meanwhile, with the same gateway and the same session."""

from __future__ import annotations

from pathlib import Path

from tests.admin import rig
from tests.gateway.rig import Gateway
from tests.gateway.test_killed import killable


async def test_away_is_503_and_the_session_outlives_it(tmp_path: Path) -> None:
    async with killable(tmp_path) as killed:
        gateway = Gateway(None, killed.url, killed.http, None)  # type: ignore[arg-type]
        await rig.account(gateway, "olga", "viewer")
        panel = await rig.sign_in(gateway, "olga")
        await killed.engine.kill()
        for method, path in (("GET", "/engine/one?id=1"), ("GET", "/clients/facets"), ("GET", "/api/v1/clients")):
            answer = await panel.ask(method, path)
            assert (answer.status, int(answer.headers["retry-after"]) >= 1) == (503, True)
            assert "127.0.0.1" not in answer.json["detail"]
        assert (await panel.many("clients", 1)).status == 503
        answer = await panel.ask("DELETE", "/logout")
        assert answer.status == 503  # told, for the session lives on
        assert "set-cookie" not in answer.headers
        await killed.restart()
        assert (await panel.list("clients")).status == 200
