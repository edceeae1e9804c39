"""Accounts and their sessions. Only hashes of passwords and secrets come here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from common.error_codes import ErrorCode
from engine.domain.access import Impossible, Role
from engine.domain.errors import Conflict, NotFound
from engine.store.access_rows import AccountRow, Shown, SignInRow
from engine.store.audit import add_audit
from engine.store.database import Lane, Tx
from engine.store.paging import page_of
from engine.store.requests import first_answer, keep_answer
from engine.store.row_of import RowOf, insert_of
from engine.store.rows import Actor, Created, Page, PageOf, RequestKey
from engine.store.second_step import forget_second_step, lock_steps, spend
from engine.store.token_makers import TokenMakers, revoke_token_row
from engine.store.verbs import Verbs, read, transaction

ACCOUNT: Final = RowOf(AccountRow, lacks=["live_tokens"])
BY_PASSWORD: Final = {"with": "password"}
"""In the audit list: how the person has signed in."""
NETWORKS_MAX: Final = 20
"""How many networks of an account are remembered."""
_LOCK: Final = 0x6D61696C_00000003
"""PostgreSQL's advisory lock for making accounts and tokens: two engines that start at once make one."""


class AccountVerbs(Verbs):
    """What the API asks about accounts. ``now_us``: the time; ``by``: who asks, for the audit list."""

    @transaction(Lane.API)
    async def create_account(
        self,
        tx: Tx,
        name: str,
        role: Role,
        password_hash: str,
        *,
        by: Actor,
        now_us: int,
        request: RequestKey | None = None,
    ) -> Created[AccountRow]:
        """Add an account.

        Raises:
            Conflict: the name is taken, or the request id was used for another request.
        """
        await lock_access(tx)
        if (answer := await first_answer(tx, request)) is not None:
            return Created(ACCOUNT.answered(answer), replayed=True)
        row = await insert_account(tx, name, role, password_hash, by, now_us)
        await keep_answer(tx, request, row, now_us)
        return Created(row, replayed=False)

    @transaction(Lane.API)
    async def seed_account(self, tx: Tx, name: str, password_hash: str, *, by: Actor, now_us: int) -> AccountRow | None:
        """Add the first admin's account; ``None``: there is an account already."""
        await lock_access(tx)
        if await tx.row("SELECT 1 FROM account LIMIT 1") is not None:
            return None
        return await insert_account(tx, name, Role.ADMIN, password_hash, by, now_us)

    @read(Lane.API)
    async def has_accounts(self, tx: Tx) -> bool:
        """Whether there has ever been an account."""
        return await tx.row("SELECT 1 FROM account LIMIT 1") is not None

    @read(Lane.API)
    async def list_accounts(self, tx: Tx, page: Page, now_us: int = 0) -> PageOf[AccountRow]:
        """All accounts, the revoked ones too, by id; their tokens that have ended by ``now_us`` are not counted."""
        found = await page_of(tx, ACCOUNT, "account", page)
        makers = await TokenMakers.read(tx, now_us)
        return replace(found, items=tuple(_with_count(account, makers) for account in found.items))

    @read(Lane.API)
    async def account_named(self, tx: Tx, name: str) -> tuple[AccountRow, str] | None:
        """The account with this name (in any case) that is not revoked, and its password's hash."""
        row = await tx.row(
            f"SELECT {ACCOUNT.sql}, password_hash FROM account WHERE lower(name) = lower(?) AND revoke_us IS NULL",
            name,
        )
        return None if row is None else (ACCOUNT.read(row), str(row[-1]))

    @read(Lane.API)
    async def password_hash(self, tx: Tx, account_id: int) -> str | None:
        """The hash of an account's password; ``None``: there is no such account, or it was revoked."""
        found = await tx.value(
            "SELECT password_hash FROM account WHERE id = ? AND revoke_us IS NULL AND issuer = ''", account_id
        )
        return None if found is None else str(found)

    @read(Lane.API)
    async def sign_in_row(self, tx: Tx, name: str, network: str) -> SignInRow | None:
        """What a sign-in from ``network`` is judged by: the account with this name (in any case) that is not revoked
        and has a password. ``None``: there is none."""
        row = await tx.row(
            f"SELECT {ACCOUNT.sql}, password_hash,"
            " EXISTS (SELECT 1 FROM known_network WHERE account_id = account.id AND network = ?)"
            " FROM account WHERE lower(name) = lower(?) AND revoke_us IS NULL AND issuer = ''",
            network,
            name,
        )
        return None if row is None else SignInRow(ACCOUNT.read(row), str(row[-2]), bool(row[-1]))

    @transaction(Lane.API)
    async def revoke_account(
        self, tx: Tx, account_id: int, *, with_tokens: bool = False, by: Actor, now_us: int
    ) -> AccountRow:
        """Revoke an account and end its sessions. To do it again changes nothing.

        ``with_tokens`` revokes its tokens too, those that it has made by itself or with tokens of its making. The
        account may have been revoked before.

        Raises:
            NotFound: there is no such account.
            Impossible: it is the last admin's that has a password: a provider may be gone, or say otherwise.
        """
        await lock_access(tx)
        row = await tx.row(f"SELECT {ACCOUNT.sql} FROM account WHERE id = ?", account_id)
        if row is None:
            raise NotFound("account", account_id)
        account = ACCOUNT.read(row)
        if account.revoke_us is not None:
            return await _with_tokens(tx, account, with_tokens, by, now_us)
        is_needed = account.role is Role.ADMIN and not account.issuer
        if is_needed and not await _has_other_admin(tx, account_id):
            raise Impossible(ErrorCode.LAST_ADMIN.format())
        await tx.run("UPDATE account SET revoke_us = ? WHERE id = ?", now_us, account_id)
        await tx.run("DELETE FROM session WHERE account_id = ?", account_id)
        await tx.run("DELETE FROM known_network WHERE account_id = ?", account_id)
        await forget_second_step(tx, account_id)
        await add_audit(tx, by, "account.revoke", "account", account_id, {"name": account.name}, now_us)
        return await _with_tokens(tx, replace(account, revoke_us=now_us), with_tokens, by, now_us)

    @transaction(Lane.API)
    async def set_password(
        self,
        tx: Tx,
        account_id: int,
        old_hash: str,
        new_hash: str,
        *,
        keep_session_id: int | None,
        by: Actor,
        now_us: int,
    ) -> bool:
        """Change a password and end the other sessions; ``False``: the account has not ``old_hash`` any more."""
        changed = await tx.run(
            "UPDATE account SET password_hash = ? WHERE id = ? AND password_hash = ? AND revoke_us IS NULL",
            new_hash,
            account_id,
            old_hash,
        )
        if not changed:
            return False
        await tx.run("DELETE FROM session WHERE account_id = ? AND id <> ?", account_id, keep_session_id or 0)
        await add_audit(tx, by, "account.password", "account", account_id, {}, now_us)
        return True

    # -- sessions ----------------------------------------------------------------------------------

    @transaction(Lane.API)
    async def open_session(
        self,
        tx: Tx,
        account_id: int,
        password_hash: str,
        secret_hash: str,
        *,
        shown: Shown | None = None,
        new_hash: str | None = None,
        expire_us: int,
        network: str = "",
        by: Actor,
        now_us: int,
    ) -> int | None:
        """Note that somebody has signed in, and from where; ``new_hash``: the same password, hashed anew.

        Returns:
            The session's id; ``None``: the account was revoked or got another password in the meantime.

        Raises:
            NoOneTimeCode: the account has two-step sign-in, and no code is ``shown``.
            WrongOneTimeCode: it is not good.
        """
        account = await lock_steps(tx, account_id)
        if account is None or account.password_hash != password_hash:
            return None
        detail = await spend(tx, account, shown, by, now_us) if account.secret else BY_PASSWORD
        await tx.run(
            "UPDATE account SET last_sign_in_us = ?, password_hash = ? WHERE id = ?",
            now_us,
            new_hash or password_hash,
            account_id,
        )
        if network:
            await _note_network(tx, account_id, network, now_us)
        return await insert_session(tx, account_id, secret_hash, expire_us, detail, by, now_us)

    @transaction(Lane.API)
    async def close_session(self, tx: Tx, session_id: int, account_id: int, *, by: Actor, now_us: int) -> None:
        """Note that somebody has signed out; again: nothing happens."""
        if await tx.run("DELETE FROM session WHERE id = ?", session_id):
            await add_audit(tx, by, "session.delete", "account", account_id, {}, now_us)

    @transaction(Lane.API)
    async def note_refusal(
        self,
        tx: Tx,
        account_id: int | None,
        detail: Mapping[str, object],
        *,
        by: Actor,
        now_us: int,
        more: int = 0,
    ) -> None:
        """Note in the audit list that a sign-in was refused. ``account_id`` is ``None`` when no account has that name,
        which is not noted then: somebody may have typed a password in its place. ``more``: how many earlier refusals
        are not in the list."""
        name = await tx.value("SELECT name FROM account WHERE id = ?", account_id)
        detail = {**detail, **({"name": name} if name else {}), **({"more": more} if more else {})}
        await add_audit(tx, by, "session.refuse", "account", account_id, detail, now_us)

    @transaction(Lane.API)
    async def forget_sessions(self, tx: Tx, before_us: int, limit: int = 5_000) -> int:
        """Remove up to ``limit`` sessions that ended before this time; return how many."""
        return await tx.run(
            "DELETE FROM session WHERE id IN (SELECT id FROM session"
            f" WHERE expire_us < ? ORDER BY expire_us LIMIT ? {tx.dialect.lock(skip=True)})",
            before_us,
            limit,
        )

    @transaction(Lane.API)
    async def forget_networks(self, tx: Tx, before_us: int, limit: int = 5_000) -> int:
        """Forget up to ``limit`` networks from which nobody has signed in since this time; return how many."""
        return await tx.run(
            "DELETE FROM known_network WHERE id IN (SELECT id FROM known_network"
            f" WHERE last_us < ? ORDER BY last_us LIMIT ? {tx.dialect.lock(skip=True)})",
            before_us,
            limit,
        )


