"""How many calls of a kind may be open at the same time: of one caller, and of all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from common.error_codes import ErrorCode
from engine.domain.access import TooManyCalls


class Cap(NamedTuple):
    """Open calls of one method, at most."""

    of_one: int
    """Of one account or token; of a method that is open to all: from one network."""
    in_all: int


STREAM: Final = Cap(100, 1_000)
"""Of a stream that is not named below."""
OPEN: Final = Cap(20, 64)
"""Of a method that is open to all, and not named below: whoever calls may let us wait for his message."""
CAPS: Final[Mapping[str, Cap]] = {
    # One read a mailing serves all who watch it.
    "/mailing.v1.MailingService/WatchMailing": Cap(200, 2_000),
    # Each holds a page of rows in memory.
    "/mailing.v1.ClientService/ImportClients": Cap(16, 64),
    "/mailing.v1.ClientService/ExportClients": Cap(16, 64),
    # Load balancers: one stream for each of their connections.
    "/grpc.health.v1.Health/Watch": Cap(20, 200),
}
_WAIT_SECONDS: Final = 1.0


class OpenCalls:
    """Counts them."""

    def __init__(self, caps: Mapping[str, Cap] = CAPS) -> None:
        self._caps = caps
        self._in_all: Counter[str] = Counter()
        self._of_one: Counter[tuple[str, str]] = Counter()

    def cap(self, method: str, *, is_open: bool, is_stream: bool) -> Cap | None:
        """What holds for a method; ``None``: nothing, its calls end by themselves."""
        found = self._caps.get(method)
        if found is not None:
            return found
        return OPEN if is_open else STREAM if is_stream else None

    @contextmanager
    def hold(self, method: str, caller: str, cap: Cap) -> Iterator[None]:
        """Count a call while the block runs. Raises TooManyCalls."""
        key = (method, caller)
        if self._of_one[key] >= cap.of_one:
            raise TooManyCalls(ErrorCode.TOO_MANY_CALLS.format(max=cap.of_one), _WAIT_SECONDS)
        if self._in_all[method] >= cap.in_all:
            raise TooManyCalls(ErrorCode.TOO_MANY_CALLS_OF_ALL.format(max=cap.in_all), _WAIT_SECONDS)
        self._of_one[key] += 1
        self._in_all[method] += 1
        try:
            yield
        finally:
            self._in_all[method] -= 1
            self._of_one[key] -= 1
            if not self._of_one[key]:
                del self._of_one[key]

    def open(self, method: str) -> int:
        """How many calls of a method are open."""
        return self._in_all[method]
