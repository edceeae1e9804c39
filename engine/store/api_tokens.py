"""API tokens, and who bears a secret. Of secrets only hashes come here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from common.error_codes import ErrorCode
from engine.domain.access import ActorKind, Identity, Role
from engine.domain.errors import Conflict, NotFound
from engine.store.access_rows import TokenRow
from engine.store.accounts import lock_access
from engine.store.audit import add_audit
from engine.store.database import Row, Tx
from engine.store.lists import Cut, read_part
from engine.store.requests import first_answer, keep_answer
from engine.store.rows import Actor, Page, PageOf, RequestKey
from engine.store.token_makers import revoke_token_row
from engine.store.verbs import Verbs

_COLUMNS: Final = (
    "id, name, role, hint, created_by, create_us, expire_us, revoke_us, last_used_us, creator_kind, creator_id"
)


class TokenVerbs(Verbs):
    """What the API asks about API tokens. ``now_us``: the time; ``by``: who asks, for the audit list."""

    async def identify(self, secret_hash: str, now_us: int) -> Identity | None:
        """Whose secret this is, of a session or of a token; ``None``: nobody's, or it is no longer good."""

        async def work(tx: Tx) -> Identity | None:
            session = await tx.row(
                "SELECT s.id, s.expire_us, a.id, a.name, a.role FROM session AS s"
                " JOIN account AS a ON a.id = s.account_id"
                " WHERE s.secret_hash = ? AND s.expire_us > ? AND a.revoke_us IS NULL",
                secret_hash,
                now_us,
            )
            if session is not None:
                session_id, expire_us, account_id, name, role = session
                return Identity(name, Role(role), account_id, None, session_id, expire_us)
            token = await tx.row(
                "SELECT id, name, role, expire_us, last_used_us FROM api_token"
                " WHERE secret_hash = ? AND (expire_us IS NULL OR expire_us > ?) AND revoke_us IS NULL",
                secret_hash,
                now_us,
            )
            if token is None:
                return None
            token_id, name, role, expire_us, last_used_us = token
            return Identity(name, Role(role), None, token_id, None, expire_us, last_used_us)

        return await self._db.read(work)

    async def create_token(
        self,
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

        async def work(tx: Tx) -> TokenRow:
            if await first_answer(tx, request) is not None:
                raise Conflict(ErrorCode.TOKEN_MADE_BEFORE.format())
            row = await _insert(tx, name, role, secret_hash, hint, expire_us, by, now_us)
            await keep_answer(tx, request, row, now_us)
            return row

        return await self._db.transaction(work)

    async def seed_token(
        self, name: str, secret_hash: str, *, hint: str = "", only_first: bool, by: Actor, now_us: int
    ) -> bool:
        """Add an admin's token that comes with the settings, and revoke those of that name that came before it.

        Args:
            name: its name.
            secret_hash: of its secret. One that is known already, be it revoked, changes nothing.
            hint: the first characters of its secret, if the engine has made it.
            only_first: nothing is added when there has ever been a token.
            by: for the audit list.
            now_us: the time.

        Returns:
            Whether it was added.
        """

        async def work(tx: Tx) -> bool:
            await lock_access(tx)
            where, arguments = ("TRUE", ()) if only_first else ("secret_hash = ?", (secret_hash,))
            if await tx.row(f"SELECT 1 FROM api_token WHERE {where} LIMIT 1", *arguments) is not None:
                return False
            for (older,) in await tx.rows("SELECT id FROM api_token WHERE name = ? AND revoke_us IS NULL", name):
                await revoke_token_row(tx, older, name, by, now_us)
            await _insert(tx, name, Role.ADMIN, secret_hash, hint, None, by, now_us)
            return True

        return await self._db.transaction(work)

    async def has_tokens(self) -> bool:
        """Whether there has ever been a token."""

        async def work(tx: Tx) -> bool:
            return await tx.row("SELECT 1 FROM api_token LIMIT 1") is not None

        return await self._db.read(work)

    async def list_tokens(self, page: Page) -> PageOf[TokenRow]:
        """All tokens, the revoked ones too, by id."""

        async def work(tx: Tx) -> PageOf[TokenRow]:
            total = int(await tx.value("SELECT count(*) FROM api_token"))

            async def fetch(part: Cut) -> Sequence[Row]:
                return await tx.rows(f"SELECT {_COLUMNS} FROM api_token {part.sql('TRUE')}", *part.args)

            found, more = await read_part(page, total, fetch)
            items = tuple(_row(row) for row in found)
            return PageOf(items, total, items[-1].id if more else None)

        return await self._db.read(work)

    async def revoke_token(self, token_id: int, *, by: Actor, now_us: int) -> TokenRow:
        """Revoke a token; again: nothing happens. ``NotFound`` when there is none."""

        async def work(tx: Tx) -> TokenRow:
            await lock_access(tx)
            row = await _get(tx, token_id)
            if row.revoke_us is not None:
                return row
            await revoke_token_row(tx, token_id, row.name, by, now_us)
            return await _get(tx, token_id)

        return await self._db.transaction(work)

    async def token_used(self, token_id: int, now_us: int) -> None:
        """Note when a token was last used."""

        async def work(tx: Tx) -> None:
            await tx.run("UPDATE api_token SET last_used_us = ? WHERE id = ?", now_us, token_id)

        await self._db.transaction(work)


def _row(row: Row) -> TokenRow:
    id, name, role, hint, created_by, create_us, expire_us, revoke_us, last_used_us, kind, creator_id = row
    times = (create_us, expire_us, revoke_us, last_used_us)
    return TokenRow(id, name, Role(role), hint, created_by, *times, ActorKind(kind), creator_id)


async def _get(tx: Tx, token_id: int) -> TokenRow:
    row = await tx.row(f"SELECT {_COLUMNS} FROM api_token WHERE id = ?", token_id)
    if row is None:
        raise NotFound("token", token_id)
    return _row(row)


async def _insert(
    tx: Tx, name: str, role: Role, secret_hash: str, hint: str, expire_us: int | None, by: Actor, now_us: int
) -> TokenRow:
    token_id = await tx.value(
        "INSERT INTO api_token"
        " (name, role, secret_hash, hint, created_by, creator_kind, creator_id, create_us, expire_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        name,
        int(role),
        secret_hash,
        hint,
        by.name,
        int(by.kind),
        by.id,
        now_us,
        expire_us,
    )
    await add_audit(tx, by, "token.create", "token", token_id, {"name": name, "role": role.word}, now_us)
    return TokenRow(int(token_id), name, role, hint, by.name, now_us, expire_us, None, None, by.kind, by.id)
