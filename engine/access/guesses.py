"""Guesses at what only an account's owner knows, by somebody who has got past the name: counted, and slowed down.

They are counted apart from sign-ins: whoever has taken over a session, or knows the password, must not keep the owner
from signing in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from common.error_codes import ErrorCode
from engine.domain.access import TooManyTries, WrongOneTimeCode
from engine.domain.errors import InvalidInput
from engine.domain.sign_in import SignInThrottle

_WRONG: Final = (InvalidInput, WrongOneTimeCode)
_ELSEWHERE: Final = "elsewhere"


class Guesses:
    """Each method counts what is done within its context as a try; one that ends with no error was right. Raises
    TooManyTries when the next one has to wait."""

    def __init__(self, throttle: SignInThrottle, monotonic: Callable[[], float]) -> None:
        self._throttle, self._monotonic = throttle, monotonic

    def of_password(self, account_id: int, host: str) -> AbstractContextManager[None]:
        """The password of an account, by somebody with a session of it."""
        return self._counted(f"the password of account {account_id}", host, ErrorCode.TOO_MANY_WRONG_PASSWORDS)

    def of_code(self, account_id: int, host: str, *, known: bool = True) -> AbstractContextManager[None]:
        """The code of an account, by somebody with a session or with the password.

        All networks that are not ``known`` for the account are counted as one: six digits are soon guessed by whoever
        has many. The owner, in a network of theirs, is held up by none of them.
        """
        place = host if known else _ELSEWHERE
        return self._counted(f"the code of account {account_id}", place, ErrorCode.TOO_MANY_TRIES)

    @contextmanager
    def _counted(self, key: str, place: str, words: ErrorCode) -> Iterator[None]:
        wait_seconds = self._throttle.begin(key, place, self._monotonic(), known=True)
        if wait_seconds > 0:
            raise TooManyTries(words.format(), wait_seconds)
        try:
            yield
        except _WRONG:
            raise
        except BaseException:  # neither right nor wrong
            self._throttle.undo(key, place, known=True)
            raise
        self._throttle.succeeded(key, place, known=True)
