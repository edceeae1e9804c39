"""The engine: one record, so that it has a page; what is changed goes through REST's ``PATCH /engine`` below /admin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp_admin.backends.abc import Meta, Record

from admin.resources.base import PanelResource
from common.contract.codec import json_of
from mailing.v1.engine_pb2 import EngineStatus
from mailing.v1.engine_service_pb2 import GetStatusRequest

ONLY_ID: Final = 1
"""react-admin's records have ids; there is one engine to look at, whichever answers."""


class EngineResource(PanelResource):
    """How the engine is doing."""

    name = "engine"
    kind = EngineStatus
    more_shown = ("id",)

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read the one record."""
        return [await self.get_one(ONLY_ID, None)], 1

    async def get_one(self, record_id: int, meta: Meta) -> Record:
        """Read the one record."""
        status = await self.call(self.engine.engine.GetStatus, GetStatusRequest())
        return {**json_of(status), "id": ONLY_ID}
