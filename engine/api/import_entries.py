"""The audit list's entries of imports: one for each, however many calls and transactions it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from common.import_parts import PART_OF
from engine.api.caller import metadata_value
from engine.api.context import Context
from engine.store.rows import Actor

_ENTRIES_MAX: Final = 1_000
"""That are remembered; an import of whose entry nobody knows any more, as after a restart, gets another one."""
_NAME_CHARACTERS_MAX: Final = 64


@dataclass(slots=True)
class Entry:
    """An import's entry of the audit list; ``None``: there is none yet."""

    event_id: int | None = None


class Entries:
    """The entries of imports of one kind."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Entry] = {}

    @contextmanager
    def of(self, by: Actor, context: Context) -> Iterator[Entry]:
        """The entry of the import that the call is a part of; it is nobody else's meanwhile."""
        name = metadata_value(context.invocation_metadata(), PART_OF) or ""
        key = (by.key, name) if by.key and 0 < len(name) <= _NAME_CHARACTERS_MAX else None
        entry = Entry() if key is None else self._known.pop(key, Entry())
        try:
            yield entry
        finally:
            if key is not None:
                self._known[key] = entry
                if len(self._known) > _ENTRIES_MAX:
                    del self._known[next(iter(self._known))]
