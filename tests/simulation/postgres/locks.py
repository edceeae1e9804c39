"""PostgreSQL's locks: modes, queues, deadlocks, and a log of who waited for whom.

A lock is held until its holder's transaction ends. What is locked is known by a key: a table's name and a row's, or
another first word: ``advisory``, or ``unique …`` and a table's name (a key that is being inserted, or the end of a
transaction that has changed the row with this key).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

Key = tuple[Any, ...]


class Mode(IntEnum):
    """How a row is locked; advisory locks know ``SHARE`` and ``UPDATE``."""

    KEY_SHARE = 0
    """Somebody refers to the row: it must neither go nor change its key."""
    SHARE = 1
    NO_KEY_UPDATE = 2
    UPDATE = 3


_CONFLICTS: Final = (
    frozenset({Mode.UPDATE}),
    frozenset({Mode.NO_KEY_UPDATE, Mode.UPDATE}),
    frozenset({Mode.SHARE, Mode.NO_KEY_UPDATE, Mode.UPDATE}),
    frozenset(Mode),
)


class Holder:
    """A transaction, as far as locks go."""

    __slots__ = ("held", "label", "number", "program", "waiter")
    _numbers = itertools.count(1)

    def __init__(self, label: str = "", program: str = "") -> None:
        self.label, self.program = label, program
        self.number = next(Holder._numbers)
        self.held: list[tuple[Key, Mode | None]] = []
        """In the order of taking, with the mode in which it was held before."""
        self.waiter: Waiter | None = None
        """What it waits for."""


@dataclass(eq=False, slots=True)
class Waiter:
    """Somebody in a queue."""

    holder: Holder
    key: Key
    mode: Mode
    on_turn: Callable[[], None]
    """Called once when the lock is its."""


@dataclass(eq=False, slots=True)
class _Lock:
    holders: dict[Holder, Mode] = field(default_factory=dict)
    queue: list[Waiter] = field(default_factory=list)


@dataclass(slots=True)
class Wait:
    """One wait, for the log."""

    table: str
    who: str
    whom: str
    """What the transactions do: names of verbs."""
    program: str
    holders_program: str
    began_seconds: float
    holder: int = field(repr=False)
    """Which transaction it is: the same number for all that wait for one. It counts those of all lives."""
    ended_seconds: float | None = None


class Locks:
    """All locks of a server."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._locks: dict[Key, _Lock] = {}
        self.log: list[Wait] = []

    def is_free(self, holder: Holder, key: Key, mode: Mode) -> bool:
        """Whether it could be taken at once."""
        lock = self._locks.get(key)
        return lock is None or not any(self._against(lock, holder, mode))

    def take(self, holder: Holder, key: Key, mode: Mode) -> bool:
        """Take a lock, or make the one that is held stronger; False: others are in the way."""
        lock = self._locks.get(key)
        if lock is None:
            self._locks[key] = lock = _Lock({holder: mode})
            holder.held.append((key, None))
            return True
        before = lock.holders.get(holder)
        if before is not None and before >= mode:
            return True
        if any(self._against(lock, holder, mode)):
            return False
        # Row locks may overtake those who wait, advisory ones may not.
        if before is None and key[0] == "advisory" and any(_conflict(each.mode, mode) for each in lock.queue):
            return False
        lock.holders[holder] = mode
        holder.held.append((key, before))
        return True

    def wait(self, holder: Holder, key: Key, mode: Mode, on_turn: Callable[[], None]) -> list[Wait]:
        """Queue up. The entries of the log are returned: whoever ends the wait says when."""
        lock = self._locks[key]
        entries = [
            Wait(str(key[0]), holder.label, other.label, holder.program, other.program, self._time(), other.number)
            for other in self._against(lock, holder, mode)
        ]
        self.log += entries
        holder.waiter = Waiter(holder, key, mode, on_turn)
        lock.queue.append(holder.waiter)
        return entries

    def give_up(self, holder: Holder) -> None:
        """Leave the queue."""
        waiter, holder.waiter = holder.waiter, None
        if waiter is not None:
            self._locks[waiter.key].queue.remove(waiter)
            self._serve(waiter.key)

    def release(self, holder: Holder, down_to: int = 0) -> None:
        """Let go of all locks but the first ``down_to`` that were taken."""
        freed = holder.held[down_to:]
        del holder.held[down_to:]
        for key, before in reversed(freed):
            lock = self._locks[key]
            if before is None:
                del lock.holders[holder]
            else:
                lock.holders[holder] = before
        for key, _ in freed:
            left = self._locks.get(key)
            if left is not None and left.queue:
                self._serve(key)
            elif left is not None and not left.holders:
                del self._locks[key]

    def blockers(self, holder: Holder) -> list[Holder]:
        """For whom it waits, as ``pg_blocking_pids`` says it."""
        waiter = holder.waiter
        if waiter is None:
            return []
        lock = self._locks[waiter.key]
        ahead = lock.queue[: lock.queue.index(waiter)]
        queued = [each.holder for each in ahead if _conflict(each.mode, waiter.mode)]
        if queued and waiter.key[0] != "advisory":
            return queued  # the first of those who wait for a row has its "tuple lock", and the others wait for that
        return [*self._against(lock, holder, waiter.mode), *queued]

    def is_deadlocked(self, holder: Holder) -> bool:
        """Whether it waits for itself, by way of others."""
        seen: set[Holder] = set()
        todo = self.blockers(holder)
        while todo:
            other = todo.pop()
            if other is holder:
                return True
            if other not in seen:
                seen.add(other)
                todo += self.blockers(other)
        return False

    def holders(self, key: Key) -> list[Holder]:
        """Who holds a lock."""
        lock = self._locks.get(key)
        return [] if lock is None else list(lock.holders)

    @property
    def is_quiet(self) -> bool:
        """Whether nobody holds any."""
        return not self._locks

    def _against(self, lock: _Lock, holder: Holder, mode: Mode) -> Iterator[Holder]:
        conflicts = _CONFLICTS[mode]
        return (other for other, held in lock.holders.items() if other is not holder and held in conflicts)

    def _serve(self, key: Key) -> None:
        lock = self._locks.get(key)
        if lock is None:
            return
        for waiter in list(lock.queue):
            if any(self._against(lock, waiter.holder, waiter.mode)):
                if key[0] == "advisory":
                    break
                continue
            lock.queue.remove(waiter)
            before = lock.holders.get(waiter.holder)
            lock.holders[waiter.holder] = max(waiter.mode, before or waiter.mode)
            waiter.holder.held.append((key, before))
            waiter.holder.waiter = None
            waiter.on_turn()
        if not lock.holders and not lock.queue:
            del self._locks[key]


def _conflict(one: Mode, other: Mode) -> bool:
    return other in _CONFLICTS[one]
