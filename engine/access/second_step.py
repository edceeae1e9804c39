"""Two-step sign-in of the account that is signed in: set up, moved to another app, turned off; and whose must have it.

What is shown as a code at the sign-in itself the store judges, in the transaction that opens the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from common.error_codes import ErrorCode
from engine.access.guesses import Guesses
from engine.access.passwords import Passwords
from engine.access.refusals import Refusals
from engine.access.secrets import digest, new_recovery_code, new_totp_secret
from engine.domain.access import Identity, Impossible, NoOneTimeCode, WrongOneTimeCode
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.totp import RECOVERY_CODES, RequireTotp, is_required, read_code, uri_of
from engine.ports import Clock
from engine.store.access_rows import AccountRow, Shown, TotpRow
from engine.store.rows import Actor
from engine.store.second_step import BY_TOTP
from engine.store.store import Store


@dataclass(frozen=True, slots=True)
class Begun:
    """What an authenticator app needs; shown once."""

    secret: str
    uri: str


class SecondStep:
    """What the API does with two-step sign-in. ``identity``: who calls; ``by``: the same for the audit list; ``code``:
    of an app, or a recovery code.

    Methods with an ``identity`` raise Impossible for an API token, those with a ``code`` InvalidInput for one that is
    not good, and TooManyTries after too many.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        passwords: Passwords,
        guesses: Guesses,
        refusals: Refusals,
        required: RequireTotp,
        drop: Callable[[], None],
    ) -> None:
        """``drop``: what was known of callers may not be true any more."""
        self._store, self._clock, self._passwords = store, clock, passwords
        self._guesses, self._refusals = guesses, refusals
        self._required, self._drop = required, drop

    def must_have_it(self, identity: Identity) -> bool:
        """Whether the caller is an account that must have it."""
        return identity.account_id is not None and is_required(self._required, identity.role, identity.issuer)

    def judged(self, identity: Identity) -> Identity:
        """The caller as the setting sees it."""
        return replace(identity, totp_setup_required=self.must_have_it(identity) and not identity.has_totp)

    async def state(self, identity: Identity) -> TotpRow:
        """Whether the caller's account has it."""
        account_id, _ = session_of(identity)
        return await self._store.totp_of(account_id)

    async def begin(self, identity: Identity, password: str, code: str, *, by: Actor) -> Begun:
        """Make a secret that is of use once it is confirmed; where there is one, a code of it is needed.

        Raises:
            Impossible: the account has no password.
            InvalidInput: the password is wrong, or the code.
        """
        account_id, session_id = session_of(identity)
        secret, shown = new_totp_secret(), shown_of(code)
        with self._guesses.of_password(session_id):
            await self.checked_password(identity, password)
        with self._trying(account_id, session_id, by):
            await self._store.begin_totp(account_id, secret, shown=shown, by=by, now_us=self._clock.now_us())
        return Begun(secret, uri_of(secret, identity.name))

    async def confirm(self, identity: Identity, code: str, *, by: Actor) -> list[str]:
        """Turn it on, and return the recovery codes. Raises Impossible: nothing was begun."""
        account_id, session_id = session_of(identity)
        codes = _new_recovery_codes()
        with self._trying(account_id, session_id, by):
            await self._store.confirm_totp(
                account_id,
                shown=_needed(code),
                recovery_hashes=_hashes(codes),
                keep_session_id=session_id,
                by=by,
                now_us=self._clock.now_us(),
            )
        self._drop()
        return codes

    async def disable(self, identity: Identity, code: str, *, by: Actor) -> None:
        """Turn it off. Raises Impossible: it is off, or the account must have it."""
        account_id, session_id = session_of(identity)
        if self.must_have_it(identity):
            raise Impossible(ErrorCode.TOTP_REQUIRED.format())
        with self._trying(account_id, session_id, by):
            await self._store.disable_totp(account_id, shown=_needed(code), by=by, now_us=self._clock.now_us())
        self._drop()

    async def renew_recovery_codes(self, identity: Identity, code: str, *, by: Actor) -> list[str]:
        """Return new recovery codes; the old ones are no good any more. Raises Impossible: it is off."""
        account_id, session_id = session_of(identity)
        codes, now_us = _new_recovery_codes(), self._clock.now_us()
        with self._trying(account_id, session_id, by):
            await self._store.renew_recovery_codes(
                account_id, shown=_needed(code), recovery_hashes=_hashes(codes), by=by, now_us=now_us
            )
        return codes

    async def reset(self, account_id: int, *, by: Actor, identity: Identity | None = None) -> AccountRow:
        """Turn it off for somebody else, and end the account's sessions. ``identity``: who asks, through the API.

        Raises:
            NotFound: there is no such account.
            Impossible: it is the caller's own, which needs a code.
        """
        if identity is not None and identity.account_id == account_id:
            raise Impossible(ErrorCode.OWN_TOTP.format())
        row = await self._store.reset_totp(account_id, by=by, now_us=self._clock.now_us())
        self._drop()
        return row

    @contextmanager
    def _trying(self, account_id: int, session_id: int, by: Actor) -> Iterator[None]:
        """Somebody who is signed in shows a code. A bad one is noted, and told as a bad field: a 401 would mean that
        the session has ended."""
        try:
            with self._guesses.of_code_in(session_id):
                yield
        except NoOneTimeCode:
            raise InvalidInput([FieldError("one_time_code", ErrorCode.REQUIRED.format())]) from None
        except WrongOneTimeCode as error:
            self._refusals.in_session(account_id, BY_TOTP, by)
            raise InvalidInput([FieldError("one_time_code", error.fault)]) from None

    async def checked_password(self, identity: Identity, password: str) -> str:
        """Return the hash that is stored of the caller's password. Raises Impossible: there is none; InvalidInput:
        this is another one."""
        account_id, _ = session_of(identity)
        if identity.issuer:
            raise Impossible(ErrorCode.NO_PASSWORD.format(issuer=identity.issuer))
        stored = await self._store.password_hash(account_id)
        if stored is None or not await self._passwords.verify(stored, password):
            raise InvalidInput([FieldError("current_password", ErrorCode.WRONG_CURRENT_PASSWORD.format())])
        return stored


def shown_of(text: str) -> Shown | None:
    """What somebody has typed as a code. ``None``: nothing."""
    if not text.strip():
        return None
    code = read_code(text)
    if code is None:
        return Shown()
    return Shown(recovery_hash=digest(code.text)) if code.is_recovery else Shown(code=code.text)


def session_of(identity: Identity) -> tuple[int, int]:
    """Account and session of a caller that has signed in. Raises Impossible: it has not, it uses an API token."""
    if identity.account_id is None or identity.session_id is None:
        raise Impossible(ErrorCode.NOT_A_SESSION.format())
    return identity.account_id, identity.session_id


def _needed(text: str) -> Shown:
    shown = shown_of(text)
    if shown is None:
        raise NoOneTimeCode
    return shown


def _new_recovery_codes() -> list[str]:
    return [new_recovery_code() for _ in range(RECOVERY_CODES)]


def _hashes(codes: list[str]) -> list[str]:
    return [digest(code.replace("-", "")) for code in codes]
