"""What can be wrong with a request. The sentences and their codes stand in ``common.error_codes``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.error_codes import ErrorCode, Fault

ERRORS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field: its path as the API names it (``filter.tags[3]``), and why it is bad."""

    field: str
    fault: Fault


class MailingError(Exception):
    """Base of everything a caller may have done wrong. ``str()`` of it is one clear line."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


class InvalidInput(MailingError):
    """Fields with bad values: all of them, not just the first; of very many the first 100, and how many ``more``."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors[:ERRORS_MAX])
        self.more = len(errors) - len(self.errors)
        words = [f"{error.field}: {error.fault}" for error in self.errors]
        line = "; ".join([*words, f"and {self.more} more"] if self.more else words)
        super().__init__(ErrorCode.INVALID_FIELDS.format(count=len(errors)).worded(line))


class NotFound(MailingError):
    """There is no such object."""

    def __init__(self, kind: str, id: int | str) -> None:
        super().__init__(ErrorCode.NOT_FOUND.format(kind=kind, id=id))
        self.kind = kind
        self.id = id


class Conflict(MailingError):
    """The request contradicts what is stored already, such as a second client with one phone number."""

    def __init__(self, fault: Fault, field: str | None = None) -> None:
        super().__init__(fault)
        self.field = field


class ReadOnly(MailingError):
    """The object can't be changed any more: an ended or cancelled mailing."""
