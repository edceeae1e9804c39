"""The API tokens that an account has made, by itself or with tokens of its making. A thief who had the account's
password may know all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from engine.domain.access import ActorKind
from engine.store.audit import add_audit
from engine.store.database import Tx
from engine.store.rows import Actor


class _Token(NamedTuple):
    id: int
    name: str
    is_live: bool


class TokenMakers:
    """All tokens, by their maker. There are few: people make them by hand."""

    def __init__(self) -> None:
        self._made: defaultdict[tuple[int, int | None], list[_Token]] = defaultdict(list)

    @classmethod
    async def read(cls, tx: Tx, now_us: int) -> TokenMakers:
        """Read them; those that are revoked or have ended by ``now_us`` are not live."""
        makers = cls()
        columns = "id, name, creator_kind, creator_id, revoke_us, expire_us"
        for token_id, name, kind, creator_id, revoke_us, expire_us in await tx.rows(f"SELECT {columns} FROM api_token"):
            is_live = revoke_us is None and (expire_us is None or expire_us > now_us)
            makers._made[kind, creator_id].append(_Token(token_id, name, is_live))
        return makers

    def live_of(self, account_id: int) -> Iterator[_Token]:
        """Those of an account that can still be used."""
        makers: list[tuple[int, int | None]] = [(int(ActorKind.ACCOUNT), account_id)]
        while makers:
            for token in self._made.get(makers.pop(), ()):
                makers.append((int(ActorKind.TOKEN), token.id))  # a later token's id is greater: this ends
                if token.is_live:
                    yield token


async def revoke_token_row(tx: Tx, token_id: int, name: str, by: Actor, now_us: int) -> None:
    """Revoke a token that is not revoked, and note it."""
    await tx.run("UPDATE api_token SET revoke_us = ? WHERE id = ?", now_us, token_id)
    await add_audit(tx, by, "token.revoke", "token", token_id, {"name": name}, now_us)
