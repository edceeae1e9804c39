"""Secrets that callers carry. They have 256 bits of randomness, so that a plain SHA-256 of them is all that must be
stored: nobody can guess them, however quick the hash is."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Final

TOKEN_PREFIX: Final = "mlt_"
SESSION_PREFIX: Final = "mls_"
HINT_CHARACTERS: Final = 8
"""The prefix and four more: enough to recognise a token by, of no use for guessing it."""
_BYTES: Final = 32
_PASSWORD_BYTES: Final = 15
_TOTP_BYTES: Final = 20
"""As long as a SHA-1, which apps make codes with (RFC 4226, section 4)."""
_RECOVERY_BYTES: Final = 10
"""80 bits: nobody guesses them, so that a plain SHA-256 is enough here too."""
_GROUP: Final = 4


def new_token() -> str:
    """Make the secret of an API token: ``mlt_`` and 43 characters."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_BYTES)


def new_session() -> str:
    """Make the secret of a session: ``mls_`` and 43 characters."""
    return SESSION_PREFIX + secrets.token_urlsafe(_BYTES)


def new_password() -> str:
    """Make a password for somebody who has not said one: 20 characters, 120 bits."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def new_totp_secret() -> str:
    """Make a secret for an authenticator app: 32 characters of Base32."""
    return base64.b32encode(secrets.token_bytes(_TOTP_BYTES)).decode()


def new_recovery_code() -> str:
    """Make a recovery code: ``abcd-efgh-2345-ijkl``; without the dashes it is what ``domain.totp.read_code`` reads."""
    letters = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def digest(secret: str) -> str:
    """What is stored of a secret: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hint(secret: str) -> str:
    """What a list may show of a secret that ``new_token`` has made."""
    return secret[:HINT_CHARACTERS]
