"""Mailings: registered, edited and deleted here; paused, previewed and counted through REST's routes below /admin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp_admin.backends.abc import Meta, Record

from admin.resources.base import PanelResource
from admin.resources.parameters import checked, one_id
from common.contract.codec import json_of, message_of
from gateway.routes.operations import binding_named
from gateway.shapes import query_of
from mailing.v1 import mailing_service_pb2 as pb
from mailing.v1.mailing_pb2 import Mailing

_CREATE, _UPDATE = binding_named("createMailing"), binding_named("updateMailing")
_QUERY: Final = query_of(binding_named("listMailings"))
_TIMELINE_POINTS_MAX: Final = 600
"""The page draws about sixty bars: this leaves it the choice where they begin."""


class MailingResource(PanelResource):
    """Texts for the clients that match a filter."""

    name = "mailings"
    kind = made_of = Mailing
    filters = ("state", "search", "archived")
    switches = ("archived",)

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read a page."""
        # A query has the words "true" and "false".
        said = {key: str(value).lower() if key in self.switches else value for key, value in filters.items()}
        asked = message_of(pb.ListMailingsRequest, checked(_QUERY, said))
        asked.MergeFrom(pb.ListMailingsRequest(**paging))
        found = await self.call(self.engine.mailings.ListMailings, asked)
        return [json_of(each) for each in found.mailings], found.total_size

    async def get_one(self, record_id: int, meta: Meta) -> Record:
        """Read one mailing."""
        asked = pb.GetMailingRequest(mailing_id=record_id)
        return json_of(await self.call(self.engine.mailings.GetMailing, asked))

    async def create(self, data: Record, meta: Meta) -> Record:
        """Register a mailing."""
        asked = await self.asked(_CREATE, {key: value for key, value in data.items() if value is not None})
        return json_of(await self.call(self.engine.mailings.CreateMailing, asked))

    async def update(self, record_id: int, data: Record, previous_data: Record, meta: Meta) -> Record:
        """Change what differs from what the person had seen."""
        changes = {key: value for key, value in data.items() if value != previous_data.get(key)}
        asked = await self.asked(_UPDATE, changes, {"mailing.id": record_id})
        return json_of(await self.call(self.engine.mailings.UpdateMailing, asked))

    async def delete(self, record_id: int, previous_data: Record, meta: Meta) -> Record:
        """Delete a mailing with its messages, and return what it was."""
        mailing = await self.get_one(record_id, meta)
        await self.call(self.engine.mailings.DeleteMailing, pb.DeleteMailingRequest(mailing_id=record_id))
        return mailing

    def more_routes(self) -> Sequence[web.RouteDef]:
        """Statistics as REST shows them, with a timeline that fits a plot: of a day it has 8,640 steps."""
        return (self.extra("stats", self._stats),)

    async def _stats(self, request: web.Request) -> Record:
        asked = pb.GetMailingStatsRequest(mailing_id=one_id(request), timeline_points_max=_TIMELINE_POINTS_MAX)
        return json_of(await self.call(self.engine.mailings.GetMailingStats, asked))
