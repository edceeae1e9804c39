"""API tokens, for admins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp_admin.backends.abc import Meta, Record

from admin.resources.asked import checked
from admin.resources.base import PanelResource
from gateway.schemas import TokenCreateSchema
from gateway.translate import create_token_proto, token_json
from mailing.v1 import access_service_pb2 as pb


class TokenResource(PanelResource):
    """What programs use in place of a person's password. Deleting revokes."""

    name = "tokens"
    shown = (
        "id", "name", "role", "hint", "created_by", "create_time", "expire_time", "revoke_time", "last_used_time",
        "creator_kind", "creator_id", "secret",
    )  # fmt: skip
    editable = ("name", "role", "expire_time")

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read a page, the revoked ones included."""
        found = await self.call(self.engine.access.ListTokens, pb.ListTokensRequest(**paging))
        return [token_json(each) for each in found.tokens], found.total_size

    async def create(self, data: Record, meta: Meta) -> Record:
        """Make a token; its ``secret`` is in this answer and never again."""
        given = checked(TokenCreateSchema, {key: value for key, value in data.items() if value is not None})
        made = await self.call(self.engine.access.CreateToken, create_token_proto(given))
        return {**token_json(made.token), "secret": made.secret}

    async def delete(self, record_id: int, previous_data: Record, meta: Meta) -> Record:
        """Revoke a token: it is refused from now on."""
        return token_json(await self.call(self.engine.access.RevokeToken, pb.RevokeTokenRequest(token_id=record_id)))
