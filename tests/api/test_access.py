"""AccessService over a real server and a real store: sessions, accounts, tokens, and guessing."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2
from grpc import StatusCode, aio

from engine.access.authority import Authority
from engine.api.server import ApiServer
from engine.domain.access import Role
from engine.gateways import Gateways, read_gateways
from engine.store.rows import Actor, AuditQuery, Page
from engine.store.store import Store
from mailing.v1 import access_pb2, access_service_pb2, access_service_pb2_grpc
from mailing.v1.audit_pb2 import ACTOR_KIND_NOBODY, AuditEvent
from mailing.v1.engine_service_pb2 import ListAuditEventsRequest
from scripts.token_channel import metadata
from tests.api.conftest import Api, Refusal, refusal
from tests.api.fakes import SECOND_US, START_US, FakeClock, FakeControl, cheap_passwords
from tests.patience import PATIENT_SECONDS

PASSWORD = "correct horse"
ADMIN, VIEWER = access_pb2.ROLE_ADMIN, access_pb2.ROLE_VIEWER


async def add_account(api: Api, name: str = "Anna", role: Any = ADMIN, **fields: str) -> access_pb2.Account:
    request = access_service_pb2.CreateAccountRequest(name=name, role=role, password=PASSWORD)
    request.MergeFrom(access_service_pb2.CreateAccountRequest(**fields))  # type: ignore[arg-type]
    return await api.access.CreateAccount(request)


async def sign_in(api: Api, name: str = "Anna", password: str = PASSWORD, **extra: Any) -> Any:
    return await api.access.SignIn(access_service_pb2.SignInRequest(name=name, password=password), **extra)


async def who(api: Api, secret: str) -> access_pb2.Identity:
    """Who bears the secret: straight, for ``api`` has a token of its own."""
    return await api.plain_access.WhoAmI(access_service_pb2.WhoAmIRequest(), metadata=metadata(secret))


async def actions(api: Api) -> list[str]:
    found = await api.engine.ListAuditEvents(ListAuditEventsRequest())
    return [event.action for event in found.audit_events]


# -- sessions ----------------------------------------------------------------------------------


async def test_a_session_from_its_begin_to_its_end(api: Api) -> None:
    account = await add_account(api)
    signed_in = await sign_in(api, "aNNA")
    assert signed_in.secret.startswith("mls_")
    identity = await who(api, signed_in.secret)
    assert identity == signed_in.identity
    assert (identity.name, identity.role, identity.account_id) == ("Anna", ADMIN, account.id)
    assert not identity.HasField("token_id")
    assert identity.expire_time.ToMicroseconds() == START_US + 43_200 * SECOND_US
    await api.plain_access.SignOut(access_service_pb2.SignOutRequest(), metadata=metadata(signed_in.secret))
    assert (await refusal(who(api, signed_in.secret))).code is StatusCode.UNAUTHENTICATED
    assert await actions(api) == ["session.delete", "session.create", "account.create"]


async def test_a_session_ends_by_itself_even_while_it_is_believed(api: Api) -> None:
    await add_account(api)
    secret = (await sign_in(api)).secret
    api.clock.pass_seconds(43_199)
    assert (await who(api, secret)).name == "Anna"
    api.clock.pass_seconds(1)
    assert (await refusal(who(api, secret))).code is StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(("name", "password"), [("Anna", "wrong"), ("Nobody", PASSWORD), ("", ""), ("я", "x" * 10_000)])
async def test_a_refused_sign_in_does_not_say_why(api: Api, name: str, password: str) -> None:
    await add_account(api)
    refused = await refusal(sign_in(api, name, password))
    assert (refused.code, refused.message) == (StatusCode.UNAUTHENTICATED, "the name or the password is wrong")


async def test_an_api_token_has_no_session_to_end_and_no_password(api: Api) -> None:
    for call in (
        api.access.SignOut(access_service_pb2.SignOutRequest()),
        api.access.ChangePassword(access_service_pb2.ChangePasswordRequest(current_password="x", new_password="y" * 8)),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "NOT_A_SESSION")


async def test_another_password_ends_the_other_sessions(api: Api) -> None:
    await add_account(api)
    mine, other = (await sign_in(api)).secret, (await sign_in(api)).secret
    change = access_service_pb2.ChangePasswordRequest(current_password="wrong", new_password="battery staple")
    refused = await refusal(api.plain_access.ChangePassword(change, metadata=metadata(mine)))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"current_password"})
    short = access_service_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password="short")
    assert (await refusal(api.plain_access.ChangePassword(short, metadata=metadata(mine)))).bad == {"new_password"}
    assert (await who(api, other)).name == "Anna"
    change.current_password = PASSWORD
    await api.plain_access.ChangePassword(change, metadata=metadata(mine))
    assert (await who(api, mine)).name == "Anna"
    assert (await refusal(who(api, other))).code is StatusCode.UNAUTHENTICATED
    assert (await refusal(sign_in(api))).code is StatusCode.UNAUTHENTICATED
    assert (await sign_in(api, password="battery staple")).secret


# -- guessing ----------------------------------------------------------------------------------


def retry_seconds(refused: Refusal) -> int:
    assert (refused.code, refused.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_TRIES")
    return int(refused.detail(error_details_pb2.RetryInfo).retry_delay.seconds)


async def test_guessing_gets_slower_and_the_right_password_must_wait_too(api: Api) -> None:
    await add_account(api)
    for _ in range(5):
        assert (await refusal(sign_in(api, password="wrong"))).code is StatusCode.UNAUTHENTICATED
    for seconds in (1, 2, 4):
        assert retry_seconds(await refusal(sign_in(api))) == seconds
        api.clock.pass_seconds(seconds)
        assert (await refusal(sign_in(api, password="wrong"))).code is StatusCode.UNAUTHENTICATED
    api.clock.pass_seconds(8)
    assert (await sign_in(api)).secret
    assert (await refusal(sign_in(api, password="wrong"))).code is StatusCode.UNAUTHENTICATED
    noted: list[AuditEvent] = []
    async with asyncio.timeout(PATIENT_SECONDS):
        while len(noted) < 2:  # they are noted in the background
            found = (await api.engine.ListAuditEvents(ListAuditEventsRequest(order_by="id"))).audit_events
            noted = [event for event in found if event.action == "session.refuse"]
    assert [dict(event.detail) for event in noted] == [
        {"with": "password", "name": "Anna"},
        {"with": "password", "name": "Anna", "more": 10},
    ], "at most one in ten seconds"
    assert {event.actor_kind for event in noted} == {ACTOR_KIND_NOBODY}


async def test_guessing_from_one_host_behind_the_gateway_does_not_hold_up_another(api: Api) -> None:
    await add_account(api)
    bad, good = (("x-forwarded-for", "198.51.100.7"),), (("x-forwarded-for", "203.0.113.9"),)
    for _ in range(5):
        assert (await refusal(sign_in(api, password="wrong", metadata=bad))).code is StatusCode.UNAUTHENTICATED
    assert retry_seconds(await refusal(sign_in(api, metadata=bad))) == 1
    assert (await sign_in(api, metadata=good)).secret
    found = (await api.engine.ListAuditEvents(ListAuditEventsRequest())).audit_events
    by_action = {event.action: event for event in found}
    assert by_action["session.refuse"].actor == "(unknown)"
    assert by_action["session.create"].actor == "Anna"
    assert by_action["session.create"].peer.startswith("203.0.113.9 via ipv4:127.0.0.1:")


async def test_guesses_from_forty_addresses_do_not_keep_the_owner_out(api: Api) -> None:
    """He has signed in from his network before, perhaps on another engine."""
    await add_account(api)
    home = (("x-forwarded-for", "203.0.113.9"),)
    await sign_in(api, metadata=home)
    refusals = []
    for number in range(40):
        away = (("x-forwarded-for", f"198.51.{number}.7"),)
        refusals += [(await refusal(sign_in(api, password="wrong", metadata=away))).code for _ in range(14)]
    assert refusals.count(StatusCode.RESOURCE_EXHAUSTED) > 400
    assert (await sign_in(api, metadata=(("x-forwarded-for", "203.0.113.200"),))).secret, "the same network"


async def test_a_header_of_somebody_who_is_no_gateway_is_not_believed(store: Store) -> None:
    """Who reaches the port can neither spray nor have somebody else throttled."""
    clock = FakeClock()
    authority = Authority(store, clock, passwords=cheap_passwords(), monotonic=lambda: clock.us / SECOND_US)
    row = await authority.create_account("Anna", Role.ADMIN, PASSWORD, by=Actor("test"))
    gateways = read_gateways("10.0.0.0/8, gateway.internal")
    assert isinstance(gateways, Gateways)
    server = ApiServer(store, FakeControl(), clock, authority=authority, gateways=gateways)
    port = await server.start("127.0.0.1:0")
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = access_service_pb2_grpc.AccessServiceStub(channel)
        asked = access_service_pb2.SignInRequest(name="Anna", password="wrong")
        claims = [(("x-forwarded-for", f"198.51.{number}.7"),) for number in range(7)]
        codes = [(await refusal(stub.SignIn(asked, metadata=claimed))).code for claimed in claims[:6]]
        assert codes == [StatusCode.UNAUTHENTICATED] * 5 + [StatusCode.RESOURCE_EXHAUSTED]
        clock.pass_seconds(1)
        await stub.SignIn(access_service_pb2.SignInRequest(name="Anna", password=PASSWORD), metadata=claims[6])
    await server.stop(0)
    found = await store.list_audit(AuditQuery(object_id=row.row.id), Page())
    assert all(each.peer.startswith("ipv4:127.0.0.1:") for each in found.items if each.action.startswith("session"))


# -- accounts ----------------------------------------------------------------------------------


async def test_every_bad_field_of_an_account_is_told(api: Api) -> None:
    request = access_service_pb2.CreateAccountRequest(name="a b", password="short", request_id="\n")
    assert (await refusal(api.access.CreateAccount(request))).bad == {"name", "role", "password", "request_id"}


async def test_a_name_is_taken_whatever_its_case_until_it_is_revoked(api: Api) -> None:
    await add_account(api, "Boss")
    account = await add_account(api)
    refused = await refusal(add_account(api, "aNNa"))
    assert (refused.code, refused.bad) == (StatusCode.ALREADY_EXISTS, {"name"})
    secret = (await sign_in(api)).secret
    assert (await who(api, secret)).name == "Anna"
    revoked = await api.access.RevokeAccount(access_service_pb2.RevokeAccountRequest(account_id=account.id))
    assert revoked.HasField("revoke_time")
    assert (await refusal(who(api, secret))).code is StatusCode.UNAUTHENTICATED
    assert (await refusal(sign_in(api))).code is StatusCode.UNAUTHENTICATED
    again = await api.access.RevokeAccount(access_service_pb2.RevokeAccountRequest(account_id=account.id))
    assert again.revoke_time == revoked.revoke_time
    assert (await add_account(api, "aNNa")).id > account.id


async def test_the_last_admin_stays(api: Api) -> None:
    account = await add_account(api)
    await add_account(api, "viewer", VIEWER)
    request = access_service_pb2.RevokeAccountRequest(account_id=account.id)
    refused = await refusal(api.access.RevokeAccount(request))
    assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "LAST_ADMIN")
    await add_account(api, "other")
    assert (await api.access.RevokeAccount(request)).HasField("revoke_time")
    missing = access_service_pb2.RevokeAccountRequest(account_id=404)
    assert (await refusal(api.access.RevokeAccount(missing))).code is StatusCode.NOT_FOUND


async def test_a_repeated_create_of_an_account(api: Api) -> None:
    first = await add_account(api, request_id="r1")
    assert await add_account(api, request_id="r1") == first
    refused = await refusal(add_account(api, request_id="r1", password="another password"))
    assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    assert (await refusal(add_account(api, "Ben", request_id="r1"))).reason == "REQUEST_ID_REUSED"


async def test_accounts_are_listed_in_pages(api: Api) -> None:
    made = [await add_account(api, f"a{number}") for number in range(3)]
    first = await api.access.ListAccounts(access_service_pb2.ListAccountsRequest(page_size=2))
    rest = await api.access.ListAccounts(
        access_service_pb2.ListAccountsRequest(page_size=2, page_token=first.next_page_token)
    )
    assert [*first.accounts, *rest.accounts] == made
    assert (first.total_size, rest.next_page_token) == (3, "")


# -- tokens ------------------------------------------------------------------------------------


async def test_a_token_from_its_begin_to_its_end(api: Api) -> None:
    request = access_service_pb2.CreateTokenRequest(name="ci job", role=VIEWER, request_id="r1")
    request.expire_time.FromMicroseconds(START_US + 100 * SECOND_US)
    made = await api.access.CreateToken(request)
    assert made.secret.startswith(made.token.hint)
    assert (made.token.created_by, len(made.secret), len(made.token.hint)) == ("tester", 47, 8)
    identity = await who(api, made.secret)
    assert (identity.name, identity.role, identity.token_id) == ("ci job", VIEWER, made.token.id)
    refused = await refusal(api.access.CreateToken(request))
    assert refused.code is StatusCode.ALREADY_EXISTS
    assert (await refusal(api.access.RevokeToken(access_service_pb2.RevokeTokenRequest(token_id=404)))).code is (
        StatusCode.NOT_FOUND
    )
    await api.access.RevokeToken(access_service_pb2.RevokeTokenRequest(token_id=made.token.id))
    assert (await refusal(who(api, made.secret))).code is StatusCode.UNAUTHENTICATED
    listed = (await api.access.ListTokens(access_service_pb2.ListTokensRequest())).tokens
    assert [token.name for token in listed] == ["tester", "ci job"]
    assert listed[1].last_used_time.ToMicroseconds() == START_US


async def test_every_bad_field_of_a_token_is_told(api: Api) -> None:
    request = access_service_pb2.CreateTokenRequest(name=" x", role=9)  # type: ignore[arg-type]
    request.expire_time.FromMicroseconds(START_US)
    assert (await refusal(api.access.CreateToken(request))).bad == {"name", "role", "expire_time"}


async def test_no_secret_lies_in_the_database(api: Api, tmp_path: Path) -> None:
    await add_account(api, request_id="r1")
    secrets = [PASSWORD, (await sign_in(api)).secret]
    made = await api.access.CreateToken(access_service_pb2.CreateTokenRequest(name="t", role=VIEWER, request_id="r2"))
    await refusal(sign_in(api, "typed in the wrong field", PASSWORD))
    with closing(sqlite3.connect(tmp_path / "mailing.db")) as connection:
        everything = "\n".join(connection.iterdump())
    assert "$argon2id$" in everything
    for secret in (*secrets, made.secret, "typed in the wrong field"):
        assert secret not in everything
