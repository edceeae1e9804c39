"""Two-step sign-in of accounts: turned on, moved to another app, turned off. Who signs in with it: ``accounts``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from common.error_codes import ErrorCode
from engine.domain.access import Impossible
from engine.domain.errors import NotFound
from engine.store.access_rows import AccountRow, Shown, TotpRow
from engine.store.accounts import ACCOUNT, with_live_tokens
from engine.store.audit import add_audit
from engine.store.database import Lane, Tx
from engine.store.rows import Actor
from engine.store.second_step import (
    Steps,
    count_recovery_codes,
    forget_second_step,
    lock_steps,
    note_step,
    replace_recovery_codes,
    spend,
)
from engine.store.verbs import Verbs, read, transaction


class TotpVerbs(Verbs):
    """What the API asks about two-step sign-in. ``now_us``: the time; ``by``: who asks, for the audit list.

    A verb that takes a code (``shown``) raises WrongOneTimeCode, or NoOneTimeCode for ``None``, and then has changed
    nothing. Each raises NotFound for an account that is not there any more.
    """

    @read(Lane.API)
    async def totp_of(self, tx: Tx, account_id: int) -> TotpRow:
        """Whether an account has it."""
        row = await tx.row("SELECT totp_us FROM account WHERE id = ?", account_id)
        if row is None:
            raise NotFound("account", account_id)
        return TotpRow(row[0], await count_recovery_codes(tx, account_id))

    @transaction(Lane.API)
    async def begin_totp(
        self, tx: Tx, account_id: int, secret: str, *, shown: Shown | None, by: Actor, now_us: int
    ) -> None:
        """Keep a secret until it is confirmed. An account that has one already must show a code of that one."""
        account = await _locked(tx, account_id)
        if account.secret:
            await spend(tx, account, shown, by, now_us)
        await tx.run("UPDATE account SET totp_pending = ? WHERE id = ?", secret, account_id)

    @transaction(Lane.API)
    async def confirm_totp(
        self,
        tx: Tx,
        account_id: int,
        *,
        shown: Shown,
        recovery_hashes: Iterable[str],
        keep_session_id: int,
        by: Actor,
        now_us: int,
    ) -> None:
        """Take the secret that was begun with into use, and end the other sessions. Raises Impossible: there is
        none."""
        account = await _locked(tx, account_id)
        if not account.pending:
            raise Impossible(ErrorCode.TOTP_NOT_BEGUN.format())
        # Of the new secret no code was taken yet, but one of the old one perhaps a moment ago.
        await note_step(tx, replace(account, last_step=0), account.pending, shown, now_us)
        await tx.run(
            "UPDATE account SET totp_secret = totp_pending, totp_pending = '', totp_us = ? WHERE id = ?",
            now_us,
            account_id,
        )
        await replace_recovery_codes(tx, account_id, recovery_hashes)
        await tx.run("DELETE FROM session WHERE account_id = ? AND id <> ?", account_id, keep_session_id)
        await add_audit(tx, by, "account.totp_enable", "account", account_id, {}, now_us)

    @transaction(Lane.API)
    async def disable_totp(self, tx: Tx, account_id: int, *, shown: Shown, by: Actor, now_us: int) -> None:
        """Turn it off. Raises Impossible: it is off."""
        await spend(tx, await _locked_with_secret(tx, account_id), shown, by, now_us)
        await forget_second_step(tx, account_id)
        await add_audit(tx, by, "account.totp_disable", "account", account_id, {}, now_us)

    @transaction(Lane.API)
    async def renew_recovery_codes(
        self, tx: Tx, account_id: int, *, shown: Shown, recovery_hashes: Iterable[str], by: Actor, now_us: int
    ) -> None:
        """Give the account these in place of those that it has. Raises Impossible: it has no second step."""
        await spend(tx, await _locked_with_secret(tx, account_id), shown, by, now_us)
        await replace_recovery_codes(tx, account_id, recovery_hashes)
        await add_audit(tx, by, "account.recovery_codes", "account", account_id, {}, now_us)

    @transaction(Lane.API)
    async def reset_totp(self, tx: Tx, account_id: int, *, by: Actor, now_us: int) -> AccountRow:
        """Turn it off for somebody else, and end the account's sessions; where it is off nothing happens."""
        account = await lock_steps(tx, account_id)
        if account is not None and account.secret:
            await forget_second_step(tx, account_id)
            await tx.run("DELETE FROM session WHERE account_id = ?", account_id)
            name = await tx.value("SELECT name FROM account WHERE id = ?", account_id)
            await add_audit(tx, by, "account.totp_reset", "account", account_id, {"name": name}, now_us)
        row = await tx.row(f"SELECT {ACCOUNT.sql} FROM account WHERE id = ?", account_id)
        if row is None:
            raise NotFound("account", account_id)
        return await with_live_tokens(tx, ACCOUNT.read(row), now_us)


async def _locked(tx: Tx, account_id: int) -> Steps:
    account = await lock_steps(tx, account_id)
    if account is None:
        raise NotFound("account", account_id)
    return account


async def _locked_with_secret(tx: Tx, account_id: int) -> Steps:
    account = await _locked(tx, account_id)
    if not account.secret:
        raise Impossible(ErrorCode.TOTP_OFF.format())
    return account
