"""The database: the only place with SQL. ``Store`` is all that others need, with ``rows`` and ``errors``."""

from engine.store.errors import DatabaseInUse, DatabaseTooNew, DatabaseUnavailable, StoreUnavailable
from engine.store.store import Store

__all__ = ["DatabaseInUse", "DatabaseTooNew", "DatabaseUnavailable", "Store", "StoreUnavailable"]
