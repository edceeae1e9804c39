"""Requests that are repeated with the same request id (AIP-155): the first answer again, and nothing is done twice.

How a servicer uses it: ``key = request_key(…)``; then, in the change that ``Background.whole`` carries through,
``with background.running.hold(key):`` around the store's verb, which looks for the answer and stores it in the
transaction that makes the change (``store.requests``: ``first_answer``, ``keep_answer``).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from google.protobuf.message import Message

from common.error_codes import ErrorCode
from engine.domain.errors import FieldError, InvalidInput
from engine.store.rows import Actor, RequestKey

R = TypeVar("R")

REQUEST_ID_LENGTH_MAX: Final = 128
_WITH_NUMBERS: Final = frozenset(
    {"CreateClient", "ImportClients", "CreateSuppression", "ImportSuppressions", "TestMailing", "ReceiveText"}
)


class InProgress(Exception):
    """A request with this id is being worked on; its answer can be had in a moment. The caller gets ABORTED."""


class Running:
    """The requests with an id that this engine is working on."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    @contextmanager
    def hold(self, request: RequestKey | str | None) -> Iterator[None]:
        """Keep others with this key, or scoped id, out while the block runs; ``None``: nobody.

        Raises:
            InProgress: another one is running.
        """
        if request is None:
            yield
            return
        request_id = request.request_id if isinstance(request, RequestKey) else request
        if request_id in self._ids:
            raise InProgress
        self._ids.add(request_id)
        try:
            yield
        finally:
            self._ids.discard(request_id)


def scoped_id(request_id: str, by: Actor) -> str | None:
    """The id under which an answer is stored: each caller has its own, so that nobody gets another's answer.
    ``None``: the caller did not ask for protection.

    Raises:
        InvalidInput: the id is too long or has characters that no id needs.
    """
    if not request_id:
        return None
    if len(request_id) > REQUEST_ID_LENGTH_MAX or not request_id.isprintable():
        problem = ErrorCode.BAD_REQUEST_ID.format(max=REQUEST_ID_LENGTH_MAX)
        raise InvalidInput([FieldError("request_id", problem)])
    return hashlib.sha256(f"{by.key}\0{request_id}".encode()).hexdigest()


def request_key(method: str, request: Message, request_id: str, by: Actor) -> RequestKey | None:
    """What makes ``request`` repeatable; ``None``: the caller did not ask for that.

    Args:
        method: the RPC's name; the same id for another one is a ``Conflict``.
        request: the whole request; its digest, but for the id, tells a repeat from another request.
        request_id: as the request has it.
        by: the caller.

    Raises:
        InvalidInput: see ``scoped_id``.
    """
    scoped = scoped_id(request_id, by)
    if scoped is None:
        return None
    anonymous = type(request)()
    anonymous.CopyFrom(request)
    anonymous.ClearField("request_id")
    return RequestKey(scoped, method, digest_for(method, request_id, anonymous.SerializeToString(deterministic=True)))


def digest_for(method: str, request_id: str, content: bytes) -> str:
    """What is stored to tell a repeat from another request. Requests that name phone numbers are digested with the
    request id, which nobody stores, as the key: of a plain digest all numbers could be tried out."""
    key = request_id.encode() if method in _WITH_NUMBERS else None
    return (hashlib.sha256(content) if key is None else hmac.new(key, content, "sha256")).hexdigest()


async def first_answer(
    refused: InvalidInput, key: Callable[[], RequestKey | None], find: Callable[[RequestKey], Awaitable[R | None]]
) -> R:
    """What a create that would be refused now was answered at first: what was valid then need not be so
    for ever (an end that was in the future). A create that is valid finds its answer by itself, in the
    transaction that would store it.

    Raises:
        InvalidInput: ``refused``; this is no repeat.
        Conflict: the request id was used for another request.
    """
    try:
        wanted = key()
    except InvalidInput:
        raise refused from None
    row = None if wanted is None else await find(wanted)
    if row is None:
        raise refused
    return row
