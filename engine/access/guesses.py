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
    TooManyTries when the next one has to wait.

    Somebody with a session is counted by it, not by network: whoever has stolen one may have many networks, and the
    owner has a session of their own.
    """

    def __init__(self, throttle: SignInThrottle, monotonic: Callable[[], float]) -> None:
        self._throttle, self._monotonic = throttle, monotonic

    def of_password(self, session_id: int) -> AbstractContextManager[None]:
        """The password of an account, by somebody with a session of it."""
        return self._counted("the password", f"session {session_id}", ErrorCode.TOO_MANY_WRONG_PASSWORDS)

    def of_code_in(self, session_id: int) -> AbstractContextManager[None]:
        """The code of an account, by somebody with a session of it."""
        return self._counted("the code", f"session {session_id}", ErrorCode.TOO_MANY_TRIES)

    def of_code(self, account_id: int, host: str, *, known: bool) -> AbstractContextManager[None]:
        """The code of an account, by somebody with the password.

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
        except Exception:  # neither right nor wrong; a call that its caller cancels may have been either: it counts
            self._throttle.undo(key, place, known=True)
            raise
        self._throttle.succeeded(key, place, known=True)
