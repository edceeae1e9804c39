"""Who may do what, what names and passwords may be, and how guessing is slowed down (SPEC, section 6)."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from engine.domain.errors import FieldError, InvalidInput, MailingError

NAME_LENGTH_MAX: Final = 64
PASSWORD_LENGTH_MIN: Final = 8
PASSWORD_LENGTH_MAX: Final = 256
FREE_FAILURES: Final = 5
"""So many sign-ins may fail in a row before the next one has to wait."""
WAIT_SECONDS_MAX: Final = 60.0
QUIET_SECONDS: Final = 900.0
"""After so long without a failure the earlier ones are forgotten."""

_ACCOUNT_NAME: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)


class Role(IntEnum):
    """What a caller may do; each role may do all that the one before it may. Numbers as in the contract."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role as people write it: ``admin``."""
        return self.name.lower()

    def allows(self, required: Role) -> bool:
        """Whether this role may do what needs ``required``."""
        return self >= required


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling: a session's account, or an API token. Exactly one of the two ids is set."""

    name: str
    """The account's or the token's, as the audit list shows it."""
    role: Role
    account_id: int | None = None
    token_id: int | None = None
    session_id: int | None = None
    """Set with ``account_id``."""
    expire_us: int | None = None
    """When the session or the token ends by itself; ``None``: it does not."""
    last_used_us: int | None = None
    """Of a token: when it was last used, to the minute."""


class Unauthenticated(MailingError):
    """The call carries no token, or one that is not, or no longer, good: which is not said."""


class Forbidden(MailingError):
    """The caller is known, but its role does not allow the method."""


class TooManyTries(MailingError):
    """Too many sign-ins have failed, or too many are waiting: try again after ``wait_seconds``."""

    def __init__(self, message: str, wait_seconds: float) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class Impossible(MailingError):
    """It can't be done as things are, such as revoking the last admin's account. ``reason``: for machines."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def account_name_problem(name: str) -> str | None:
    """Why this can't be an account's name; ``None``: it can."""
    if _ACCOUNT_NAME.fullmatch(name):
        return None
    return f'must be 1 to {NAME_LENGTH_MAX} Latin letters, digits or ". _ @ -"'


def token_name_problem(name: str) -> str | None:
    """Why this can't be an API token's name; ``None``: it can."""
    if 1 <= len(name) <= NAME_LENGTH_MAX and name.isprintable() and name.strip() == name:
        return None
    return f"must be 1 to {NAME_LENGTH_MAX} printable characters, with no blank at either end"


def password_problem(password: str) -> str | None:
    """Why this can't be a password; ``None``: it can. Length is all that counts (NIST SP 800-63B, 5.1.1.2)."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        return f"must have {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters"
    if any("\ud800" <= character <= "\udfff" for character in password):
        return "must be valid Unicode"
    return None


def role_of(number: int) -> Role | None:
    """The role with this number; ``None``: there is none."""
    return Role(number) if number in Role._value2member_map_ else None


def check_fields(**problems: str | None) -> None:
    """Raise InvalidInput with every field that has a problem."""
    errors = [FieldError(field, problem) for field, problem in problems.items() if problem is not None]
    if errors:
        raise InvalidInput(errors)


@dataclass(slots=True)
class _Tries:
    failures: int = 0
    last_seconds: float = 0.0

    def wait_seconds(self, now_seconds: float) -> float:
        if self.failures < FREE_FAILURES:
            return 0.0
        pause = min(2.0 ** min(self.failures - FREE_FAILURES, 10), WAIT_SECONDS_MAX)
        return max(0.0, self.last_seconds + pause - now_seconds)


class SignInThrottle:
    """Slows down guessing, by name and by peer: after five failures the next try must wait 1 s, then 2, 4 … 60.

    A try counts as a failure from its begin, so that many at the same time count as many. What is remembered is
    bounded: the oldest goes first.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._tries: OrderedDict[tuple[str, str], _Tries] = OrderedDict()

    def begin(self, name: str, peer: str, now_seconds: float) -> float:
        """Count a try of ``name`` from ``peer``; returns 0, or the seconds it must wait, and then it does not count."""
        keys = _keys(name, peer)
        wait_seconds = max(self._found(key, now_seconds).wait_seconds(now_seconds) for key in keys)
        if wait_seconds > 0:
            return wait_seconds
        for key in keys:
            tries = self._found(key, now_seconds)
            self._tries[key] = _Tries(tries.failures + 1, now_seconds)
            self._tries.move_to_end(key)
        while len(self._tries) > self._capacity:
            self._tries.popitem(last=False)
        return 0.0

    def succeeded(self, name: str, peer: str) -> None:
        """The try was good: the name starts anew. The peer only gets this one try back, or whoever has one account
        could guess the passwords of the others without end."""
        by_name, by_peer = _keys(name, peer)
        self._tries.pop(by_name, None)
        self._take_back(by_peer)

    def undo(self, name: str, peer: str) -> None:
        """Take a counted try back: it did not get to an answer."""
        for key in _keys(name, peer):
            self._take_back(key)

    def _take_back(self, key: tuple[str, str]) -> None:
        tries = self._tries.get(key)
        if tries is not None:
            tries.failures -= 1
            if tries.failures <= 0:
                del self._tries[key]

    def _found(self, key: tuple[str, str], now_seconds: float) -> _Tries:
        tries = self._tries.get(key)
        if tries is None or now_seconds - tries.last_seconds > QUIET_SECONDS:
            return _Tries()
        return tries


def _keys(name: str, peer: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("name", name.lower()), ("peer", peer)
