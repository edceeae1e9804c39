"""How guessing passwords is slowed down, so that nobody can lock out somebody else.

A person who guesses passwords sits in another network than the one whose name it is. So failures count for the pair of
name and network, and a network from which somebody has signed in with that name before (``known``) is judged by its own
failures alone: nothing that happens elsewhere, and nothing that is tried there on other names, makes it wait. All other
networks share what a name may be guessed, of which a part is kept for networks that have not tried it yet.

What is remembered is bounded. Only a try that gets to a hash is counted, and hashes are 20 a second at most: in
``QUIET_SECONDS`` fewer are counted than are remembered, so nobody can push out what is younger by trying more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

FREE_FAILURES: Final = 5
"""So many sign-ins to a name may fail in a row from a network before the next one has to wait."""
NETWORK_FAILURES: Final = 20
"""So many may fail in a row from a network, whatever the names: all those with names it is not known for."""
WAIT_SECONDS_MAX: Final = 60.0
QUIET_SECONDS: Final = 900.0
"""After this time without a failure the earlier ones are forgotten."""
NAME_TRIES: Final = 30
"""So many tries a name takes at once from all networks that it is not known in …"""
NAME_TRY_SECONDS: Final = 30.0
"""… and one more each so many seconds."""
FIRST_TRIES: Final = 30
"""When these are used up: so many networks may try it for the first time …"""
FIRST_TRY_SECONDS: Final = 10.0
"""… and one more each so many seconds."""
CAPACITY: Final = 20_000
_ROUNDING_SECONDS: Final = 1e-6

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Tries:
    """Failures in a row."""

    failures: int = 0
    last_seconds: float = 0.0

    def wait_seconds(self, free: int, now_seconds: float) -> float:
        if self.failures < free:
            return 0.0
        pause = min(2.0 ** min(self.failures - free, 10), WAIT_SECONDS_MAX)
        return max(0.0, self.last_seconds + pause - now_seconds)


@dataclass(frozen=True, slots=True)
class _Bucket:
    """Tries that are used up, and come back with time."""

    level: float = 0.0
    since_seconds: float = 0.0

    def at(self, each_seconds: float, now_seconds: float) -> float:
        return max(0.0, self.level - max(0.0, now_seconds - self.since_seconds) / each_seconds)


@dataclass(frozen=True, slots=True)
class _Name:
    """What a name has taken from networks that it is not known in."""

    tries: _Bucket = field(default_factory=_Bucket)
    firsts: _Bucket = field(default_factory=_Bucket)


class _Recent(Generic[K, V]):
    """The last ``capacity`` entries that were written."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)


_Pair = tuple[str, str]


class SignInThrottle:
    """After its free failures the next try must wait 1 s, then 2, 4 … 60.

    A try counts as a failure from its begin, so that many at the same time count as many.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._known: _Recent[_Pair, _Tries] = _Recent(capacity)
        """Apart from the others, whose number anybody can make grow."""
        self._pairs: _Recent[_Pair, _Tries] = _Recent(capacity)
        self._networks: _Recent[str, _Tries] = _Recent(capacity)
        self._names: _Recent[str, _Name] = _Recent(capacity)

    def begin(self, name: str, network: str, now_seconds: float, *, known: bool = False) -> float:
        """Count a try of ``name`` from ``network``; returns 0, or the seconds it must wait, and then it does not count.

        ``known``: somebody has signed in with that name from there before.
        """
        pair = (name.lower(), network)
        if known:
            return _begin(self._known, pair, FREE_FAILURES, now_seconds)
        tries = _found(self._pairs, pair, now_seconds)
        taken = self._names.get(pair[0]) or _Name()
        waits = (
            tries.wait_seconds(FREE_FAILURES, now_seconds),
            _found(self._networks, network, now_seconds).wait_seconds(NETWORK_FAILURES, now_seconds),
            _name_wait(taken, tries.failures == 0, now_seconds),
        )
        if max(waits) > 0:
            return max(waits)
        _begin(self._pairs, pair, FREE_FAILURES, now_seconds)
        _begin(self._networks, network, NETWORK_FAILURES, now_seconds)
        self._names.put(pair[0], _taken(taken, now_seconds))
        return 0.0

    def succeeded(self, name: str, network: str, *, known: bool = False) -> None:
        """The try was good: the pair starts anew. The network only gets this one try back, or whoever has one account
        could guess the passwords of the others without end."""
        pair = (name.lower(), network)
        if known:
            self._known.drop(pair)
        else:
            self._take_back(pair)
            self._pairs.drop(pair)

    def undo(self, name: str, network: str, *, known: bool = False) -> None:
        """Take a counted try back: it did not get to an answer."""
        pair = (name.lower(), network)
        if known:
            _take_back(self._known, pair)
        else:
            self._take_back(pair)

    def _take_back(self, pair: _Pair) -> None:
        _take_back(self._pairs, pair)
        _take_back(self._networks, pair[1])
        taken = self._names.get(pair[0])
        if taken is not None:
            tries = _Bucket(max(0.0, taken.tries.level - 1), taken.tries.since_seconds)
            self._names.put(pair[0], _Name(tries, taken.firsts))


def _found(entries: _Recent[K, _Tries], key: K, now_seconds: float) -> _Tries:
    tries = entries.get(key)
    if tries is None or now_seconds - tries.last_seconds > QUIET_SECONDS:
        return _Tries()
    return tries


def _begin(entries: _Recent[K, _Tries], key: K, free: int, now_seconds: float) -> float:
    tries = _found(entries, key, now_seconds)
    wait_seconds = tries.wait_seconds(free, now_seconds)
    if wait_seconds == 0:
        entries.put(key, _Tries(tries.failures + 1, now_seconds))
    return wait_seconds


def _take_back(entries: _Recent[K, _Tries], key: K) -> None:
    tries = entries.get(key)
    if tries is None:
        return
    if tries.failures > 1:
        entries.put(key, _Tries(tries.failures - 1, tries.last_seconds))
    else:
        entries.drop(key)


def _name_wait(taken: _Name, is_first: bool, now_seconds: float) -> float:
    """How long a network that the name is not known in must wait for the name's sake; ``is_first``: it has not tried
    it yet, or not for long."""
    tries, firsts = taken.tries.at(NAME_TRY_SECONDS, now_seconds), taken.firsts.at(FIRST_TRY_SECONDS, now_seconds)
    wait_seconds = max(0.0, tries + 1 - NAME_TRIES) * NAME_TRY_SECONDS
    if is_first:
        wait_seconds = min(wait_seconds, max(0.0, firsts + 1 - FIRST_TRIES) * FIRST_TRY_SECONDS)
    return wait_seconds if wait_seconds > _ROUNDING_SECONDS else 0.0


def _taken(taken: _Name, now_seconds: float) -> _Name:
    tries = taken.tries.at(NAME_TRY_SECONDS, now_seconds)
    if tries + 1 <= NAME_TRIES + _ROUNDING_SECONDS:
        return _Name(_Bucket(tries + 1, now_seconds), taken.firsts)
    return _Name(taken.tries, _Bucket(taken.firsts.at(FIRST_TRY_SECONDS, now_seconds) + 1, now_seconds))
