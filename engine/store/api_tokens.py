"""API tokens, and to whom a secret belongs. Only hashes of secrets come here."""

from __future__ import annotations

from typing import Final

from common.error_codes import ErrorCode
from engine.domain.access import Identity, Role
from engine.domain.errors import Conflict, NotFound
from engine.store.access_rows import TokenRow
from engine.store.accounts import lock_access
from engine.store.audit import add_audit
from engine.store.database import Lane, Tx
from engine.store.paging import page_of
from engine.store.requests import first_answer, keep_answer
from engine.store.row_of import RowOf, insert_of
from engine.store.rows import Actor, Page, PageOf, RequestKey
from engine.store.token_makers import revoke_token_row
from engine.store.verbs import Verbs, look_up, read, transaction

TOKEN: Final = RowOf(TokenRow)
_BEARER: Final = (
    "SELECT s.id, NULL, a.id, a.name, a.role, s.expire_us, NULL, a.issuer, a.totp_us FROM session AS s"
    " JOIN account AS a ON a.id = s.account_id WHERE s.secret_hash = ? AND s.expire_us > ? AND a.revoke_us IS NULL"
    " UNION ALL SELECT NULL, id, NULL, name, role, expire_us, last_used_us, '', NULL FROM api_token"
    " WHERE secret_hash = ? AND (expire_us IS NULL OR expire_us > ?) AND revoke_us IS NULL"
)
"""One statement, so that it can be looked up: each caller that was not heard of for two seconds waits for it."""


class TokenVerbs(Verbs):
    """What the API asks about API tokens. ``now_us``: the time; ``by``: who asks, for the audit list."""

    @look_up(Lane.API)
    async def identify(self, tx: Tx, secret_hash: str, now_us: int) -> Identity | None:
        """To whom the secret of a session or a token belongs; ``None``: to nobody, or it can't be used any more."""
        row = await tx.row(_BEARER, secret_hash, now_us, secret_hash, now_us)
        if row is None:
            return None
        session_id, token_id, account_id, name, role, expire_us, last_used_us, issuer, totp_us = row
        ids = (account_id, token_id, session_id)
        return Identity(name, Role(role), *ids, expire_us, last_used_us, issuer, has_totp=totp_us is not None)

    @transaction(Lane.API)
    async def create_token(
        self,
        tx: Tx,
        name: str,
        role: Role,
        secret_hash: str,
        hint: str,
        *,
        expire_us: int | None,
        by: Actor,
        now_us: int,
        request: RequestKey | None = None,
    ) -> TokenRow:
        """Add an API token.

        Raises:
            Conflict: the request id was used before: the secret that it got is not known any more.
        """
        if await first_answer(tx, request) is not None:
            raise Conflict(ErrorCode.TOKEN_MADE_BEFORE.format())
        row = await _insert(tx, name, role, secret_hash, hint, expire_us, by, now_us)
        await keep_answer(tx, request, row, now_us)
        return row

    @transaction(Lane.API)
    async def seed_token(
        self, tx: Tx, name: str, secret_hash: str, *, hint: str = "", only_first: bool, by: Actor, now_us: int
    ) -> bool:
        """Add an admin's token that comes with the settings, and revoke those of that name that came before it.

        Args:
            name: its name.
            secret_hash: the hash of its secret. A known one changes nothing, also when its token was revoked.
            hint: the first characters of its secret, if the engine has made it.
            only_first: nothing is added when there has ever been a token.
            by: for the audit list.
            now_us: the time.

        Returns:
            Whether it was added.
        """
        await lock_access(tx)
        where, arguments = ("TRUE", ()) if only_first else ("secret_hash = ?", (secret_hash,))
        if await tx.row(f"SELECT 1 FROM api_token WHERE {where} LIMIT 1", *arguments) is not None:
            return False
        for (older,) in await tx.rows("SELECT id FROM api_token WHERE name = ? AND revoke_us IS NULL", name):
            await revoke_token_row(tx, older, name, by, now_us)
        await _insert(tx, name, Role.ADMIN, secret_hash, hint, None, by, now_us)
        return True

    @read(Lane.API)
    async def has_tokens(self, tx: Tx) -> bool:
        """Whether there has ever been a token."""
        return await tx.row("SELECT 1 FROM api_token LIMIT 1") is not None

    @read(Lane.API)
    async def list_tokens(self, tx: Tx, page: Page) -> PageOf[TokenRow]:
        """All tokens, the revoked ones too, by id."""
        return await page_of(tx, TOKEN, "api_token", page)

    @transaction(Lane.API)
    async def revoke_token(self, tx: Tx, token_id: int, *, by: Actor, now_us: int) -> TokenRow:
        """Revoke a token; again: nothing happens. ``NotFound`` when there is none."""
        await lock_access(tx)
        row = await _get(tx, token_id)
        if row.revoke_us is not None:
            return row
        await revoke_token_row(tx, token_id, row.name, by, now_us)
        return await _get(tx, token_id)

    @transaction(Lane.API)
    async def token_used(self, tx: Tx, token_id: int, now_us: int) -> None:
        """Note when a token was last used."""
        await tx.run("UPDATE api_token SET last_used_us = ? WHERE id = ?", now_us, token_id)


async def _get(tx: Tx, token_id: int) -> TokenRow:
    row = await tx.row(f"SELECT {TOKEN.sql} FROM api_token WHERE id = ?", token_id)
    if row is None:
        raise NotFound("token", token_id)
    return TOKEN.read(row)


async def _insert(
    tx: Tx, name: str, role: Role, secret_hash: str, hint: str, expire_us: int | None, by: Actor, now_us: int
) -> TokenRow:
    values = {
        "name": name,
        "role": int(role),
        "secret_hash": secret_hash,
        "hint": hint,
        "created_by": by.name,
        "creator_kind": int(by.kind),
        "creator_id": by.id,
        "create_us": now_us,
        "expire_us": expire_us,
    }
    token_id = await tx.value(f"{insert_of('api_token', values)} RETURNING id", *values.values())
    await add_audit(tx, by, "token.create", "token", token_id, {"name": name, "role": role.word}, now_us)
    return await _get(tx, token_id)
