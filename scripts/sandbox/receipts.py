"""Receipts: what the sandbox says later about the texts that it accepted. No sockets here: see ``courier``.

What waits costs eight bytes each: an id in the array of the moment at which it is due. Everything else follows from
the id and that moment when the time has come.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from heapq import heappop, heappush
from typing import Final, NamedTuple

from scripts.sandbox.ledger import Ledger, time_text
from scripts.sandbox.switches import Reader, changed, check_shares, draw, one_of, range_as_json, seconds_range, share

BATCH_MAX: Final = 1000
"""What the service takes in one call."""
WAITING_MAX: Final = 2_000_000
"""16 MB of ids: 10,000 texts a second for 200 seconds. What would be more is dropped, and counted."""
MOMENT_US: Final = 20_000
"""Receipts are due at whole moments. A receipt's time is its moment."""
MOMENTS_MAX: Final = 10_000
"""Each costs some 200 bytes, however few wait for it. With more of them, as when the service is away for hours, new
receipts are due at whole seconds."""
_MOMENTS_A_SECOND: Final = 1_000_000 // MOMENT_US
EXTRA_MOMENTS: Final = 25
"""After so many a second receipt follows, where one does: half a second."""
_FIRST, _AGAIN, _STALE = range(3)
_KINDS: Final = 4
_DRAW_DELAY, _DRAW_STATUS, _DRAW_FATE, _DRAW_REASON = (1 << bit for bit in (41, 42, 43, 44))
"""In the place of a call's number, so that what is drawn for one message is drawn apart."""
_REASONS: Final = (
    ("1", "unknown subscriber"),
    ("9", "the phone was off for too long"),
    ("13", "barred by the operator"),
)


@dataclass(frozen=True, slots=True)
class ReceiptSwitches:
    """How receipts come."""

    enabled: bool = False
    delay_seconds: tuple[float, float] = (0.0, 0.0)
    """How long after the call, shortest and longest. With none, and a slow answer, the receipt comes before it."""
    share_undelivered: float = 0.0
    """Say that the text did not arrive."""
    share_lost: float = 0.0
    """Never come."""
    share_repeated: float = 0.0
    """Come a second time."""
    share_reordered: float = 0.0
    """Are followed by an older one that says the opposite."""

    def changed(self, changes: Mapping[str, object]) -> ReceiptSwitches:
        """Return a copy with ``changes`` as they come out of JSON.

        Raises:
            BadSwitches: unknown names or values, all of them at once.
        """
        result = changed(self, changes, _READERS)
        check_shares((result.share_lost, result.share_repeated, result.share_reordered))
        return result

    def as_json(self) -> dict[str, object]:
        """For the control API; what ``changed`` accepts."""
        return asdict(self) | {"delay_seconds": range_as_json(self.delay_seconds)}


RECEIPT_SHARES: Final = ("share_undelivered", "share_lost", "share_repeated", "share_reordered")
_READERS: Final[Mapping[str, Reader]] = {
    "enabled": one_of(False, True),
    "delay_seconds": seconds_range,
    **dict.fromkeys(RECEIPT_SHARES, share),
}
assert set(_READERS) == {field.name for field in fields(ReceiptSwitches)}
NO_RECEIPTS: Final = ReceiptSwitches()


class Receipt(NamedTuple):
    """One, as it is handed in."""

    message_id: int
    status: str
    """``delivered`` or ``undelivered``."""
    at_us: int
    kind: str
    """``first``, ``repeated`` or ``reordered``."""
    reason: tuple[str, str] | None
    """Code and detail, where it did not arrive."""

    def as_json(self) -> dict[str, object]:
        """For the service."""
        said: dict[str, object] = {"id": self.message_id, "status": self.status, "time": time_text(self.at_us)}
        if self.reason is not None:
            said["code"], said["detail"] = self.reason
        return said


