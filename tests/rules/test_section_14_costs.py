"""Section 14: prices and budgets, with a real engine, gateway and provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scripts.sandbox import Sandbox
from tests.gateway.rig import Answer, Gateway, serving
from tests.rules.rig import until

CLIENTS = 12


def mailing(**fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    times = {"start_time": now.isoformat(), "end_time": (now + timedelta(hours=1)).isoformat()}
    return {"text": "Sale!", **times, **fields}


async def registered(gateway: Gateway, **fields: Any) -> int:
    answer = await gateway.post("/mailings", mailing(**fields))
    assert answer.status == 201, answer.raw
    id: int = answer.json["id"]
    return id


async def shown(gateway: Gateway, id: int) -> dict[str, Any]:
    found: dict[str, Any] = (await gateway.get(f"/mailings/{id}")).json
    return found


def fields(answer: Answer) -> list[str]:
    """The bad ones."""
    return [each["pointer"] for each in answer.json["errors"]]


def providers_file(folder: Path, sandbox: Sandbox, price: float) -> Path:
    """The sandbox, with a price."""
    file = folder / "providers.toml"
    file.write_text(
        f'[[provider]]\nname = "a"\nkind = "fbrq"\nurl = "{sandbox.url}"\nsecrets.token = "SANDBOX_TOKEN"\n'
        f"price_per_segment = {price}\n"
    )
    return file


async def test_a_budget_holds_and_is_raised(tmp_path: Path, monkeypatch: Any) -> None:
    sandbox = await Sandbox.start()
    monkeypatch.setenv("SANDBOX_TOKEN", sandbox.token)
    file = providers_file(tmp_path, sandbox, price=2.5)
    async with sandbox, serving(tmp_path, sandbox=sandbox, providers=str(file)) as gateway:
        await gateway.engine.add_clients(CLIENTS)
        preview = (await gateway.post("/mailings/preview", mailing())).json
        assert (preview["segments_total"], preview["cost"]) == (CLIENTS, 30.0)

        for bad in (0, -1, 1e9 + 1, 0.1234567):
            answer = await gateway.post("/mailings", mailing(budget=bad))
            assert (answer.status, fields(answer)) == (422, ["/budget"]), answer.raw

        id = await registered(gateway, budget=12.4)

        async def is_paused() -> bool:
            return bool((await shown(gateway, id))["state"] == "paused")

        await until(is_paused)
        found = await shown(gateway, id)
        assert (found["budget"], found["cost"], found["pause_reason"]) == (12.4, 10.0, "budget")
        assert found["message_counts"]["sent"] == 4
        assert (await gateway.get(f"/mailings/{id}/stats")).json["cost"] == 10.0

        refused = await gateway.post(f"/mailings/{id}/resume", {})
        assert (refused.status, refused.json["code"]) == (409, "BUDGET_SPENT"), refused.raw
        low = await gateway.ask("PATCH", f"/mailings/{id}", json={"budget": 9})
        assert (low.status, low.json["errors"][0]["code"]) == (422, "BUDGET_TOO_SMALL"), low.raw

        raised = await gateway.ask("PATCH", f"/mailings/{id}", json={"budget": 30})
        assert (raised.status, raised.json["state"]) == (200, "paused")
        resumed = await gateway.post(f"/mailings/{id}/resume", {})
        assert (resumed.status, resumed.json["pause_reason"]) == (200, None), resumed.raw
        assert await gateway.engine.finished(id) == (0, CLIENTS, 0)
        found = await shown(gateway, id)
        assert (found["cost"], found["state"]) == (30.0, "active")
        costs = [each["cost"] for each in (await gateway.get(f"/mailings/{id}/messages")).json["messages"]]
        assert costs == [2.5] * CLIENTS
        events = (await gateway.get("/audit?action=mailing.pause")).json["audit_events"]
        assert [(event["actor"], event["detail"]["reason"]) for event in events] == [("engine", "budget")]


async def test_without_a_price_there_is_no_cost(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        await gateway.engine.add_clients(2)
        assert (await gateway.post("/mailings/preview", mailing())).json["cost"] is None
        id = await registered(gateway, budget=1)
        assert await gateway.engine.finished(id) == (0, 2, 0)
        found = await shown(gateway, id)
        assert (found["cost"], found["pause_reason"]) == (0.0, None)
