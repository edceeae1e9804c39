"""The one place that decides who is calling."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any, Final, NamedTuple

from common.error_codes import ErrorCode
from common.logs import get_logger
from engine.access.guesses import Guesses
from engine.access.oidc.kinds import Answer, SignIns, Vouched
from engine.access.passwords import Passwords, Share
from engine.access.refusals import Refusals
from engine.access.second_step import SecondStep, session_of, shown_of
from engine.access.secrets import digest, hint, new_session, new_token
from engine.domain.access import (
    ActorKind,
    Forbidden,
    Identity,
    Impossible,
    NoOneTimeCode,
    Role,
    TooManyTries,
    Unauthenticated,
    WrongOneTimeCode,
)
from engine.domain.errors import Conflict
from engine.domain.sign_in import SignInThrottle
from engine.domain.totp import RequireTotp
from engine.ports import Clock, StoreUnavailable
from engine.store.access_rows import AccountRow, Shown, SignInRow, TokenRow
from engine.store.accounts import BY_PASSWORD
from engine.store.oidc import BY_OIDC, OidcRefusal
from engine.store.rows import Actor, Created, RequestKey
from engine.store.second_step import BY_TOTP
from engine.store.store import Store

log = get_logger(__name__)

SESSION_SECONDS: Final = 43_200.0
CACHE_SECONDS: Final = 2.0
"""So long an identity is believed without asking the database; what this engine revokes is forgotten at once."""
_CACHE_SIZE: Final = 10_000
_SECRET_LENGTH_MAX: Final = 4096
_USED_PERIOD_US: Final = 60_000_000


class SignedIn(NamedTuple):
    """A session, when it begins."""

    secret: str
    identity: Identity


class _Cached(NamedTuple):
    identity: Identity
    until_seconds: float


class Authority:
    """Accounts, sessions and API tokens over a store. ``close`` when done."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        session_seconds: float = SESSION_SECONDS,
        passwords: Passwords | None = None,
        oidc: SignIns | None = None,
        require_totp: RequireTotp = "none",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._clock, self._monotonic = store, clock, monotonic
        self._session_us = int(session_seconds * 1_000_000)
        self._passwords = passwords or Passwords()
        self.oidc = oidc
        """``None``: nobody signs in with OpenID Connect."""
        self._throttle = SignInThrottle()
        self._guesses = Guesses(self._throttle, monotonic)
        self._refusals = Refusals(store, clock, monotonic, self._in_background)
        self.second_step = SecondStep(
            store, clock, self._passwords, self._guesses, self._refusals, require_totp, self._drop
        )
        self._cache: dict[str, _Cached] = {}
        self._drops = 0
        self._used_us: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Wait for what runs in the background, let go of threads."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._passwords.close()
        if self.oidc is not None:
            await self.oidc.close()

    # -- who is calling ----------------------------------------------------------------------------

    async def identify(self, authorization: str | None) -> Identity:
        """Say who bears the secret in an ``authorization`` header (``Bearer SECRET``).

        Raises:
            Unauthenticated: there is none, or it is not, or no longer, good.
        """
        secret = _bearer(authorization)
        if secret is None:
            raise _unauthenticated()
        key, now_us = digest(secret), self._clock.now_us()
        cached = self._cache.get(key)
        if cached is not None and self._monotonic() < cached.until_seconds:
            identity = cached.identity
            if identity.expire_us is None or now_us < identity.expire_us:
                self._note_use(identity, now_us)
                return identity
        return await self._read(key, now_us)

    async def _read(self, key: str, now_us: int) -> Identity:
        drops = self._drops
        identity = await self._store.identify(key, now_us)
        if identity is None:
            self._cache.pop(key, None)
            raise _unauthenticated()
        identity = self.second_step.judged(identity)
        # Else something was revoked while we read: perhaps this. Who has to set up something has soon done so.
        if drops == self._drops and not identity.totp_setup_required:
            while len(self._cache) >= _CACHE_SIZE:
                del self._cache[next(iter(self._cache))]
            self._cache[key] = _Cached(identity, self._monotonic() + CACHE_SECONDS)
        self._note_use(identity, now_us)
        return identity

    def _drop(self) -> None:
        """Believe nobody without asking the database: rare enough, and surely right."""
        self._drops += 1
        self._cache.clear()

    def _note_use(self, identity: Identity, now_us: int) -> None:
        """Store that a token is in use, at most once a minute, without holding up the call."""
        token_id = identity.token_id
        if token_id is None:
            return
        last_us = self._used_us.get(token_id, identity.last_used_us)
        if last_us is None or now_us - last_us >= _USED_PERIOD_US:
            self._used_us[token_id] = now_us
            self._in_background(self._store.token_used(token_id, now_us))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        async def quietly() -> None:
            try:
                await work
            except StoreUnavailable as error:
                log.debug("access.note_failed", error=str(error))

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- sessions ----------------------------------------------------------------------------------

    async def sign_in(self, name: str, password: str, code: str = "", *, peer: str, host: str) -> SignedIn:
        """Open a session.

        Args:
            name: of the account, in any case.
            password: its password.
            code: of its authenticator app, or a recovery code; empty: none.
            peer: the caller's address, for the audit list.
            host: the caller's network (``domain.sign_in.network_of``), by which guessing is slowed down.

        Raises:
            Unauthenticated: the name or the password is wrong; which one is not said.
            NoOneTimeCode, WrongOneTimeCode: both are right, the code is not.
            TooManyTries: too many have failed, or too many are signing in just now.
        """
        found = await self._store.sign_in_row(name, host)
        known = found is not None and found.is_known
        wait_seconds = self._throttle.begin(name, host, self._monotonic(), known=known)
        if wait_seconds > 0:
            self._refusals.at_sign_in(None, peer, BY_PASSWORD)
            raise TooManyTries(ErrorCode.TOO_MANY_TRIES.format(), wait_seconds)
        try:
            stored = None if found is None else found.password_hash
            good = await self._passwords.verify(stored, password, Share(host, known))
            shown = shown_of(code)
            signed_in = await self._open(found, password, shown, peer, host) if good and found is not None else None
        except (StoreUnavailable, TooManyTries):  # neither good nor bad
            self._throttle.undo(name, host, known=known)
            raise
        except (NoOneTimeCode, WrongOneTimeCode) as error:  # no guess at the password; codes have a count of their own
            self._throttle.succeeded(name, host, known=known)
            if isinstance(error, WrongOneTimeCode):
                self._refusals.at_sign_in(None if found is None else found.account.id, peer, BY_TOTP)
            raise
        if signed_in is None:
            self._refusals.at_sign_in(None if found is None else found.account.id, peer, BY_PASSWORD)
            raise Unauthenticated(ErrorCode.WRONG_NAME_OR_PASSWORD.format())
        self._throttle.succeeded(name, host, known=known)
        return signed_in

    async def _open(
        self, found: SignInRow, password: str, shown: Shown | None, peer: str, host: str
    ) -> SignedIn | None:
        row, stored = found.account, found.password_hash
        new_hash = await self._passwords.hash(password) if self._passwords.is_outdated(stored) else None
        secret, now_us = new_session(), self._clock.now_us()
        expire_us = now_us + self._session_us
        is_guess = row.totp_us is not None and shown is not None
        with self._guesses.of_code(row.id, host, known=found.is_known) if is_guess else nullcontext():
            session_id = await self._store.open_session(
                row.id,
                stored,
                digest(secret),
                shown=shown,
                new_hash=new_hash,
                expire_us=expire_us,
                network=host,
                by=Actor(row.name, peer, ActorKind.ACCOUNT, row.id),
                now_us=now_us,
            )
        if session_id is None:
            return None
        identity = Identity(row.name, row.role, row.id, None, session_id, expire_us, has_totp=row.totp_us is not None)
        return SignedIn(secret, self.second_step.judged(identity))

    async def sign_in_with_oidc(self, answer: Answer, *, peer: str, host: str) -> SignedIn:
        """Open a session for somebody whom the OpenID Connect provider has sent back; see ``sign_in``.

        Raises:
            Unauthenticated: the answer is not good, or was brought before.
            Forbidden: the person has no role, or the account was revoked.
            Impossible: there is no provider, or it is away.
            TooManyTries: too many have failed.
        """
        oidc = self.oidc
        if oidc is None:
            raise Impossible(ErrorCode.OIDC_OFF.format())
        key = f"oidc {host}"  # there is no name to guess, and nobody is kept out by what others do elsewhere
        wait_seconds = self._throttle.begin(key, host, self._monotonic())
        if wait_seconds > 0:
            raise TooManyTries(ErrorCode.TOO_MANY_TRIES.format(), wait_seconds)
        try:
            vouched = await oidc.finish(answer)
            signed_in = await self._open_vouched(oidc, vouched, digest(answer.nonce), peer)
        except Unauthenticated:
            self._refusals.at_sign_in(None, peer, BY_OIDC)
            raise
        except Forbidden as error:  # the provider knows the person: no guess
            self._throttle.undo(key, host)
            self._refusals.at_sign_in(None, peer, {**BY_OIDC, "name": error.fault.arguments["person"]})
            raise
        except (StoreUnavailable, Impossible):  # neither good nor bad
            self._throttle.undo(key, host)
            raise
        self._throttle.succeeded(key, host)
        return signed_in

    async def _open_vouched(self, oidc: SignIns, vouched: Vouched, nonce_hash: str, peer: str) -> SignedIn:
        secret, now_us = new_session(), self._clock.now_us()
        found = await self._store.open_oidc_session(
            vouched.person,
            digest(secret),
            nonce_hash=nonce_hash,
            replayable_until_us=vouched.replayable_until_us,
            expire_us=now_us + self._session_us,
            peer=peer,
            now_us=now_us,
        )
        self._drop()  # the role may be another one now
        if isinstance(found, Identity):
            return SignedIn(secret, found)
        if found is OidcRefusal.USED_BEFORE:
            raise Unauthenticated(ErrorCode.OIDC_REFUSED.format(name=oidc.name))
        if found is OidcRefusal.REVOKED:
            raise Forbidden(ErrorCode.OIDC_REVOKED.format(person=vouched.person.name))
        raise Forbidden(ErrorCode.OIDC_NO_ROLE.format(person=vouched.person.name, name=oidc.name))

    async def sign_out(self, identity: Identity, by: Actor) -> None:
        """End the caller's session. Raises Impossible when the caller uses an API token."""
        account_id, session_id = session_of(identity)
        await self._store.close_session(session_id, account_id, by=by, now_us=self._clock.now_us())
        self._drop()

    async def change_password(self, identity: Identity, current: str, new: str, *, by: Actor) -> None:
        """Change the password of the caller's account, and end its other sessions.

        Raises:
            Impossible: the caller uses an API token, or the account has no password.
            InvalidInput: the current password is wrong.
            TooManyTries: it was wrong too often, or too many passwords are being checked just now.
            Unauthenticated: the account was revoked, or its password changed, in the meantime.
        """
        account_id, session_id = session_of(identity)
        with self._guesses.of_password(session_id):
            stored = await self.second_step.checked_password(identity, current)
        new_hash = await self._passwords.hash(new)
        changed = await self._store.set_password(
            account_id, stored, new_hash, keep_session_id=session_id, by=by, now_us=self._clock.now_us()
        )
        self._drop()
        if not changed:
            raise _unauthenticated()

    # -- accounts and tokens -----------------------------------------------------------------------

    async def create_account(
        self, name: str, role: Role, password: str, *, by: Actor, request: RequestKey | None = None
    ) -> Created[AccountRow]:
        """Add an account; the fields have been checked.

        Raises:
            Conflict: the name is taken, or the request id was used with another password.
        """
        hashed = await self._passwords.hash(password)
        created = await self._store.create_account(
            name, role, hashed, by=by, now_us=self._clock.now_us(), request=request
        )
        if created.replayed:
            stored = await self._store.password_hash(created.row.id)
            if stored is not None and not await self._passwords.verify(stored, password):
                raise Conflict(ErrorCode.REQUEST_ID_REUSED.format(), field="request_id")
        return created

    async def revoke_account(self, account_id: int, *, with_tokens: bool = False, by: Actor) -> AccountRow:
        """Revoke an account and end its sessions, at once. Raises NotFound; Impossible for the last admin's.
        ``with_tokens``: and the tokens that it has made."""
        row = await self._store.revoke_account(account_id, with_tokens=with_tokens, by=by, now_us=self._clock.now_us())
        self._drop()
        return row

    async def create_token(
        self, name: str, role: Role, *, expire_us: int | None, by: Actor, request: RequestKey | None = None
    ) -> tuple[TokenRow, str]:
        """Add an API token; the fields have been checked. Returns its secret too, which is not stored.

        Raises:
            Conflict: the request id was used before.
        """
        secret = new_token()
        row = await self._store.create_token(
            name,
            role,
            digest(secret),
            hint(secret),
            expire_us=expire_us,
            by=by,
            now_us=self._clock.now_us(),
            request=request,
        )
        return row, secret

    async def revoke_token(self, token_id: int, *, by: Actor) -> TokenRow:
        """Revoke an API token, at once. Raises NotFound."""
        row = await self._store.revoke_token(token_id, by=by, now_us=self._clock.now_us())
        self._drop()
        return row


def _unauthenticated() -> Unauthenticated:
    return Unauthenticated(ErrorCode.UNAUTHENTICATED.format())


def _bearer(authorization: str | None) -> str | None:
    """The secret in ``Bearer SECRET``; ``None``: this is something else."""
    scheme, _, secret = (authorization or "").partition(" ")
    good = scheme.lower() == "bearer" and 0 < len(secret) <= _SECRET_LENGTH_MAX
    return secret if good and secret.isascii() and secret.isprintable() and " " not in secret else None
