"""The dashboard: one record, all that its page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp_admin.backends.abc import Meta, Record

from admin.resources.base import PanelResource
from admin.resources.engine import ONLY_ID
from admin.translate import overview_json
from mailing.v1.engine_service_pb2 import GetOverviewRequest


class DashboardResource(PanelResource):
    """What is going on."""

    name = "dashboard"
    shown = (
        "id", "time", "mailings", "mailings_total", "message_counts", "last_hour", "last_day", "provider", "engine",
        "warnings", "rate_per_second",
    )  # fmt: skip

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read the one record."""
        return [await self.get_one(ONLY_ID, None)], 1

    async def get_one(self, record_id: int, meta: Meta) -> Record:
        """Read the one record."""
        overview = await self.call(self.engine.engine.GetOverview, GetOverviewRequest())
        return {**overview_json(overview), "id": ONLY_ID}
