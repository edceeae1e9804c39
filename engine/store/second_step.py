"""The second step of a sign-in, within the transaction that it is for: an account's secret, and codes that are spent.

The account's row is locked before its code is judged: of two engines that are shown the same code at once the second
one sees that the first has taken it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from engine.domain.access import NoOneTimeCode, WrongOneTimeCode
from engine.domain.totp import matching_step
from engine.store.access_rows import Shown
from engine.store.audit import add_audit
from engine.store.database import Tx
from engine.store.rows import Actor

BY_TOTP: Final = {"with": "totp"}
"""In the audit list: how the person has signed in."""
BY_RECOVERY_CODE: Final = {"with": "recovery_code"}


@dataclass(frozen=True, slots=True)
class Steps:
    """What both steps of an account's sign-in are judged by."""

    account_id: int
    password_hash: str
    secret: str
    """Empty: it has no second step."""
    pending: str
    """The secret that has been begun with; empty: none."""
    last_step: int
    """See ``domain.totp``."""


async def lock_steps(tx: Tx, account_id: int) -> Steps | None:
    """Read them, and let nobody else change them until the transaction ends. ``None``: there is no such account, it was
    revoked, or it has no password."""
    row = await tx.row(
        "SELECT id, password_hash, totp_secret, totp_pending, totp_step FROM account"
        f" WHERE id = ? AND revoke_us IS NULL AND issuer = '' {tx.dialect.lock_kept}",
        account_id,
    )
    return None if row is None else Steps(*row)


async def spend(tx: Tx, account: Steps, shown: Shown | None, by: Actor, now_us: int) -> Mapping[str, object]:
    """Take a code of an account that has a secret, so that it is good no more; return what of it stands in the audit
    list.

    Raises:
        NoOneTimeCode: none is shown.
        WrongOneTimeCode: it is not good.
    """
    if shown is None:
        raise NoOneTimeCode
    if shown.recovery_hash:
        await _spend_recovery_code(tx, account.account_id, shown.recovery_hash, by, now_us)
        return BY_RECOVERY_CODE
    await note_step(tx, account, account.secret, shown, now_us)
    return BY_TOTP


async def note_step(tx: Tx, account: Steps, secret: str, shown: Shown, now_us: int) -> None:
    """Take an app's code of this secret. Raises WrongOneTimeCode."""
    step = matching_step(secret, shown.code, now_us, account.last_step)
    if step is None:
        raise WrongOneTimeCode
    await tx.run("UPDATE account SET totp_step = ? WHERE id = ?", step, account.account_id)


async def _spend_recovery_code(tx: Tx, account_id: int, code_hash: str, by: Actor, now_us: int) -> None:
    if not await tx.run("DELETE FROM recovery_code WHERE account_id = ? AND code_hash = ?", account_id, code_hash):
        raise WrongOneTimeCode
    left = await count_recovery_codes(tx, account_id)
    await add_audit(tx, by, "account.recovery_code", "account", account_id, {"left": left}, now_us)


async def count_recovery_codes(tx: Tx, account_id: int) -> int:
    """How many the account has left."""
    return int(await tx.value("SELECT count(*) FROM recovery_code WHERE account_id = ?", account_id))


async def replace_recovery_codes(tx: Tx, account_id: int, hashes: Iterable[str]) -> None:
    """Give an account, whose row is locked, these in place of those that it has."""
    await tx.run("DELETE FROM recovery_code WHERE account_id = ?", account_id)
    for each in hashes:
        await tx.run("INSERT INTO recovery_code (code_hash, account_id) VALUES (?, ?)", each, account_id)


async def forget_second_step(tx: Tx, account_id: int) -> None:
    """Leave an account its password alone."""
    await tx.run("UPDATE account SET totp_secret = '', totp_pending = '', totp_us = NULL WHERE id = ?", account_id)
    await replace_recovery_codes(tx, account_id, ())
