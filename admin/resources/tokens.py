"""API tokens, for admins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp_admin.backends.abc import Meta, Record

from admin.resources.base import PanelResource
from common.contract.codec import json_of
from gateway.routes.operations import binding_named
from mailing.v1 import access_service_pb2 as pb
from mailing.v1.access_pb2 import ApiToken

_CREATE: Final = binding_named("createToken")


class TokenResource(PanelResource):
    """What programs use in place of a person's password. Deleting revokes."""

    name = "tokens"
    kind, made_of = ApiToken, pb.CreateTokenRequest
    more_shown = ("secret",)

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read a page, the revoked ones included."""
        found = await self.call(self.engine.access.ListTokens, pb.ListTokensRequest(**paging))
        return [json_of(each) for each in found.tokens], found.total_size

    async def create(self, data: Record, meta: Meta) -> Record:
        """Make a token; its ``secret`` is in this answer and never again."""
        asked = await self.asked(_CREATE, {key: value for key, value in data.items() if value is not None})
        made = await self.call(self.engine.access.CreateToken, asked)
        return {**json_of(made.token), "secret": made.secret}

    async def delete(self, record_id: int, previous_data: Record, meta: Meta) -> Record:
        """Revoke a token: it is refused from now on."""
        return json_of(await self.call(self.engine.access.RevokeToken, pb.RevokeTokenRequest(token_id=record_id)))
