"""Who calls is known before the first byte of a body is read: nobody pays for strangers.

The engine decides at each call what its caller may do. It is asked who calls before that (WhoAmI), and the answer is
compared with the least role that the route declares (``openapi.operation``, ``admin.permissions``). An answer holds for
two seconds: a body may still be read for somebody who was revoked a moment ago, and the engine then refuses the call.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from aiohttp import web
from grpc import StatusCode, aio

from common.contract.values import words
from common.error_codes import ErrorCode
from gateway.http.engine_client import EngineClient, authorization_of, patience_of
from gateway.http.problems import CHALLENGE, Problem
from mailing.v1.access_pb2 import Identity
from mailing.v1.access_pb2 import Role as RoleNumber

Answer = TypeVar("Answer")
Role = Literal["viewer", "operator", "admin"]
"""The least one that a route takes."""

ROLES: Final = words(RoleNumber.DESCRIPTOR)
"""The words of the contract's roles."""
_RANKS: Final[Mapping[str, int]] = {"viewer": 1, "operator": 2, "admin": 3}
_TRUST_SECONDS: Final = 2.0
_KNOWN_MAX: Final = 10_000
"""Callers that are remembered; 200 bytes each."""
_STRANGERS_MAX: Final = 1_000
"""Secrets that were no good: apart from the others, so that a flood of them drives out nobody."""
_SECRET_LENGTH_MAX: Final = 4096
"""What the engine takes; see ``engine.access.authority``."""
_ADMITTED: Final = web.RequestKey("ADMITTED", bool)
CALLER: Final = web.RequestKey("CALLER", Identity)
"""Who calls, once it is known."""


_DECLARED: Final = "__least_role__"
_ALSO: Final = "__also_role__"
_BEFORE_TOTP_SETUP: Final = "__before_totp_setup__"


def declare_role(
    handler: object, role: Role | None, also: str | None = None, *, before_totp_setup: bool = False
) -> None:
    """Say which role a handler needs at least (``None``: no token is needed), which one without a rank may call it too,
    and whether people may who must set up two-step sign-in first."""
    setattr(handler, _DECLARED, role)
    setattr(handler, _ALSO, also)
    setattr(handler, _BEFORE_TOTP_SETUP, before_totp_setup)


def declared_role(handler: object) -> Role | None:
    """The least role that may call a handler. ``None``: no token is needed.

    Raises:
        LookupError: it was not declared.
    """
    try:
        role: Role | None = getattr(handler, _DECLARED)
    except AttributeError:
        raise LookupError(f"no role is declared for {handler}") from None
    return role


class Whom(NamedTuple):
    """Whose body is read."""

    role: Role = "viewer"
    """This one, or a higher one."""
    also: str | None = None
    """A role without a rank that may send one too."""
    before_totp_setup: bool = False
    """Also people who must set up two-step sign-in first."""


def whom_to_admit(handler: object) -> Whom:
    """Who may send a body to a handler; those whom the engine knows, where it has declared nobody."""
    try:
        role = declared_role(handler)
    except LookupError:
        role = None
    return Whom(role or "viewer", getattr(handler, _ALSO, None), getattr(handler, _BEFORE_TOTP_SETUP, False))


def open_to_all(request: web.Request) -> None:
    """Let the body of a request be read without a question: of sign-ins, whose handlers take little of it."""
    request[_ADMITTED] = True


def is_admitted(request: web.Request) -> bool:
    """Whether the body may be read."""
    return bool(request.get(_ADMITTED))


class Admission:
    """Asks the engine who calls; answers are remembered for a moment, and equal questions share one call."""

    def __init__(self, engine: EngineClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._known: _Recent[Identity] = _Recent(_KNOWN_MAX, clock)
        self._strangers: _Recent[None] = _Recent(_STRANGERS_MAX, clock)
        self._asked: dict[bytes, _Question] = {}

    async def admit(self, request: web.Request, whom: Whom) -> Identity:
        """Return who calls, whose body may be read from now on.

        Raises:
            Problem: 401, nobody known; 403, the role is too low, or two-step sign-in must be set up first; 422 or 504,
                by ``X-Request-Timeout``.
            AioRpcError: the engine does not answer.
        """
        identity = await self._who(request)
        word = ROLES.get(identity.role) or "unknown"
        role, also, before_totp_setup = whom
        if word != also and _RANKS.get(word, 0) < _RANKS[role]:
            required = role if also is None else f"{also} or {role}"
            raise Problem(403, ErrorCode.PERMISSION_DENIED.format(required=required, name=identity.name, role=word))
        if identity.totp_setup_required and not before_totp_setup:
            raise Problem(403, ErrorCode.TOTP_SETUP_REQUIRED.format())
        request[CALLER] = identity
        open_to_all(request)
        return identity

    async def _who(self, request: web.Request) -> Identity:
        # Headers may be long, and are secrets: what is kept is a digest.
        key = hashlib.sha256(secret_of(request).encode()).digest()
        if self._strangers.has(key):
            raise _unauthenticated()
        return self._known.get(key) or await self._ask(key, request)

    async def _ask(self, key: bytes, request: web.Request) -> Identity:
        """Share the question of whoever has the same secret; the last one to leave takes it along."""
        patience_seconds = patience_of(request)
        question = self._asked.get(key)
        if question is None:
            question = self._asked[key] = _Question(asyncio.create_task(self._answer(key, request), name="who calls"))
        question.waiting += 1
        try:
            async with asyncio.timeout(None if patience_seconds > 1e6 else patience_seconds):
                return await asyncio.shield(question.task)
        except TimeoutError:
            raise Problem(504, ErrorCode.ENGINE_LATE.format(), headers={"Retry-After": "1"}) from None
        finally:
            question.waiting -= 1
            if question.waiting == 0:
                question.task.cancel()
                if self._asked.get(key) is question:
                    del self._asked[key]

    async def _answer(self, key: bytes, request: web.Request) -> Identity:
        try:
            identity = await self._engine.identify(request)
        except aio.AioRpcError as error:
            if error.code() is not StatusCode.UNAUTHENTICATED:
                raise
            self._strangers.keep(key, None)
            raise _unauthenticated() from None
        if not identity.totp_setup_required:  # it may be done in a moment
            self._known.keep(key, identity)
        return identity


class _Question:
    """A call that is under way, and how many wait for its answer."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[Identity]) -> None:
        self.task = task
        self.waiting = 0
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # who asked may have left


class _Recent(Generic[Answer]):
    """Answers of the last two seconds; of too many the oldest goes."""

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        self._size, self._clock = size, clock
        self._kept: OrderedDict[bytes, tuple[float, Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def has(self, key: bytes) -> bool:
        """Whether there is an answer that still holds."""
        return key in self._kept and self._clock() < self._kept[key][0]

    def get(self, key: bytes) -> Answer | None:
        """The answer, when there is one that still holds."""
        return self._kept[key][1] if self.has(key) else None

    def keep(self, key: bytes, answer: Answer) -> None:
        """Remember an answer from now on."""
        self._kept.pop(key, None)
        self._kept[key] = (self._clock() + _TRUST_SECONDS, answer)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)


def secret_of(request: web.Request) -> str:
    """The secret that a request bears. Raises Problem (401) when it bears none that could be good."""
    scheme, _, secret = (authorization_of(request) or "").partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(secret) <= _SECRET_LENGTH_MAX or " " in secret:
        raise _unauthenticated()
    return secret


def _unauthenticated() -> Problem:
    return Problem(401, ErrorCode.UNAUTHENTICATED.format(), headers={"WWW-Authenticate": CHALLENGE})
