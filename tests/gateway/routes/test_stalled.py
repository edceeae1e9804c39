"""A stall is seen wherever somebody looks: both /readyz, gRPC health, the engine's status, the metric."""

from __future__ import annotations

from typing import Any

import pytest

from engine.domain.liveness import Stall
from tests.gateway.rig import Gateway
from tests.rules.evidence import health
from tests.rules.rig import until

STALLS = [Stall("recorder", "outcomes have waited for the database", 12.3), Stall("database", "no answer", 11.0)]
WORDS = "outcomes have waited for the database for 12 s"


async def ready(gateway: Gateway, url: str) -> tuple[int, dict[str, Any]]:
    async with gateway.http.get(f"{url}/readyz") as answer:
        return answer.status, (await answer.json())["components"]


async def metric(gateway: Gateway, url: str) -> str:
    async with gateway.http.get(f"{url}/metrics") as answer:
        (line,) = [line for line in (await answer.text()).splitlines() if line.startswith("mailing_stalled_seconds ")]
    return line.split()[1]


async def test_a_stall_is_seen_everywhere_until_it_is_over(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    service, engine = gateway.engine.service, f"http://{gateway.engine.service.metrics_listen}"

    async def is_ready() -> bool:
        return (await ready(gateway, gateway.url))[0] == 200

    await until(is_ready)
    assert await ready(gateway, gateway.url) == (200, {"engine": "ok", "delivery": "ok"})
    assert (await ready(gateway, engine))[0] == 200
    assert float(await metric(gateway, engine)) == 0

    with monkeypatch.context() as patched:
        patched.setattr(service.delivery.liveness, "stalls", lambda: STALLS)
        code, components = await ready(gateway, engine)
        assert (code, components["recorder"], components["database"]) == (503, WORDS, "no answer for 11 s")
        assert components["ticker"] == "ok"
        assert float(await metric(gateway, engine)) == 12.3

        async def is_told() -> bool:
            return await health(gateway.engine, "delivery") == "NOT_SERVING"

        await until(is_told)
        assert await health(gateway.engine, "") == "SERVING"
        code, components = await ready(gateway, gateway.url)
        assert (code, components["engine"]) == (503, "ok")
        assert components["delivery"].startswith("does not move")
        actors = {actor["name"]: actor for actor in (await gateway.get("/engine")).json["actors"]}
        assert (actors["recorder"]["healthy"], actors["recorder"]["detail"]) == (False, WORDS)
        assert not actors["database"]["healthy"]
    await until(is_ready)
