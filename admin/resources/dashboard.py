"""The dashboard: one record, all that its page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp_admin.backends.abc import Meta, Record

from admin.resources.base import PanelResource
from admin.resources.engine import ONLY_ID
from common.contract.codec import json_of
from mailing.v1.engine_service_pb2 import GetOverviewRequest
from mailing.v1.overview_pb2 import Overview


class DashboardResource(PanelResource):
    """What is going on."""

    name = "dashboard"
    kind = Overview
    more_shown = ("id",)

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read the one record."""
        return [await self.get_one(ONLY_ID, None)], 1

    async def get_one(self, record_id: int, meta: Meta) -> Record:
        """Read the one record."""
        overview = await self.call(self.engine.engine.GetOverview, GetOverviewRequest())
        return {**json_of(overview), "id": ONLY_ID}
