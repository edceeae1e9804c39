"""Sessions, accounts and API tokens between JSON and the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from common.contract.values import Json, numbers, optional_time_json, time_json, time_proto, words
from gateway.translate.engine import ACTOR_KINDS
from mailing.v1 import access_pb2, access_service_pb2

ROLES: Final = words(access_pb2.Role.DESCRIPTOR)
_ROLE_NUMBERS: Final = numbers(ROLES)


def identity_json(identity: access_pb2.Identity) -> Json:
    """Who is calling."""
    return {
        "name": identity.name,
        "role": ROLES.get(identity.role),
        "account_id": identity.account_id if identity.HasField("account_id") else None,
        "token_id": identity.token_id if identity.HasField("token_id") else None,
        "expire_time": optional_time_json(identity, "expire_time"),
    }


def session_json(session: access_service_pb2.SignInResponse) -> Json:
    """A new session; its secret is shown only here."""
    return {"secret": session.secret, "identity": identity_json(session.identity)}


def account_json(account: access_pb2.Account) -> Json:
    """An account; nothing of its password."""
    return {
        "id": account.id,
        "name": account.name,
        "role": ROLES.get(account.role),
        "create_time": time_json(account.create_time),
        "revoke_time": optional_time_json(account, "revoke_time"),
        "last_sign_in_time": optional_time_json(account, "last_sign_in_time"),
        "live_token_count": account.live_token_count,
    }


def account_list_json(page: access_service_pb2.ListAccountsResponse) -> Json:
    """A page of accounts."""
    return {
        "accounts": [account_json(each) for each in page.accounts],
        "next_page_token": page.next_page_token,
        "total_size": page.total_size,
    }


def token_json(token: access_pb2.ApiToken) -> Json:
    """An API token; nothing of its secret but the hint."""
    return {
        "id": token.id,
        "name": token.name,
        "role": ROLES.get(token.role),
        "hint": token.hint,
        "created_by": token.created_by,
        "create_time": time_json(token.create_time),
        "expire_time": optional_time_json(token, "expire_time"),
        "revoke_time": optional_time_json(token, "revoke_time"),
        "last_used_time": optional_time_json(token, "last_used_time"),
        "creator_kind": ACTOR_KINDS.get(token.creator_kind),
        "creator_id": token.creator_id if token.HasField("creator_id") else None,
    }


def new_token_json(created: access_service_pb2.CreateTokenResponse) -> Json:
    """A new API token; its secret is shown only here."""
    return {"token": token_json(created.token), "secret": created.secret}


def token_list_json(page: access_service_pb2.ListTokensResponse) -> Json:
    """A page of API tokens."""
    return {
        "tokens": [token_json(each) for each in page.tokens],
        "next_page_token": page.next_page_token,
        "total_size": page.total_size,
    }


def sign_in_proto(data: Mapping[str, Any]) -> access_service_pb2.SignInRequest:
    """Ask for a session."""
    return access_service_pb2.SignInRequest(name=data["name"], password=data["password"])


def change_password_proto(data: Mapping[str, Any]) -> access_service_pb2.ChangePasswordRequest:
    """Ask for another password."""
    return access_service_pb2.ChangePasswordRequest(
        current_password=data["current_password"], new_password=data["new_password"]
    )


def create_account_proto(data: Mapping[str, Any], request_id: str = "") -> access_service_pb2.CreateAccountRequest:
    """Ask for an account."""
    return access_service_pb2.CreateAccountRequest(
        name=data["name"],
        role=_ROLE_NUMBERS[data["role"]],  # type: ignore[arg-type]  # a number
        password=data["password"],
        request_id=request_id,
    )


def create_token_proto(data: Mapping[str, Any], request_id: str = "") -> access_service_pb2.CreateTokenRequest:
    """Ask for an API token. Raises ValueError when ``expire_time`` is no time (the schema has refused it before)."""
    expires = data.get("expire_time")
    return access_service_pb2.CreateTokenRequest(
        name=data["name"],
        role=_ROLE_NUMBERS[data["role"]],  # type: ignore[arg-type]  # a number
        expire_time=None if expires is None else time_proto(expires),
        request_id=request_id,
    )


def list_accounts_proto(query: Mapping[str, Any]) -> access_service_pb2.ListAccountsRequest:
    """Ask for a page of accounts; the keys are those of the query's schema."""
    return access_service_pb2.ListAccountsRequest(
        page_size=query.get("page_size", 0), page_token=query.get("page_token", "")
    )


def list_tokens_proto(query: Mapping[str, Any]) -> access_service_pb2.ListTokensRequest:
    """Ask for a page of API tokens; the keys are those of the query's schema."""
    return access_service_pb2.ListTokensRequest(
        page_size=query.get("page_size", 0), page_token=query.get("page_token", "")
    )
