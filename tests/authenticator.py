"""An authenticator app, for services whose clock is the real one."""

from __future__ import annotations

import time

from pyotp import HOTP

from engine.domain.totp import STEP_US


class Authenticator:
    """Shows codes that the service has not seen, without waiting for the next half minute: two of them at most."""

    def __init__(self, secret: str) -> None:
        self._codes, self._last = HOTP(secret.replace(" ", "")), 0

    def code(self) -> str:
        """The one of now, or the next one, which is good already: clocks may differ."""
        now = int(time.time() * 1_000_000) // STEP_US
        self._last = max(now, self._last + 1)
        assert self._last <= now + 1, "the service takes no codes of later steps"
        return self._codes.at(self._last)