async def with_live_tokens(tx: Tx, account: AccountRow, now_us: int) -> AccountRow:
    """Complete an account that was read alone."""
    return _with_count(account, await TokenMakers.read(tx, now_us))


def _with_count(account: AccountRow, makers: TokenMakers) -> AccountRow:
    return replace(account, live_tokens=sum(1 for _ in makers.live_of(account.id)))


async def _with_tokens(tx: Tx, account: AccountRow, revoke: bool, by: Actor, now_us: int) -> AccountRow:
    """Complete a revoked account: revoke its tokens if that is asked for, and count those that can still be used."""
    makers = await TokenMakers.read(tx, now_us)
    if not revoke:
        return _with_count(account, makers)
    for token in makers.live_of(account.id):
        await revoke_token_row(tx, token.id, token.name, by, now_us)
    return account


async def _note_network(tx: Tx, account_id: int, network: str, now_us: int) -> None:
    """Remember the network for the account, and forget all but the last ``NETWORKS_MAX``."""
    await tx.run(
        "INSERT INTO known_network (account_id, network, last_us) VALUES (?, ?, ?)"
        " ON CONFLICT (account_id, network) DO UPDATE SET last_us = excluded.last_us",
        account_id,
        network,
        now_us,
    )
    await tx.run(
        "DELETE FROM known_network WHERE account_id = ? AND id NOT IN"
        " (SELECT id FROM known_network WHERE account_id = ? ORDER BY last_us DESC, id DESC LIMIT ?)",
        account_id,
        account_id,
        NETWORKS_MAX,
    )


