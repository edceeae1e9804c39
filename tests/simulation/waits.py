"""Who may wait for whom, on PostgreSQL: (table, who, for whom), by the names of the store's verbs.

Anything else in a life's log of waits is a violation: a wait that nobody has thought of is how a deadlock or a stop of
all sending begins. A line here says that the wait is meant, is short, and is taken in one order of locks
(docs/decisions/lock-order.md).
"""

from __future__ import annotations

from typing import Final

DECLARED: Final[frozenset[tuple[str, str, str]]] = frozenset()
