"""What people have said of the stop list, and what it may have been when."""

from __future__ import annotations

from random import Random

from engine.domain.errors import NotFound
from engine.domain.suppression import SuppressionInput
from engine.store.rows import Actor
from engine.store.store import Store
from tests.simulation.history import NEVER_US, History


class StopList:
    """By number. A change that has not returned may have been made, or not."""

    def __init__(self) -> None:
        self._numbers: dict[int, History[bool]] = {}

    def draw(self, random: Random, phone_number: int) -> bool:
        """Whether somebody puts the number on the list, or takes it off: mostly it becomes another thing."""
        is_listed = self._numbers[phone_number].at(NEVER_US - 1)[-1] if phone_number in self._numbers else False
        return not is_listed if random.random() < 0.9 else is_listed

    def asked(self, phone_number: int, is_listed: bool, at_us: int) -> None:
        """Somebody asks for it."""
        self._numbers.setdefault(phone_number, History(False, 0)).asked(is_listed, at_us)

    def returned(self, phone_number: int, at_us: int) -> None:
        """And has been told that it is done."""
        self._numbers[phone_number].returned(at_us)

    def forbids(self, phone_number: int, at_us: int) -> bool:
        """Whether no call to the number may begin then."""
        return phone_number in self._numbers and self._numbers[phone_number].at(at_us) == [True]

    def ever_had(self, phone_number: int) -> bool:
        """Whether the number may have been on the list at any time."""
        return phone_number in self._numbers and True in self._numbers[phone_number].between(0, NEVER_US)

    def may_have(self, phone_number: int) -> bool:
        """Whether it may be there in the end."""
        return phone_number in self._numbers and True in self._numbers[phone_number].at(NEVER_US - 1)

    def settled_us(self, phone_number: int) -> int:
        """When the last change of it had returned; ``NEVER_US``: it has not. 0: there was none."""
        return self._numbers[phone_number].settled_us if phone_number in self._numbers else 0


async def change(store: Store, phone_number: int, is_listed: bool, now_us: int) -> tuple[int, ...]:
    """Put a number on the list, or take it off; the clients that have it."""
    if is_listed:
        added = await store.add_suppression(SuppressionInput(phone_number, source="api"), by=Actor(), now_us=now_us)
        return added.client_ids
    try:
        return await store.delete_suppression(phone_number, by=Actor(), now_us=now_us)
    except NotFound:  # it was asked for before, and that was not told
        return ()
