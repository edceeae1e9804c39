"""How mailings share the workers, so that a huge one does not hold up a small one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping


def fair_shares(wants: Mapping[int, int], room: int) -> dict[int, int]:
    """Divide ``room`` places among those who want some, max-min fair.

    Nobody gets more than wanted; who wants less than an equal part gets all of it, and the others
    share the rest evenly. Places left over by the division go one each in the order of ``wants``.
    """
    level = _water_level(sorted(wants.values()), room)
    shares = {key: min(want, level) for key, want in wants.items()}
    spare = max(0, room - sum(shares.values()))
    for key, want in wants.items():
        if spare and want > level:
            shares[key] += 1
            spare -= 1
    return shares


def _water_level(ascending: list[int], room: int) -> int:
    """Return the whole number up to which every want can be met."""
    room = max(0, room)
    for index, want in enumerate(ascending):
        equal = room // (len(ascending) - index)
        if want > equal:
            return equal
        room -= want
    return ascending[-1] if ascending else 0


class RoundRobin:
    """Mailing ids in turn: the one that was served longest ago comes first. Each change costs O(1)."""

    def __init__(self) -> None:
        self._turn: OrderedDict[int, None] = OrderedDict()

    def add(self, id: int) -> None:
        """Put an id at the end of the turn; nothing happens when it is there already."""
        self._turn.setdefault(id)

    def remove(self, id: int) -> None:
        """Take an id out; nothing happens when it is not there."""
        self._turn.pop(id, None)

    def served(self, id: int) -> None:
        """Move an id to the end of the turn; nothing happens when it has been removed meanwhile."""
        if id in self._turn:
            self._turn.move_to_end(id)

    def first(self) -> int:
        """The id whose turn it is; there must be one."""
        return next(iter(self._turn))

    def __iter__(self) -> Iterator[int]:
        """Go once through the turn. It must not change on the way: break off, then call ``served``.

        No copy is made, because this is asked for each message and mostly ends at the first id.
        """
        return iter(self._turn)

    def __len__(self) -> int:
        """How many take turns."""
        return len(self._turn)
