"""Two-step sign-in on every kind of database: a code is taken once, whoever asks at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pyotp import HOTP

from engine.domain.access import Impossible, NoOneTimeCode, Role, WrongOneTimeCode
from engine.domain.errors import NotFound
from engine.domain.totp import STEP_US
from engine.store import Store
from engine.store.access_rows import AccountRow, Shown, TotpRow
from engine.store.database import Tx
from engine.store.rows import AuditQuery, Page
from tests.store.conftest import Opener
from tests.store.world import BY

NOW = 1_800_000_000_000_000
SECRET, OTHER = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CODES = [f"{number:064}" for number in range(3)]
STEP = NOW // STEP_US
ASKED: dict[str, Any] = {"by": BY, "now_us": NOW}


def app(step: int = STEP, secret: str = SECRET) -> Shown:
    return Shown(code=HOTP(secret).at(step))


async def add(store: Store, name: str = "anna") -> AccountRow:
    return (await store.create_account(name, Role.ADMIN, "hash", **ASKED)).row


async def enter(store: Store, account_id: int, shown: Shown | None, number: int = 0, now_us: int = NOW) -> int | None:
    return await store.open_session(
        account_id, "hash", f"{number:064}", shown=shown, expire_us=NOW * 2, by=BY, now_us=now_us
    )


async def confirm(store: Store, account_id: int, shown: Shown, session_id: int = 0) -> None:
    await store.confirm_totp(account_id, shown=shown, recovery_hashes=CODES, keep_session_id=session_id, **ASKED)


async def enabled(store: Store) -> int:
    """An account with two-step sign-in; the code of the step before now was taken to turn it on."""
    account = await add(store)
    await store.begin_totp(account.id, SECRET, shown=None, **ASKED)
    await confirm(store, account.id, app(STEP - 1))
    return account.id


async def test_it_is_on_only_once_a_code_of_the_secret_was_shown(store: Store) -> None:
    account = await add(store)
    mine, other = await enter(store, account.id, None, 1), await enter(store, account.id, None, 2)
    assert mine is not None
    assert other is not None
    with pytest.raises(Impossible, match="nothing was begun"):
        await confirm(store, account.id, app())
    await store.begin_totp(account.id, OTHER, shown=None, **ASKED)
    await store.begin_totp(account.id, SECRET, shown=None, **ASKED)
    for wrong in (app(secret=OTHER), Shown(), Shown(recovery_hash=CODES[0])):
        with pytest.raises(WrongOneTimeCode):
            await confirm(store, account.id, wrong)
    assert await store.totp_of(account.id) == TotpRow(None, 0)
    assert await enter(store, account.id, None, 3) is not None
    await confirm(store, account.id, app(), mine)
    assert await store.totp_of(account.id) == TotpRow(NOW, 3)
    assert [(row.totp_us) for row in (await store.list_accounts(Page())).items] == [NOW]
    found = await store.identify(f"{1:064}", NOW)
    assert found is not None
    assert found.has_totp
    assert await store.identify(f"{2:064}", NOW) is None, "it was opened with a password alone"
    with pytest.raises(NoOneTimeCode):
        await enter(store, account.id, None, 4)
    with pytest.raises(WrongOneTimeCode):
        await enter(store, account.id, app(), 4)  # it was taken to turn it on


async def test_a_code_is_taken_once_and_a_wrong_one_changes_nothing(store: Store) -> None:
    account_id = await enabled(store)
    for wrong in (Shown(), app(STEP - 1), app(STEP + 2), app(secret=OTHER), Shown(recovery_hash="c" * 64)):
        with pytest.raises(WrongOneTimeCode):
            await enter(store, account_id, wrong, 1)
    assert await store.open_session(account_id, "another", "a" * 64, shown=app(), expire_us=9, **ASKED) is None
    assert await enter(store, account_id, app(), 1) is not None
    with pytest.raises(WrongOneTimeCode):
        await enter(store, account_id, app(), 2)
    assert await enter(store, account_id, app(STEP + 1), 2) is not None
    [newest, *_] = (await store.list_audit(AuditQuery(action="session.create"), Page())).items
    assert newest.detail == {"with": "totp"}


@pytest.mark.parametrize("shown", [app(), Shown(recovery_hash=CODES[0])], ids=["app", "recovery"])
async def test_of_many_who_show_the_same_code_at_once_one_gets_in(open_store: Opener, kind: str, shown: Shown) -> None:
    """On PostgreSQL to two engines."""
    engines = [await open_store() for _ in range(2 if kind == "postgres" else 1)]
    account_id = await enabled(engines[0])
    tries = (enter(engines[number % len(engines)], account_id, shown, number) for number in range(6))
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, int) for each in found) == 1
    assert sum(isinstance(each, WrongOneTimeCode) for each in found) == 5


async def test_a_recovery_code_is_good_once_and_only_for_its_account(store: Store) -> None:
    account_id, other = await enabled(store), await add(store, "ben")
    await store.begin_totp(other.id, OTHER, shown=None, **ASKED)
    await store.confirm_totp(other.id, shown=app(secret=OTHER), recovery_hashes=[], keep_session_id=0, **ASKED)
    with pytest.raises(WrongOneTimeCode):
        await enter(store, other.id, Shown(recovery_hash=CODES[0]), 1)
    assert await enter(store, account_id, Shown(recovery_hash=CODES[0]), 1) is not None
    with pytest.raises(WrongOneTimeCode):
        await enter(store, account_id, Shown(recovery_hash=CODES[0]), 2)
    assert await store.totp_of(account_id) == TotpRow(NOW, 2)
    await store.renew_recovery_codes(account_id, shown=app(), recovery_hashes=["d" * 64], **ASKED)
    with pytest.raises(WrongOneTimeCode):
        await enter(store, account_id, Shown(recovery_hash=CODES[1]), 2)
    assert await enter(store, account_id, Shown(recovery_hash="d" * 64), 2) is not None
    events = (await store.list_audit(AuditQuery(object_id=account_id), Page())).items
    assert [(each.action, each.detail) for each in events[:5]] == [
        ("session.create", {"with": "recovery_code"}),
        ("account.recovery_code", {"left": 0}),
        ("account.recovery_codes", {}),
        ("session.create", {"with": "recovery_code"}),
        ("account.recovery_code", {"left": 2}),
    ]


async def test_another_app_takes_its_place_with_a_code_of_the_first(store: Store) -> None:
    account_id = await enabled(store)
    with pytest.raises(NoOneTimeCode):
        await store.begin_totp(account_id, OTHER, shown=None, **ASKED)
    with pytest.raises(WrongOneTimeCode):
        await store.begin_totp(account_id, OTHER, shown=Shown(), **ASKED)
    await store.begin_totp(account_id, OTHER, shown=app(), **ASKED)
    assert await enter(store, account_id, app(STEP + 1), 1) is not None, "the first one is good until then"
    await confirm(store, account_id, app(secret=OTHER))  # of a step of which the first app's code was taken
    with pytest.raises(WrongOneTimeCode):
        await enter(store, account_id, app(STEP + 1), 2)
    assert await enter(store, account_id, app(STEP + 1, OTHER), 2) is not None


async def secrets_left(tx: Tx) -> int:
    rows = await tx.value("SELECT count(*) FROM account WHERE totp_secret <> '' OR totp_pending <> ''")
    return int(rows) + int(await tx.value("SELECT count(*) FROM recovery_code"))


@pytest.mark.parametrize("way", ["disable", "reset", "revoke"])
async def test_nothing_is_left_of_it_when_it_is_off(store: Store, way: str) -> None:
    await add(store, "admin")
    account_id = await enabled(store)
    await enter(store, account_id, app(), 1)
    if way == "disable":
        with pytest.raises(WrongOneTimeCode):
            await store.disable_totp(account_id, shown=app(), **ASKED)
        await store.disable_totp(account_id, shown=Shown(recovery_hash=CODES[0]), **ASKED)
        with pytest.raises(Impossible, match="has no two-step sign-in"):
            await store.disable_totp(account_id, shown=app(STEP + 1), **ASKED)
    elif way == "reset":
        for _ in range(2):
            assert (await store.reset_totp(account_id, **ASKED)).totp_us is None
    else:
        await store.revoke_account(account_id, **ASKED)
        assert (await store.reset_totp(account_id, **ASKED)).revoke_us == NOW
    assert await store._db.read(secrets_left) == 0
    assert (await store.totp_of(account_id)).enable_us is None
    is_open = await store.identify(f"{1:064}", NOW) is not None
    assert is_open == (way == "disable"), "who is put back to a password signs in anew"
    actions = [each.action for each in (await store.list_audit(AuditQuery(object_id=account_id), Page())).items]
    assert actions.count("account.totp_reset") == (way == "reset")
    assert actions.count("account.totp_disable") == (way == "disable")
    if way != "revoke":
        assert await enter(store, account_id, None, 2) is not None


async def test_there_is_none_for_accounts_without_a_password_or_that_are_not_there(store: Store) -> None:
    for call in (
        store.totp_of(7),
        store.reset_totp(7, **ASKED),
        store.begin_totp(7, SECRET, shown=None, **ASKED),
        confirm(store, 7, app()),
    ):
        with pytest.raises(NotFound):
            await call
