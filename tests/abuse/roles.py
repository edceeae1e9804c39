"""Attacks by those who may do a little, and on those who may do much."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from grpc import aio

from engine.access.passwords import PARAMETERS, THREADS
from mailing.v1 import access_service_pb2, access_service_pb2_grpc
from tests.abuse.attack import Attack, Seen, ask, at_once, counted
from tests.abuse.target import TAGS, Target

if TYPE_CHECKING:  # the stub's type only
    from mailing.v1.access_service_pb2_grpc import AccessServiceAsyncStub

PREVIEWS: Final = 50
GUESSES: Final = 60
OWNER_SECONDS_MAX: Final = 5.0
HASHES_MIB: Final = THREADS * PARAMETERS.memory_cost / 1024
"""Of the passwords that are hashed at the same time: that they take it is what makes guessing dear."""
_PATIENCE_SECONDS: Final = 30.0
_LOCKED_OUT_SECONDS: Final = 70.0
"""Longer than the longest pause after wrong passwords: those of the attack before."""


async def previews(target: Target, seconds: float) -> Seen:
    """Fifty at a time, each of a thousand tags, and no two alike."""
    statuses: list[int] = []
    tags = [f"t{number}" for number in range(TAGS)]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {target.viewer}"}

    async def one(_number: int) -> None:
        chosen = random.sample(tags, TAGS - 1)
        times = {"start_time": "2098-12-31T00:00:00Z", "end_time": "2099-01-01T00:00:00Z"}
        body = json.dumps({"text": "Hello", "filter": {"tags": chosen}, **times}).encode()
        statuses.append(await ask(target.http, "POST", "/api/v1/mailings/preview", body, headers, seconds))

    await at_once(PREVIEWS, seconds, one)
    # A preview that is not valid costs nothing: then nothing was tried.
    return Seen(counted(statuses), is_bad=bool({400, 422} & set(statuses)))


async def guesses_for_the_owner(target: Target, seconds: float) -> Seen:
    """Wrong passwords for `admin`, each from another address, as the header claims."""
    return await _guess(target, seconds, lambda: "admin")


async def guesses_for_all(target: Target, seconds: float) -> Seen:
    """Wrong passwords for names that may exist or not: each costs a hash."""
    return await _guess(target, seconds, lambda: f"user{random.randrange(10**9)}")


async def _guess(target: Target, seconds: float, name: Callable[[], str]) -> Seen:
    """Guess while the owner signs in at the gateway, who has done so before, from the same address."""
    if await _owner_s_wait(target, _LOCKED_OUT_SECONDS) is None:
        return Seen("admin can't sign in, though nobody attacks: is the password right?", is_bad=True)
    ended = asyncio.Event()
    guesses = asyncio.create_task(_keep_guessing(target, name, ended))
    began = time.monotonic()
    await asyncio.sleep(min(1.0, seconds))
    owner_seconds = await _owner_s_wait(target, _PATIENCE_SECONDS)
    await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
    ended.set()
    words = "did not get in" if owner_seconds is None else f"was in after {owner_seconds:.2f} s"
    is_bad = owner_seconds is None or owner_seconds > OWNER_SECONDS_MAX
    return Seen(f"{await guesses} guesses; the owner {words}", is_bad=is_bad)


async def _keep_guessing(target: Target, name: Callable[[], str], ended: asyncio.Event) -> int:
    done = 0

    async def one(stub: AccessServiceAsyncStub) -> None:
        nonlocal done
        while not ended.is_set():
            claimed = (
                ("x-forwarded-for", f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(256)}"),
            )
            request = access_service_pb2.SignInRequest(name=name(), password="wrong password")
            with suppress(aio.AioRpcError):
                await stub.SignIn(request, metadata=claimed, timeout=10)
            done += 1

    async with aio.insecure_channel(target.grpc, [("grpc.enable_http_proxy", 0)]) as channel:
        stub: AccessServiceAsyncStub = access_service_pb2_grpc.AccessServiceStub(channel)
        async with asyncio.TaskGroup() as group:
            for _ in range(GUESSES):
                group.create_task(one(stub))
    return done


async def _owner_s_wait(target: Target, most_seconds: float) -> float | None:
    """How long it takes until the right password is taken, tried as often as a person might; ``None``: longer."""
    began = time.monotonic()
    while await _sign_in(target) not in (200, 201):
        if time.monotonic() - began > most_seconds:
            return None
        await asyncio.sleep(1)
    return time.monotonic() - began


async def _sign_in(target: Target) -> int:
    body = json.dumps({"name": "admin", "password": target.password}).encode()
    headers = {"Content-Type": "application/json"}
    return await ask(target.http, "POST", "/api/v1/session", body, headers, _PATIENCE_SECONDS)


ATTACKS: Final = (
    Attack("3", f"{PREVIEWS} previews at a time, {TAGS:,} tags each, viewer", previews),
    Attack(
        "5",
        f"{GUESSES} at a time guess admin's password",
        guesses_for_the_owner,
        needs_password=True,
        memory_mib=HASHES_MIB,
    ),
    Attack("6", f"{GUESSES} at a time guess for any name", guesses_for_all, needs_password=True, memory_mib=HASHES_MIB),
)
