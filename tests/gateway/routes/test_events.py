"""/events over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.gateway.rig import Gateway
from tests.patience import PATIENT_SECONDS


async def _opt_outs(gateway: Gateway, numbers: list[str]) -> list[dict[str, Any]]:
    for number in numbers:
        await gateway.post("/suppressions", {"phone_number": number, "reason": "opt_out"})
    async with asyncio.timeout(PATIENT_SECONDS):
        while len(found := (await gateway.get("/events?type=client.opted_out")).json["events"]) < len(numbers):
            await asyncio.sleep(0.05)
    return list(found)


async def test_whoever_has_read_nothing_begins_after_0(gateway: Gateway) -> None:
    first, second = await _opt_outs(gateway, ["79161234567", "79161234568"])
    assert (first["data"]["phone_number"], second["data"]["phone_number"]) == ("79161234567", "79161234568")
    for after, ids in ((0, [first["id"], second["id"]]), (first["id"], [second["id"]]), (second["id"], [])):
        page = (await gateway.get(f"/events?type=client.opted_out&after={after}")).json
        assert ([each["id"] for each in page["events"]], page["total_size"]) == (ids, len(ids))


async def test_what_is_no_place_among_events_is_refused(gateway: Gateway) -> None:
    for after in ("-1", "x", "1.5", str(2**63)):
        assert (await gateway.get(f"/events?after={after}")).bad == ["/after"]
    assert (await gateway.get("/events?type=client.left")).bad == ["/type"]
