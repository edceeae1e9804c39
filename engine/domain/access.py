"""Who may do what, and what names and passwords may be; guessing: ``domain.sign_in``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from common.error_codes import ErrorCode, Fault
from engine.domain.errors import FieldError, InvalidInput, MailingError

NAME_LENGTH_MAX: Final = 64
PASSWORD_LENGTH_MIN: Final = 8
PASSWORD_LENGTH_MAX: Final = 256

_ACCOUNT_NAME: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)


class Role(IntEnum):
    """What a caller may do. Viewer, operator and admin are ranks: each may do all that the one before it may. Numbers
    as in the contract."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3
    PROVIDER = 4
    """Hands in what a provider has to tell, and nothing else: it has no rank."""

    @property
    def word(self) -> str:
        """The role as people write it: ``admin``."""
        return self.name.lower()

    @property
    def is_rank(self) -> bool:
        """Whether it may do what roles before it may."""
        return self is not Role.PROVIDER


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a method demands of its caller."""

    least: Role
    """This rank, or a higher one."""
    also: Role | None = None
    """A role without a rank that may call it too."""
    before_totp_setup: bool = False
    """Whether a session may call it whose account must set up two-step sign-in first."""

    def allows(self, role: Role) -> bool:
        """Whether a caller with this role may call it."""
        return role is self.also or (role.is_rank and role >= self.least)

    @property
    def words(self) -> str:
        """The roles that are enough, as a refusal names them: the one without a rank first, for which it is meant."""
        return " or ".join(role.word for role in (self.also, self.least) if role is not None)


class ActorKind(IntEnum):
    """What kind of caller makes a change. Numbers as in the contract, and as they are stored."""

    UNKNOWN = 0
    """Noted before kinds were."""
    ACCOUNT = 1
    TOKEN = 2
    COMMAND = 3
    """Somebody at the engine's machine: ``python -m engine account create``."""
    SYSTEM = 4
    """The engine by itself, as its settings say."""
    NOBODY = 5
    """A sign-in that was refused."""

    @property
    def word(self) -> str:
        """The kind as people write it: ``account``."""
        return self.name.lower()


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
    issuer: str = ""
    """Of an account without a password: the OpenID Connect issuer that says who the person is."""
    has_totp: bool = False
    """Whether the account has two-step sign-in."""
    totp_setup_required: bool = False
    """Whether it must set that up before it may do anything else."""


class Unauthenticated(MailingError):
    """The call carries no token, or one that is not, or no longer, good: which is not said."""


class NoOneTimeCode(Unauthenticated):
    """The account has two-step sign-in, and no code is shown."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.ONE_TIME_CODE_REQUIRED.format())


class WrongOneTimeCode(Unauthenticated):
    """The code that is shown is not good, or not any more."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.WRONG_ONE_TIME_CODE.format())


class Forbidden(MailingError):
    """The caller is known, but its role does not allow the method."""


class TooManyTries(MailingError):
    """Too many sign-ins have failed, or too many are waiting: try again after ``wait_seconds``."""

    def __init__(self, fault: Fault, wait_seconds: float) -> None:
        super().__init__(fault)
        self.wait_seconds = wait_seconds


class TooManyCalls(MailingError):
    """A caller, or all together, have too many calls of a kind open: try again after ``wait_seconds``."""

    def __init__(self, fault: Fault, wait_seconds: float = 1.0) -> None:
        super().__init__(fault)
        self.wait_seconds = wait_seconds


class Impossible(MailingError):
    """It can't be done as things are, such as revoking the last admin's account."""


def account_name_problem(name: str) -> Fault | None:
    """Why this can't be an account's name; ``None``: it can."""
    if _ACCOUNT_NAME.fullmatch(name):
        return None
    return ErrorCode.BAD_ACCOUNT_NAME.format(max=NAME_LENGTH_MAX)


def token_name_problem(name: str) -> Fault | None:
    """Why this can't be an API token's name; ``None``: it can."""
    if 1 <= len(name) <= NAME_LENGTH_MAX and name.isprintable() and name.strip() == name:
        return None
    return ErrorCode.BAD_TOKEN_NAME.format(max=NAME_LENGTH_MAX)


def password_problem(password: str) -> Fault | None:
    """Why this can't be a password; ``None``: it can. Length is all that counts (NIST SP 800-63B, 5.1.1.2)."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        return ErrorCode.BAD_LENGTH.format(min=PASSWORD_LENGTH_MIN, max=PASSWORD_LENGTH_MAX, count=len(password))
    if any("\ud800" <= character <= "\udfff" for character in password):
        return ErrorCode.HALF_CHARACTER.format()
    return None


def role_of(number: int) -> Role | None:
    """The role with this number; ``None``: there is none."""
    return Role(number) if number in Role._value2member_map_ else None


def check_fields(**problems: Fault | None) -> None:
    """Raise InvalidInput with every field that has a problem."""
    errors = [FieldError(field, problem) for field, problem in problems.items() if problem is not None]
    if errors:
        raise InvalidInput(errors)
