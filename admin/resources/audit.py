"""The audit list: who did what, when, and from where."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final

from aiohttp_admin.backends.abc import Record
from grpc import StatusCode, aio

from admin.resources.base import PanelResource
from admin.resources.parameters import checked, whole_number
from common.contract.codec import json_of, message_of
from common.contract.reader import field_of
from common.contract.values import numbers
from common.error_codes import ErrorCode
from gateway.http.problems import invalid
from gateway.routes.operations import binding_named
from gateway.shapes import query_of
from mailing.v1 import engine_service_pb2 as pb
from mailing.v1.audit_pb2 import AuditEvent
from mailing.v1.client_service_pb2 import GetClientRequest
from mailing.v1.mailing_service_pb2 import GetMailingRequest

_QUERY: Final = query_of(binding_named("listAuditEvents"))
_AS_REST: Final = ("actor", "object_type", "action", "since_time", "until_time")
"""Filters that REST takes in the same form."""
_KINDS: Final = numbers(field_of(AuditEvent.DESCRIPTOR, "actor_kind").words)


def _actor_kind(filters: Mapping[str, Any]) -> Any:
    """The contract's number of the kind that is asked for; 0: any. Raises Problem."""
    kind = filters.get("actor_kind")
    if kind is not None and kind not in _KINDS:
        raise invalid([("/filter/actor_kind", ErrorCode.NOT_A_CHOICE.format(choices=", ".join(_KINDS)))])
    return 0 if kind is None else _KINDS[kind]


class AuditResource(PanelResource):
    """Changes that people made. ``has_page``: whether the object is there, so that it can be looked at."""

    name = "audit"
    kind = AuditEvent
    more_shown = ("has_page",)
    filters = (*_AS_REST, "actor_kind", "actor_id", "object_id")

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read a page."""
        given = {key: str(value) for key, value in filters.items() if key in _AS_REST}
        asked = message_of(pb.ListAuditEventsRequest, checked(_QUERY, given))
        asked.MergeFrom(
            pb.ListAuditEventsRequest(
                **paging,
                object_id=whole_number(filters, "object_id"),
                actor_kind=_actor_kind(filters),
                actor_id=whole_number(filters, "actor_id"),
            )
        )
        found = await self.call(self.engine.engine.ListAuditEvents, asked)
        events = [json_of(each) for each in found.audit_events]
        there = await self._there({(each["object_type"], each["object_id"]) for each in events})
        records = [{**each, "has_page": (each["object_type"], each["object_id"]) in there} for each in events]
        return records, found.total_size

    async def _there(self, objects: Collection[tuple[str, Any]]) -> Collection[tuple[str, Any]]:
        """Those of these objects, by type and id, that are clients or mailings and not deleted."""
        asked = [each for each in objects if each[0] in ("client", "mailing") and each[1] is not None]
        found = await asyncio.gather(*(self._is_there(*each) for each in asked))
        return {each for each, is_there in zip(asked, found, strict=True) if is_there}

    async def _is_there(self, kind: str, record_id: int) -> bool:
        try:
            if kind == "client":
                await self.call(self.engine.clients.GetClient, GetClientRequest(client_id=record_id))
            else:
                await self.call(self.engine.mailings.GetMailing, GetMailingRequest(mailing_id=record_id))
        except aio.AioRpcError as error:
            if error.code() is StatusCode.NOT_FOUND:
                return False
            raise
        return True
