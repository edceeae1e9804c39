"""The second step of a sign-in: which one-time codes are good (TOTP, RFC 6238), and whose accounts must have it.

A code is six digits, made of a secret and of the number of the half minute. Clocks differ and people are slow, so that
of the half minute before and of the one after are good too. Each is good once: the number of the last half minute whose
code was taken is kept, and no code of it or of an earlier one is taken again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from pyotp import HOTP, TOTP
from pyotp.utils import strings_equal

from engine.domain.access import Role

STEP_US: Final = 30_000_000
SKEW_STEPS: Final = 1
"""So many steps before and after now are good."""
RECOVERY_CODES: Final = 10
"""How many an account gets at once."""
ISSUER: Final = "Mailing Service"
"""Whose account it is, in the list of an app."""

RequireTotp = Literal["none", "admins", "all"]
"""Which accounts with a password must have it."""

_CODE: Final = re.compile(r"[0-9]{6}")
_RECOVERY_CODE: Final = re.compile(r"[a-z2-7]{16}")
_BETWEEN: Final = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class OneTimeCode:
    """What somebody has shown as the second step, without the blanks and dashes that are there for the eye."""

    text: str
    is_recovery: bool
    """One of the account's recovery codes; else it is of an app."""


def read_code(text: str) -> OneTimeCode | None:
    """Read what was typed: ``123 456``, ``ABCD-efgh-2345-6723``. ``None``: it can't be a code of either kind."""
    plain = _BETWEEN.sub("", text).lower()
    if _CODE.fullmatch(plain):
        return OneTimeCode(plain, is_recovery=False)
    return OneTimeCode(plain, is_recovery=True) if _RECOVERY_CODE.fullmatch(plain) else None


def matching_step(secret: str, code: str, now_us: int, last_step: int) -> int | None:
    """Say of which step a code is, to be kept as the last one. ``None``: it is not good.

    Args:
        secret: in Base32.
        code: six digits.
        now_us: the time.
        last_step: of the code that was taken last; neither it nor an earlier one is good again.
    """
    made, now = HOTP(secret), now_us // STEP_US
    steps = range(max(0, last_step + 1, now - SKEW_STEPS), now + SKEW_STEPS + 1)
    return next((step for step in steps if strings_equal(made.at(step), code)), None)


def uri_of(secret: str, name: str) -> str:
    """What an authenticator app reads: ``otpauth://totp/…``; ``name``: of the account."""
    return TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def is_required(required: RequireTotp, role: Role, issuer: str) -> bool:
    """Whether an account with this role must have it; one with an issuer has no password: its provider asks for
    what it deems enough."""
    return not issuer and (required == "all" or (required == "admins" and role is Role.ADMIN))
