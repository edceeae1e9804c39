"""What the store returns of clients; see ``rows``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.domain.attributes import NONE


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A person who can receive a text."""

    id: int
    phone_number: int
    phone_code: str
    tag: str
    time_zone: str
    create_us: int
    update_us: int
    language: str = ""
    attributes: str = NONE
    """As ``attributes_text`` writes them."""


@dataclass(frozen=True, slots=True)
class ClientChange:
    """What changes in each client of a batch; ``None``: it stays as it is."""

    tag: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class ClientQuery:
    """Which clients a list shows; ``None`` does not restrict."""

    phone_number: int | None = None
    phone_code: str | None = None
    tag: str | None = None
    time_zone: str | None = None
    language: str | None = None
    phone_contains: str | None = None
    """Digits that the number contains."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Names with what the values look like: ``5`` is the number and the text. Empty: clients without it, or with an
    empty text."""


class Imported(StrEnum):
    """What an import did with one row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    """Nothing was stored of the row; see ``ImportResult.refused``."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import of one batch did."""

    outcomes: tuple[Imported, ...]
    """One for each row, in the order given."""
    changed_ids: tuple[int, ...]
    """Clients created or updated."""
    refused: Mapping[int, int] = field(default_factory=dict)
    """The places of rows that would give their client more attributes than one may have, with how many."""
    event_id: int | None = None
    """The import's entry of the audit list, for its next batch; ``None``: nothing was changed yet."""

    def count(self, outcome: Imported) -> int:
        """How many rows had this outcome."""
        return self.outcomes.count(outcome)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a change of many clients did."""

    changed_ids: tuple[int, ...]
    """Clients changed, or deleted."""
    unchanged: int
    """Clients that the change leaves as they were."""
    missing_ids: tuple[int, ...]
    """Ids of which there is no client."""
