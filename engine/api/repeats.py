"""Creates that are repeated with the same request id (AIP-155)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from engine.domain.errors import InvalidInput
from engine.store.rows import RequestKey

R = TypeVar("R")


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
