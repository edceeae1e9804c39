"""Accounts and their sessions. Of passwords and secrets only hashes come here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from common.error_codes import ErrorCode
from engine.domain.access import Impossible, Role
from engine.domain.errors import Conflict, NotFound
from engine.store.access_rows import AccountRow, SignInRow
from engine.store.audit import add_audit
from engine.store.database import Row, Tx
from engine.store.lists import Cut, read_part
from engine.store.requests import first_answer, keep_answer
from engine.store.rows import Actor, Created, Page, PageOf, RequestKey
from engine.store.token_makers import TokenMakers, revoke_token_row
from engine.store.verbs import Verbs

_COLUMNS: Final = "id, name, role, create_us, revoke_us, last_sign_in_us"
NETWORKS_MAX: Final = 20
"""So many networks of an account are remembered."""
_LOCK: Final = 0x6D61696C_00000003
"""PostgreSQL's advisory lock of those who make accounts or tokens: so two engines that start at once make one."""


class AccountVerbs(Verbs):
    """What the API asks about accounts. ``now_us``: the time; ``by``: who asks, for the audit list."""

    async def create_account(
        self,
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

        async def work(tx: Tx) -> Created[AccountRow]:
            await lock_access(tx)
            if (answer := await first_answer(tx, request)) is not None:
                return Created(AccountRow(**{**answer, "role": Role(answer["role"])}), replayed=True)
            row = await _insert(tx, name, role, password_hash, by, now_us)
            await keep_answer(tx, request, row, now_us)
            return Created(row, replayed=False)

        return await self._db.transaction(work)

    async def seed_account(self, name: str, password_hash: str, *, by: Actor, now_us: int) -> AccountRow | None:
        """Add the first admin's account; ``None``: there is an account already."""

        async def work(tx: Tx) -> AccountRow | None:
            await lock_access(tx)
            if await tx.row("SELECT 1 FROM account LIMIT 1") is not None:
                return None
            return await _insert(tx, name, Role.ADMIN, password_hash, by, now_us)

        return await self._db.transaction(work)

    async def has_accounts(self) -> bool:
        """Whether there has ever been an account."""

        async def work(tx: Tx) -> bool:
            return await tx.row("SELECT 1 FROM account LIMIT 1") is not None

        return await self._db.read(work)

    async def list_accounts(self, page: Page, now_us: int = 0) -> PageOf[AccountRow]:
        """All accounts, the revoked ones too, by id; their tokens that have ended by ``now_us`` are not counted."""

        async def work(tx: Tx) -> PageOf[AccountRow]:
            total = int(await tx.value("SELECT count(*) FROM account"))

            async def fetch(part: Cut) -> Sequence[Row]:
                return await tx.rows(f"SELECT {_COLUMNS} FROM account {part.sql('TRUE')}", *part.args)

            found, more = await read_part(page, total, fetch)
            makers = await TokenMakers.read(tx, now_us)
            items = tuple(_with_count(_row(row), makers) for row in found)
            return PageOf(items, total, items[-1].id if more else None)

        return await self._db.read(work)

    async def account_named(self, name: str) -> tuple[AccountRow, str] | None:
        """The account with this name (in any case) that is not revoked, and its password's hash."""

        async def work(tx: Tx) -> tuple[AccountRow, str] | None:
            row = await tx.row(
                f"SELECT {_COLUMNS}, password_hash FROM account WHERE lower(name) = lower(?) AND revoke_us IS NULL",
                name,
            )
            return None if row is None else (_row(row[:-1]), str(row[-1]))

        return await self._db.read(work)

    async def password_hash(self, account_id: int) -> str | None:
        """The hash of an account's password; ``None``: there is no such account, or it was revoked."""

        async def work(tx: Tx) -> str | None:
            found = await tx.value("SELECT password_hash FROM account WHERE id = ? AND revoke_us IS NULL", account_id)
            return None if found is None else str(found)

        return await self._db.read(work)

    async def sign_in_row(self, name: str, network: str) -> SignInRow | None:
        """What somebody who signs in from ``network`` is judged by: the account with this name (in any case) that is
        not revoked."""

        async def work(tx: Tx) -> SignInRow | None:
            row = await tx.row(
                f"SELECT {_COLUMNS}, password_hash,"
                " EXISTS (SELECT 1 FROM known_network WHERE account_id = account.id AND network = ?)"
                " FROM account WHERE lower(name) = lower(?) AND revoke_us IS NULL",
                network,
                name,
            )
            return None if row is None else SignInRow(_row(row[:-2]), str(row[-2]), bool(row[-1]))

        return await self._db.read(work)

    async def revoke_account(self, account_id: int, *, with_tokens: bool = False, by: Actor, now_us: int) -> AccountRow:
        """Revoke an account and end its sessions; again: nothing happens. ``with_tokens``: and those tokens that it
        has made, by itself or with tokens of its making; also of an account that was revoked before.

        Raises:
            NotFound: there is no such account.
            Impossible: it is the last admin's.
        """

        async def work(tx: Tx) -> AccountRow:
            await lock_access(tx)
            row = await tx.row(f"SELECT {_COLUMNS} FROM account WHERE id = ?", account_id)
            if row is None:
                raise NotFound("account", account_id)
            account = _row(row)
            if account.revoke_us is not None:
                return await _with_tokens(tx, account, with_tokens, by, now_us)
            if account.role is Role.ADMIN and not await _has_other_admin(tx, account_id):
                raise Impossible(ErrorCode.LAST_ADMIN.format())
            await tx.run("UPDATE account SET revoke_us = ? WHERE id = ?", now_us, account_id)
            await tx.run("DELETE FROM session WHERE account_id = ?", account_id)
            await tx.run("DELETE FROM known_network WHERE account_id = ?", account_id)
            await add_audit(tx, by, "account.revoke", "account", account_id, {"name": account.name}, now_us)
            return await _with_tokens(tx, _row((*row[:4], now_us, row[5])), with_tokens, by, now_us)

        return await self._db.transaction(work)

    async def set_password(
        self, account_id: int, old_hash: str, new_hash: str, *, keep_session_id: int | None, by: Actor, now_us: int
    ) -> bool:
        """Change a password and end the other sessions; ``False``: the account has not ``old_hash`` any more."""

        async def work(tx: Tx) -> bool:
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

        return await self._db.transaction(work)

    # -- sessions ----------------------------------------------------------------------------------

    async def open_session(
        self,
        account_id: int,
        password_hash: str,
        secret_hash: str,
        *,
        new_hash: str | None = None,
        expire_us: int,
        network: str = "",
        by: Actor,
        now_us: int,
    ) -> int | None:
        """Note that somebody has signed in, and from where; ``new_hash``: the same password, hashed anew.

        Returns:
            The session's id; ``None``: the account was revoked or got another password in the meantime.
        """

        async def work(tx: Tx) -> int | None:
            changed = await tx.run(
                "UPDATE account SET last_sign_in_us = ?, password_hash = ?"
                " WHERE id = ? AND password_hash = ? AND revoke_us IS NULL",
                now_us,
                new_hash or password_hash,
                account_id,
                password_hash,
            )
            if not changed:
                return None
            session_id = await tx.value(
                "INSERT INTO session (account_id, secret_hash, create_us, expire_us) VALUES (?, ?, ?, ?) RETURNING id",
                account_id,
                secret_hash,
                now_us,
                expire_us,
            )
            if network:
                await _note_network(tx, account_id, network, now_us)
            await add_audit(tx, by, "session.create", "account", account_id, {}, now_us)
            return int(session_id)

        return await self._db.transaction(work)

    async def close_session(self, session_id: int, account_id: int, *, by: Actor, now_us: int) -> None:
        """Note that somebody has signed out; again: nothing happens."""

        async def work(tx: Tx) -> None:
            if await tx.run("DELETE FROM session WHERE id = ?", session_id):
                await add_audit(tx, by, "session.delete", "account", account_id, {}, now_us)

        await self._db.transaction(work)

    async def note_refusal(self, account_id: int | None, *, by: Actor, now_us: int, more: int = 0) -> None:
        """Note in the audit list that a sign-in was refused; ``None``: there is no account of that name. ``more``: so
        many were refused before that are not in the list."""

        async def work(tx: Tx) -> None:
            detail = {"more": more} if more else {}
            await add_audit(tx, by, "session.refuse", "account", account_id, detail, now_us)

        await self._db.transaction(work)

    async def forget_sessions(self, before_us: int, limit: int = 5_000) -> int:
        """Remove up to ``limit`` sessions that ended before this time; return how many."""

        async def work(tx: Tx) -> int:
            return await tx.run(
                "DELETE FROM session WHERE id IN (SELECT id FROM session"
                f" WHERE expire_us < ? ORDER BY expire_us LIMIT ? {tx.dialect.lock(skip=True)})",
                before_us,
                limit,
            )

        return await self._db.transaction(work)

    async def forget_networks(self, before_us: int, limit: int = 5_000) -> int:
        """Forget up to ``limit`` networks from which nobody has signed in since this time; return how many."""

        async def work(tx: Tx) -> int:
            return await tx.run(
                "DELETE FROM known_network WHERE id IN (SELECT id FROM known_network"
                f" WHERE last_us < ? ORDER BY last_us LIMIT ? {tx.dialect.lock(skip=True)})",
                before_us,
                limit,
            )

        return await self._db.transaction(work)


def _with_count(account: AccountRow, makers: TokenMakers) -> AccountRow:
    return replace(account, live_tokens=sum(1 for _ in makers.live_of(account.id)))


async def _with_tokens(tx: Tx, account: AccountRow, revoke: bool, by: Actor, now_us: int) -> AccountRow:
    """A revoked account, and how many of its tokens are still good, once they are revoked if they are to be."""
    makers = await TokenMakers.read(tx, now_us)
    if not revoke:
        return _with_count(account, makers)
    for token in makers.live_of(account.id):
        await revoke_token_row(tx, token.id, token.name, by, now_us)
    return account


async def _note_network(tx: Tx, account_id: int, network: str, now_us: int) -> None:
    """The account is known there from now on, and nowhere else beyond the last ``NETWORKS_MAX`` networks."""
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
    """One at a time until the transaction ends; SQLite has one writer anyway."""
    if not tx.dialect.is_sqlite:
        await tx.rows("SELECT pg_advisory_xact_lock(?)", _LOCK)


def _row(row: Row) -> AccountRow:
    id, name, role, create_us, revoke_us, last_sign_in_us = row
    return AccountRow(id, name, Role(role), create_us, revoke_us, last_sign_in_us)


async def _insert(tx: Tx, name: str, role: Role, password_hash: str, by: Actor, now_us: int) -> AccountRow:
    """Add an account under ``lock_access``."""
    taken = await tx.row("SELECT 1 FROM account WHERE lower(name) = lower(?) AND revoke_us IS NULL", name)
    if taken is not None:
        raise Conflict(ErrorCode.ACCOUNT_NAME_TAKEN.format(name=name), field="name")
    account_id = await tx.value(
        "INSERT INTO account (name, role, password_hash, create_us) VALUES (?, ?, ?, ?) RETURNING id",
        name,
        int(role),
        password_hash,
        now_us,
    )
    await add_audit(tx, by, "account.create", "account", account_id, {"name": name, "role": role.word}, now_us)
    return AccountRow(int(account_id), name, role, now_us, None, None)


async def _has_other_admin(tx: Tx, account_id: int) -> bool:
    other = await tx.row(
        "SELECT 1 FROM account WHERE role = ? AND revoke_us IS NULL AND id <> ? LIMIT 1", int(Role.ADMIN), account_id
    )
    return other is not None
