"""The audit list says which account or token it was, and an account can be revoked with what it has made."""

from __future__ import annotations

import asyncio

import pytest
from grpc import StatusCode

from engine.api.housekeeping import KEEP_NETWORKS_SECONDS, Housekeeping
from engine.store.store import Store
from mailing.v1 import access_pb2
from mailing.v1 import access_service_pb2 as pb
from mailing.v1.audit_pb2 import (
    ACTOR_KIND_ACCOUNT,
    ACTOR_KIND_TOKEN,
    ActorKind,
)
from mailing.v1.client_service_pb2 import ListClientsRequest
from mailing.v1.engine_service_pb2 import ListAuditEventsRequest
from scripts.token_channel import metadata
from tests.api.conftest import Api, refusal
from tests.api.fakes import SECOND_US, FakeClock
from tests.api.test_access import add_account, sign_in
from tests.patience import PATIENT_SECONDS

ADMIN = access_pb2.ROLE_ADMIN
DAY_SECONDS = 24 * 3600


async def make_token(api: Api, name: str, secret: str, **fields: object) -> pb.CreateTokenResponse:
    """Make a token in the name of whoever bears ``secret``."""
    request = pb.CreateTokenRequest(name=name, role=ADMIN, **fields)  # type: ignore[arg-type]
    return await api.plain_access.CreateToken(request, metadata=metadata(secret))


async def who_did(api: Api, **asked: object) -> list[tuple[str, str, ActorKind.ValueType, int]]:
    found = await api.engine.ListAuditEvents(ListAuditEventsRequest(**asked))  # type: ignore[arg-type]
    return [(each.action, each.actor, each.actor_kind, each.actor_id) for each in found.audit_events]


async def test_a_token_named_like_an_account_is_told_from_it(api: Api) -> None:
    account = await add_account(api, "admin")
    session = (await sign_in(api, "admin")).secret
    made = await make_token(api, "admin", session)
    assert (made.token.creator_kind, made.token.creator_id) == (ACTOR_KIND_ACCOUNT, account.id)
    second = await make_token(api, "x", made.secret)
    assert (second.token.created_by, second.token.creator_kind) == ("admin", ACTOR_KIND_TOKEN)
    assert second.token.creator_id == made.token.id
    by_account = [("token.create", "admin", ACTOR_KIND_ACCOUNT, account.id)]
    by_token = [("token.create", "admin", ACTOR_KIND_TOKEN, made.token.id)]
    assert await who_did(api, actor="admin", object_type="token") == by_token + by_account
    kinds = {"actor_kind": ACTOR_KIND_ACCOUNT, "object_type": "token"}
    assert await who_did(api, **kinds) == by_account
    assert await who_did(api, **kinds, actor_id=account.id) == by_account
    assert await who_did(api, actor_kind=ACTOR_KIND_TOKEN, actor_id=made.token.id) == by_token
    assert await who_did(api, **kinds, actor_id=404) == []
    listed = (await api.access.ListTokens(pb.ListTokensRequest())).tokens
    assert [each.creator_id for each in listed if each.HasField("creator_id")] == [account.id, made.token.id]


@pytest.mark.parametrize("asked", [{"actor_kind": 77}, {"actor_id": 5}])
async def test_a_kind_of_actor_that_is_none_is_refused(api: Api, asked: dict[str, int]) -> None:
    refused = await refusal(api.engine.ListAuditEvents(ListAuditEventsRequest(**asked)))  # type: ignore[arg-type]
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"actor_kind"})


async def works(api: Api, secret: str) -> bool:
    try:
        await api.plain_access.WhoAmI(pb.WhoAmIRequest(), metadata=metadata(secret))
    except Exception:
        return False
    return True