class Receipts:
    """What is to be said, and when; what was said."""

    def __init__(self, seed: int, ledger: Ledger) -> None:
        self.switches = NO_RECEIPTS
        self.some = asyncio.Event()
        """Set while something waits that nobody has taken."""
        self._seed = seed
        self._ledger = ledger
        self.clear()

    def clear(self) -> None:
        """Forget all that waits and all counts; the switches stay."""
        self.waiting = 0
        self.counts: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.problem = ""
        self._due: dict[int, array[int]] = {}
        self._keys: list[int] = []
        self.some.clear()

    def plan(self, message_id: int, at_us: int) -> None:
        """A text was accepted: its receipt will be due."""
        shortest, longest = self.switches.delay_seconds
        delay = shortest
        if shortest != longest:
            delay += (longest - shortest) * draw(self._seed, message_id, _DRAW_DELAY)
        # Rounded up: no receipt is older than its text.
        moment = -(-(at_us + int(delay * 1e6)) // MOMENT_US)
        if len(self._keys) > MOMENTS_MAX:
            moment = -(-moment // _MOMENTS_A_SECOND) * _MOMENTS_A_SECOND
        self._add(moment, _FIRST, message_id)

    def take(self, now_us: int) -> list[Receipt]:
        """Those whose time has come, ``BATCH_MAX`` at most. Whoever takes them says what became of them."""
        batch: list[Receipt] = []
        while len(batch) < BATCH_MAX and self._keys:
            moment, kind = divmod(self._keys[0], _KINDS)
            if moment * MOMENT_US > now_us:
                break
            ids = self._due[self._keys[0]]
            part = ids[: BATCH_MAX - len(batch)]
            del ids[: len(part)]
            if not ids:
                del self._due[heappop(self._keys)]
            batch += self._made(part, moment, kind)
        if not self._keys:
            self.some.clear()
        return batch

    def note_taken(self, batch: Sequence[Receipt], answers: Mapping[str, int]) -> None:
        """The service has them; ``answers``: what it says that they were."""
        self.waiting -= len(batch)
        self.problem = ""
        self.answers.update(answers)
        for receipt in batch:
            self.counts[receipt.status if receipt.kind == "first" else receipt.kind] += 1
            if receipt.kind == "first":
                self._show(receipt.message_id, receipt.status)

    def note_refused(self, batch: Sequence[Receipt], problem: str) -> None:
        """The service will never take them."""
        self.waiting -= len(batch)
        self.problem = problem
        self.counts["refused"] += len(batch)

    def stats(self) -> dict[str, object]:
        """For the control API. ``delivered`` and ``undelivered`` are what the service should say in the end."""
        names = ("delivered", "undelivered", "lost", "repeated", "reordered", "refused", "dropped")
        counts = {name: self.counts[name] for name in names}
        answers = {name: self.answers[name] for name in ("accepted", "duplicate", "unknown")}
        return {"waiting": self.waiting, **counts, "answers": answers, "problem": self.problem}

    def _add(self, moment: int, kind: int, message_id: int) -> None:
        if self.waiting >= WAITING_MAX:
            self.counts["dropped"] += 1
            return
        key = moment * _KINDS + kind
        ids = self._due.get(key)
        if ids is None:
            ids = self._due[key] = array("q")
            heappush(self._keys, key)
        ids.append(message_id)
        self.waiting += 1
        self.some.set()

    def _made(self, ids: Sequence[int], moment: int, kind: int) -> Iterator[Receipt]:
        """The receipts of one moment; those that are lost are not among them."""
        switches, seed = self.switches, self._seed
        lost, repeated = switches.share_lost, switches.share_lost + switches.share_repeated
        for message_id in ids:
            is_delivered = draw(seed, message_id, _DRAW_STATUS) >= switches.share_undelivered
            if kind != _FIRST:
                yield self._extra(message_id, moment, kind, is_delivered)
                continue
            fate = draw(seed, message_id, _DRAW_FATE)
            if fate < lost:
                self.waiting -= 1
                self.counts["lost"] += 1
                self._show(message_id, "lost")
                continue
            if fate < repeated:
                self._add(moment + EXTRA_MOMENTS, _AGAIN, message_id)
            elif fate < repeated + switches.share_reordered:
                self._add(moment + EXTRA_MOMENTS, _STALE, message_id)
            yield self._receipt(message_id, moment * MOMENT_US, "first", is_delivered)

    def _extra(self, message_id: int, moment: int, kind: int, is_delivered: bool) -> Receipt:
        at_us = (moment - EXTRA_MOMENTS) * MOMENT_US
        if kind == _AGAIN:
            return self._receipt(message_id, at_us, "repeated", is_delivered)
        return self._receipt(message_id, at_us - 1000, "reordered", not is_delivered)

    def _receipt(self, message_id: int, at_us: int, kind: str, is_delivered: bool) -> Receipt:
        if is_delivered:
            return Receipt(message_id, "delivered", at_us, kind, None)
        reason = _REASONS[int(len(_REASONS) * draw(self._seed, message_id, _DRAW_REASON))]
        return Receipt(message_id, "undelivered", at_us, kind, reason)

    def _show(self, message_id: int, words: str) -> None:
        message = self._ledger.latest.get(message_id)
        if message is not None:
            message.receipt = words
