"""Accounts of people, for admins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp_admin.backends.abc import Meta, Record

from admin.resources.base import PanelResource
from common.contract.codec import json_of
from common.error_codes import ErrorCode
from gateway.http.problems import invalid
from gateway.routes.operations import binding_named
from mailing.v1 import access_service_pb2 as pb
from mailing.v1.access_pb2 import Account

_CREATE: Final = binding_named("createAccount")


class AccountResource(PanelResource):
    """Who may sign in. Deleting revokes: the audit list goes on naming them."""

    name = "accounts"
    kind, made_of = Account, pb.CreateAccountRequest

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read a page, the revoked ones included."""
        found = await self.call(self.engine.access.ListAccounts, pb.ListAccountsRequest(**paging))
        return [json_of(each) for each in found.accounts], found.total_size

    async def create(self, data: Record, meta: Meta) -> Record:
        """Make an account."""
        asked = await self.asked(_CREATE, {key: value for key, value in data.items() if value is not None})
        return json_of(await self.call(self.engine.access.CreateAccount, asked))

    async def delete(self, record_id: int, previous_data: Record, meta: Meta) -> Record:
        """Revoke an account: its sessions end. ``meta.with_tokens``: and the tokens that it has made."""
        with_tokens = (meta or {}).get("with_tokens", False)
        if not isinstance(with_tokens, bool):
            raise invalid([("/meta/with_tokens", ErrorCode.NOT_BOOLEAN.format())])
        request = pb.RevokeAccountRequest(account_id=record_id, revoke_made_tokens=with_tokens)
        return json_of(await self.call(self.engine.access.RevokeAccount, request))
