"""Sessions of people for whom an OpenID Connect provider vouches, and their accounts, which come by themselves."""

from __future__ import annotations

from enum import Enum
from typing import Final

from engine.domain.access import ActorKind, Identity, Role
from engine.domain.oidc import Person, numbered_name
from engine.store.access_rows import AccountRow
from engine.store.accounts import ACCOUNT, insert_account, insert_session, lock_access
from engine.store.audit import add_audit
from engine.store.database import Lane, Tx
from engine.store.rows import Actor
from engine.store.verbs import Verbs, transaction

BY_OIDC: Final = {"with": "oidc"}
"""In the audit list: how the person has signed in."""

_TAKEN: Final = "SELECT 1 FROM account WHERE lower(name) = lower(?) AND revoke_us IS NULL"


class OidcRefusal(Enum):
    """Why a person whom the provider knows gets no session."""

    USED_BEFORE = 1
    """The same answer of the provider has been brought before."""
    NO_ROLE = 2
    REVOKED = 3
    """An admin has revoked the person's account."""


class OidcVerbs(Verbs):
    """What a sign-in with OpenID Connect writes."""

    @transaction(Lane.API)
    async def open_oidc_session(
        self,
        tx: Tx,
        person: Person,
        secret_hash: str,
        *,
        nonce_hash: str,
        replayable_until_us: int,
        expire_us: int,
        peer: str,
        now_us: int,
    ) -> Identity | OidcRefusal:
        """Open a session, make the account if the person is new, and give it the role that the provider says now.

        ``nonce_hash``: of the sign-in, which is answered once; it is kept until ``replayable_until_us``. Who has no
        role any more loses the sessions, too.
        """
        await lock_access(tx)
        await tx.run("DELETE FROM oidc_nonce WHERE expire_us < ?", now_us)
        is_new = await tx.run(
            "INSERT INTO oidc_nonce (nonce_hash, expire_us) VALUES (?, ?) ON CONFLICT DO NOTHING",
            nonce_hash,
            replayable_until_us,
        )
        if not is_new:
            return OidcRefusal.USED_BEFORE
        account = await _account_of(tx, person)
        if person.role is None:
            if account is not None:
                await tx.run("DELETE FROM session WHERE account_id = ?", account.id)
            return OidcRefusal.NO_ROLE
        if account is None:
            account = await _made(tx, person, person.role, peer, now_us)
        if account.revoke_us is not None:
            return OidcRefusal.REVOKED
        by = Actor(account.name, peer, ActorKind.ACCOUNT, account.id)
        if account.role is not person.role:
            detail = {"name": account.name, "role": person.role.word, "before": {"role": account.role.word}}
            await add_audit(tx, _by_settings(peer), "account.update", "account", account.id, detail, now_us)
        await tx.run(
            "UPDATE account SET last_sign_in_us = ?, role = ? WHERE id = ?", now_us, int(person.role), account.id
        )
        session_id = await insert_session(tx, account.id, secret_hash, expire_us, BY_OIDC, by, now_us)
        return Identity(account.name, person.role, account.id, None, session_id, expire_us, issuer=person.issuer)


def _by_settings(peer: str) -> Actor:
    """Who makes accounts and changes their roles here: whoever has set which claims give which role."""
    return Actor("settings", peer, ActorKind.SYSTEM)


async def _account_of(tx: Tx, person: Person) -> AccountRow | None:
    row = await tx.row(
        f"SELECT {ACCOUNT.sql} FROM account WHERE issuer = ? AND subject = ? AND issuer <> ''",
        person.issuer,
        person.subject,
    )
    return None if row is None else ACCOUNT.read(row)


async def _made(tx: Tx, person: Person, role: Role, peer: str, now_us: int) -> AccountRow:
    """An account for a person who is here for the first time, under a name that nobody has."""
    number = 1
    while await tx.row(_TAKEN, name := numbered_name(person.name, number)) is not None:
        number += 1
    return await insert_account(
        tx, name, role, "", _by_settings(peer), now_us, issuer=person.issuer, subject=person.subject
    )
