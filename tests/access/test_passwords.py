"""Hashing: the parameters, the threads, and what time tells."""

from __future__ import annotations

import asyncio
import time

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from engine.access.passwords import NETWORK_JOBS_MAX, STRANGER_JOBS_MAX, WAITING_MAX, Passwords, Share
from engine.access.secrets import digest, hint, new_session, new_token
from engine.domain.access import TooManyTries
from tests.api.fakes import cheap_passwords
from tests.patience import PATIENT_SECONDS


async def test_parameters_are_those_of_rfc_9106() -> None:
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    found = extract_parameters(stored)
    assert (found.type, found.time_cost, found.memory_cost, found.parallelism) == (Type.ID, 3, 64 * 1024, 4)
    assert (found.salt_len, found.hash_len) == (16, 32)
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horsf")
    assert not passwords.is_outdated(stored)
    passwords.close()


async def test_an_unknown_name_takes_as_long_as_a_wrong_password() -> None:
    passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=16 * 1024, parallelism=1))
    stored = await passwords.hash("x")
    await passwords.verify(None, "y")  # makes the dummy

    async def seconds(of: str | None) -> float:
        begin = time.perf_counter()
        assert not await passwords.verify(of, "y")
        return time.perf_counter() - begin

    # In turn, and the quickest of each: what other processes do to some of them must not be taken for a difference.
    times = [(await seconds(stored), await seconds(None)) for _ in range(40)]
    known, unknown = (min(each) for each in zip(*times, strict=True))
    assert 0.5 < unknown / known < 2
    passwords.close()


async def test_a_hash_that_is_damaged_is_nobodys() -> None:
    passwords = cheap_passwords()
    assert not await passwords.verify("not a hash", "x")
    passwords.close()


async def test_too_many_at_once_are_refused_and_the_loop_goes_on() -> None:
    passwords = cheap_passwords()
    jobs = [asyncio.create_task(passwords.hash("x")) for _ in range(WAITING_MAX + 5)]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert sum(isinstance(result, TooManyTries) for result in results) == 5
    assert await passwords.hash("x")
    passwords.close()


async def test_the_queue_is_shared() -> None:
    """Neither one network nor many new ones keep somebody out who has been here before."""
    passwords = cheap_passwords()
    stored = await passwords.hash("x")

    def tries(number: int, network: str, known: bool = False) -> list[asyncio.Task[bool]]:
        verify = passwords.verify
        return [asyncio.create_task(verify(stored, "x", Share(network, known))) for _ in range(number)]

    one = tries(40, "n0")
    many = [task for number in range(1, 40) for task in tries(4, f"n{number}")]
    known = tries(1, "home", True)
    greedy = tries(40, "office", True)
    results = [await asyncio.gather(*each, return_exceptions=True) for each in (one, many, known, greedy)]
    passed = [each.count(True) for each in results]
    assert passed == [NETWORK_JOBS_MAX, STRANGER_JOBS_MAX - NETWORK_JOBS_MAX, 1, NETWORK_JOBS_MAX]
    assert all(result is True or isinstance(result, TooManyTries) for each in results for result in each)
    assert (passwords._jobs, passwords._stranger_jobs, dict(passwords._network_jobs)) == (0, 0, {})
    passwords.close()


async def test_a_caller_who_goes_away_does_not_leave_his_place_before_the_thread_does() -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=32 * 1024, parallelism=1))
    job = asyncio.create_task(passwords.hash("x"))
    await asyncio.sleep(0)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert passwords._jobs == 1
    async with asyncio.timeout(PATIENT_SECONDS):
        while passwords._jobs:
            await asyncio.sleep(0.01)
    passwords.close()


def test_secrets() -> None:
    token, session = new_token(), new_session()
    assert (len(token), len(session)) == (47, 47)
    assert (token[:4], session[:4]) == ("mlt_", "mls_")
    assert token != new_token()
    assert (len(digest(token)), len(hint(token))) == (64, 8)