async def lock_access(tx: Tx) -> None:
    """Let nobody else make accounts or tokens until the transaction ends. SQLite has one writer anyway."""
    if not tx.dialect.is_sqlite:
        await tx.rows("SELECT pg_advisory_xact_lock(?)", _LOCK)


async def insert_session(
    tx: Tx, account_id: int, secret_hash: str, expire_us: int, detail: Mapping[str, object], by: Actor, now_us: int
) -> int:
    """Add a session, and note it with ``detail``; return its id."""
    session_id = await tx.value(
        "INSERT INTO session (account_id, secret_hash, create_us, expire_us) VALUES (?, ?, ?, ?) RETURNING id",
        account_id,
        secret_hash,
        now_us,
        expire_us,
    )
    await add_audit(tx, by, "session.create", "account", account_id, detail, now_us)
    return int(session_id)


async def insert_account(
    tx: Tx,
    name: str,
    role: Role,
    password_hash: str,
    by: Actor,
    now_us: int,
    *,
    issuer: str = "",
    subject: str = "",
) -> AccountRow:
    """Add an account under ``lock_access``; it has a password, or an issuer that says who the person is.

    Raises:
        Conflict: the name is taken.
    """
    taken = await tx.row("SELECT 1 FROM account WHERE lower(name) = lower(?) AND revoke_us IS NULL", name)
    if taken is not None:
        raise Conflict(ErrorCode.ACCOUNT_NAME_TAKEN.format(name=name), field="name")
    values = {"name": name, "role": int(role), "password_hash": password_hash, "create_us": now_us}
    values |= {"issuer": issuer, "subject": subject}
    account_id = await tx.value(f"{insert_of('account', values)} RETURNING id", *values.values())
    await add_audit(tx, by, "account.create", "account", account_id, {"name": name, "role": role.word}, now_us)
    return AccountRow(int(account_id), name, role, now_us, None, None, issuer)


async def _has_other_admin(tx: Tx, account_id: int) -> bool:
    other = await tx.row(
        "SELECT 1 FROM account WHERE role = ? AND revoke_us IS NULL AND issuer = '' AND id <> ? LIMIT 1",
        int(Role.ADMIN),
        account_id,
    )
    return other is not None
