"""What can go wrong with the database itself; each message is one clear line for the operator."""

from __future__ import annotations

from engine.domain.errors import MailingError
from engine.ports import StoreUnavailable

__all__ = ["DatabaseInUse", "DatabaseTooNew", "DatabaseUnavailable", "StoreUnavailable", "TooLong"]


class DatabaseUnavailable(Exception):
    """The database can't be opened: no folder, no rights, not a database, no server, a wrong URL."""


class DatabaseInUse(DatabaseUnavailable):
    """Another engine owns the SQLite file; the message names its process id."""


class DatabaseTooNew(DatabaseUnavailable):
    """The schema was migrated by a newer version of this code."""


class TooLong(MailingError):
    """A long question was not answered in time; the message says so to its caller."""
