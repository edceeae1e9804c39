"""/accounts and /tokens: who may do what."""

from __future__ import annotations

from aiohttp import web

from gateway.document.openapi import operation
from gateway.http.body import read_query
from gateway.http.keys import ENGINE
from gateway.routes.common import API, ID, checked_body, id_in_path, idempotency_key, json_answer, no_query
from gateway.schemas import (
    AccountCreateSchema,
    AccountListSchema,
    AccountRevokeQuerySchema,
    AccountSchema,
    Input,
    NewTokenSchema,
    Page,
    TokenCreateSchema,
    TokenListSchema,
    TokenSchema,
)
from gateway.translate import (
    account_json,
    account_list_json,
    create_account_proto,
    create_token_proto,
    list_accounts_proto,
    list_tokens_proto,
    new_token_json,
    token_json,
    token_list_json,
)
from mailing.v1.access_service_pb2 import (
    ListAccountsRequest,
    ListTokensRequest,
    RevokeAccountRequest,
    RevokeTokenRequest,
)


def routes() -> list[web.RouteDef]:
    """The routes, with handlers of their own (FINDINGS 2)."""
    return [*_accounts(), *_tokens()]


def _accounts() -> list[web.RouteDef]:
    @operation(
        id="listAccounts",
        tag="accounts",
        summary="List accounts",
        description="In the order of their ids, the revoked ones included.",
        role="admin",
        query=Page,
        response=(200, AccountListSchema),
    )
    async def list_accounts(request: web.Request) -> web.Response:
        engine, asked = request.app[ENGINE], list_accounts_proto(read_query(request, Page))
        return json_answer(account_list_json(await engine.call(request, engine.access.ListAccounts, asked)))

    @operation(
        id="createAccount",
        tag="accounts",
        summary="Make an account",
        role="admin",
        body=AccountCreateSchema,
        body_example={"name": "maria", "role": "operator", "password": "correct horse battery staple"},
        response=(201, AccountSchema),
        idempotent=True,
    )
    async def create_account(request: web.Request) -> web.Response:
        engine, key = request.app[ENGINE], idempotency_key(request)

        async def check(_valid: dict[str, object]) -> None:  # the role at least
            await engine.call(request, engine.access.ListAccounts, ListAccountsRequest(page_size=1))

        asked = create_account_proto(await checked_body(request, AccountCreateSchema, check), key)
        return json_answer(account_json(await engine.call(request, engine.access.CreateAccount, asked)), 201)

    @operation(
        id="revokeAccount",
        tag="accounts",
        summary="Revoke an account",
        description="And end its sessions, at once. Revoking twice is no error; the last admin can't be revoked. "
        "The tokens that it has made stay good unless `revoke_made_tokens` is true; how many: `live_token_count`.",
        role="admin",
        query=AccountRevokeQuerySchema,
        response=(200, AccountSchema),
        errors=(409,),
    )
    async def revoke_account(request: web.Request) -> web.Response:
        asked = RevokeAccountRequest(account_id=id_in_path(request, "account_id"))
        asked.revoke_made_tokens = read_query(request, AccountRevokeQuerySchema).get("revoke_made_tokens", False)
        engine = request.app[ENGINE]
        return json_answer(account_json(await engine.call(request, engine.access.RevokeAccount, asked)))

    return [
        web.get(f"{API}/accounts", list_accounts, allow_head=False),
        web.post(f"{API}/accounts", create_account),
        web.post(f"{API}/accounts/{{account_id:{ID}}}/revoke", revoke_account),
    ]


def _tokens() -> list[web.RouteDef]:
    @operation(
        id="listTokens",
        tag="tokens",
        summary="List API tokens",
        description="In the order of their ids, the revoked ones included.",
        role="admin",
        query=Page,
        response=(200, TokenListSchema),
    )
    async def list_tokens(request: web.Request) -> web.Response:
        engine, asked = request.app[ENGINE], list_tokens_proto(read_query(request, Page))
        return json_answer(token_list_json(await engine.call(request, engine.access.ListTokens, asked)))

    @operation(
        id="createToken",
        tag="tokens",
        summary="Make an API token",
        description="Its secret is in the answer, and nowhere else ever again: a repeat with the same key is a 409.",
        role="admin",
        body=TokenCreateSchema,
        body_example={"name": "reports", "role": "viewer", "expire_time": "2099-01-01T00:00:00Z"},
        response=(201, NewTokenSchema),
        idempotent=True,
    )
    async def create_token(request: web.Request) -> web.Response:
        engine, key = request.app[ENGINE], idempotency_key(request)

        async def check(_valid: dict[str, object]) -> None:  # the role at least
            await engine.call(request, engine.access.ListTokens, ListTokensRequest(page_size=1))

        asked = create_token_proto(await checked_body(request, TokenCreateSchema, check), key)
        return json_answer(new_token_json(await engine.call(request, engine.access.CreateToken, asked)), 201)

    @operation(
        id="revokeToken",
        tag="tokens",
        summary="Revoke an API token",
        description="At once. Revoking twice is no error.",
        role="admin",
        query=Input,
        response=(200, TokenSchema),
    )
    async def revoke_token(request: web.Request) -> web.Response:
        no_query(request)
        engine, asked = request.app[ENGINE], RevokeTokenRequest(token_id=id_in_path(request, "token_id"))
        return json_answer(token_json(await engine.call(request, engine.access.RevokeToken, asked)))

    return [
        web.get(f"{API}/tokens", list_tokens, allow_head=False),
        web.post(f"{API}/tokens", create_token),
        web.post(f"{API}/tokens/{{token_id:{ID}}}/revoke", revoke_token),
    ]