async def test_an_account_is_revoked_with_all_that_it_has_made(api: Api) -> None:
    """Also with what a token of its making has made, be that token revoked or not."""
    await add_account(api, "owner")
    mallory = await add_account(api, "mallory")
    session = (await sign_in(api, "mallory")).secret
    first = await make_token(api, "first", session)
    second = await make_token(api, "second", first.secret)
    third = await make_token(api, "third", second.secret)
    others = await make_token(api, "other", (await sign_in(api, "owner")).secret)
    await api.access.RevokeToken(pb.RevokeTokenRequest(token_id=second.token.id))
    accounts = {each.name: each for each in (await api.access.ListAccounts(pb.ListAccountsRequest())).accounts}
    assert {name: each.live_token_count for name, each in accounts.items()} == {"owner": 1, "mallory": 2}

    revoked = await api.access.RevokeAccount(pb.RevokeAccountRequest(account_id=mallory.id))
    assert revoked.live_token_count == 2
    assert [await works(api, each.secret) for each in (first, second, third)] == [True, False, True]
    asked = pb.RevokeAccountRequest(account_id=mallory.id, revoke_made_tokens=True)
    again = await api.access.RevokeAccount(asked)
    assert (again.live_token_count, again.revoke_time) == (0, revoked.revoke_time)
    assert [await works(api, each.secret) for each in (first, third, others)] == [False, False, True]
    assert (await api.access.RevokeAccount(asked)).live_token_count == 0
    gone = [
        each.object_id
        for each in (await api.engine.ListAuditEvents(ListAuditEventsRequest())).audit_events
        if each.action == "token.revoke"
    ]
    assert gone == [third.token.id, first.token.id, second.token.id], "each is noted once"


async def test_revoking_both_at_once_and_tokens_that_have_ended(api: Api) -> None:
    await add_account(api, "owner")
    account = await add_account(api, "anna")
    session = (await sign_in(api, "anna")).secret
    ends = await make_token(api, "short", session, expire_time={"seconds": api.clock.us // SECOND_US + 60})
    stays = await make_token(api, "long", session)
    api.clock.pass_seconds(61)
    counts = {
        each.name: each.live_token_count for each in (await api.access.ListAccounts(pb.ListAccountsRequest())).accounts
    }
    assert counts == {"owner": 0, "anna": 1}
    await api.access.RevokeAccount(pb.RevokeAccountRequest(account_id=account.id, revoke_made_tokens=True))
    assert not await works(api, stays.secret)
    tokens = {
        each.id: each.HasField("revoke_time") for each in (await api.access.ListTokens(pb.ListTokensRequest())).tokens
    }
    assert tokens == {1: False, ends.token.id: False, stays.token.id: True}


# -- how long things are kept ----------------------------------------------------------------------


async def test_the_audit_list_ends(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks, the oldest first."""
    monkeypatch.setattr("engine.api.housekeeping._CHUNK", 2)
    monkeypatch.setattr("engine.api.housekeeping._CHUNK_PAUSE_SECONDS", 0.0)
    chunks, forget = [], store.forget_audit

    async def counted(before_us: int, limit: int) -> int:
        chunks.append(await forget(before_us, limit))
        return chunks[-1]

    monkeypatch.setattr(store, "forget_audit", counted)
    for number in range(5):
        await api.add_client(str(79160000000 + number))
    api.clock.pass_seconds(30 * DAY_SECONDS)
    await api.add_client("79161234567")
    api.clock.pass_seconds(1)
    await run_once(Housekeeping(store, api.clock, audit_keep_days=0), chunks, 0)
    assert len(await who_did(api)) == 6, "0 keeps it for ever"
    chunks.clear()
    await run_once(Housekeeping(store, api.clock, audit_keep_days=30), chunks, 4)
    assert (chunks[:4], len(await who_did(api))) == ([2, 2, 1, 0], 1)
    assert (await api.clients.ListClients(ListClientsRequest())).total_size == 6


async def run_once(housekeeping: Housekeeping, chunks: list[int], number: int) -> None:
    housekeeping.start()
    async with asyncio.timeout(PATIENT_SECONDS):
        while len(chunks) < number:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    await housekeeping.stop()


async def test_networks_are_known_for_a_while_and_the_last_twenty(api: Api, store: Store) -> None:
    clock: FakeClock = api.clock
    await add_account(api)
    for number in range(25):
        clock.pass_seconds(1)
        await sign_in(api, metadata=(("x-forwarded-for", f"198.51.{number}.7"),))
    networks = [f"198.51.{number}.0/24" for number in range(25)]

    async def known() -> list[bool]:
        rows = [await store.sign_in_row("anna", each) for each in networks]
        return [row is not None and row.is_known for row in rows]

    assert await known() == [False] * 5 + [True] * 20
    clock.pass_seconds(KEEP_NETWORKS_SECONDS - 1)
    await sign_in(api, metadata=(("x-forwarded-for", "198.51.20.9"),))
    clock.pass_seconds(1)
    while await store.forget_networks(clock.us - KEEP_NETWORKS_SECONDS * SECOND_US, 3):
        pass
    assert [number for number, is_known in enumerate(await known()) if is_known] == [20, 24]
