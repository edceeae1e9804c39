"""Hashing passwords with argon2id.

Parameters: the second recommended option of RFC 9106, section 4 (3 passes, 64 MiB, 4 lanes): about 0.1 s of
a core. So it is done in threads, two at a time, with a short queue: a flood of sign-ins must not take the engine's
memory, nor hold up its loop. The queue is shared: each network that signs in has a few places in it, all that are new
to the account half of it. So nobody fills it, and who signs in from where he has been before finds a place.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from common.error_codes import ErrorCode
from engine.domain.access import TooManyTries

T = TypeVar("T")


class Share(NamedTuple):
    """Whose place in the queue a job takes."""

    network: str
    known: bool = False
    """Somebody has signed in with this account from there before."""


PARAMETERS: Final = RFC_9106_LOW_MEMORY
THREADS: Final = 2
WAITING_MAX: Final = 32
"""Jobs that may be under way or waiting; one more is refused."""
NETWORK_JOBS_MAX: Final = 4
"""Of one network."""
STRANGER_JOBS_MAX: Final = 16
"""Of all networks from which nobody has signed in with that name."""
_BUSY_WAIT_SECONDS: Final = 1.0


class Passwords:
    """``close`` when done. Any of the others may raise TooManyTries: too many are waiting."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(PARAMETERS)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._jobs = 0
        self._stranger_jobs = 0
        self._network_jobs: Counter[str] = Counter()
        self._dummy: str | None = None

    async def hash(self, password: str) -> str:
        """The hash to be stored: parameters, salt and all in one text."""
        return await self._run(lambda: self._hasher.hash(password), None)

    async def verify(self, stored: str | None, password: str, share: Share | None = None) -> bool:
        """Whether ``password`` is the one hashed in ``stored``. ``None``: there is no such account; that takes as long
        as a wrong password, so that the time of an answer says nothing. ``share``: of somebody who is not signed in."""
        return await self._run(lambda: self._verify(stored, password), share)

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored: str | None, password: str) -> bool:
        if stored is None and self._dummy is None:  # two threads may both make one: no harm
            self._dummy = self._hasher.hash(secrets.token_hex())
        try:
            self._hasher.verify(stored or self._dummy or "", password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    async def _run(self, job: Callable[[], T], share: Share | None) -> T:
        if self._is_full(share):
            raise TooManyTries(ErrorCode.TOO_MANY_SIGN_INS.format(), _BUSY_WAIT_SECONDS)
        self._count(share, 1)
        # Counted until the thread is done with it, whether or not the caller still waits.
        future = asyncio.get_running_loop().run_in_executor(self._threads, job)
        future.add_done_callback(lambda ended: self._ended(ended, share))
        return await asyncio.shield(future)

    def _is_full(self, share: Share | None) -> bool:
        if self._jobs >= WAITING_MAX:
            return True
        if share is None:
            return False
        is_crowded = not share.known and self._stranger_jobs >= STRANGER_JOBS_MAX
        return is_crowded or self._network_jobs[share.network] >= NETWORK_JOBS_MAX

    def _count(self, share: Share | None, number: int) -> None:
        self._jobs += number
        if share is None:
            return
        self._stranger_jobs += 0 if share.known else number
        self._network_jobs[share.network] += number
        if not self._network_jobs[share.network]:
            del self._network_jobs[share.network]

    def _ended(self, future: asyncio.Future[T], share: Share | None) -> None:
        self._count(share, -1)
        if not future.cancelled():
            future.exception()  # asked for, so that asyncio does not complain when the caller has gone
