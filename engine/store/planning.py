"""How PostgreSQL plans what delivery asks: by the keys, whatever the tables looked like when the plan was made.

A prepared statement gets one plan for all later executions (a generic plan) once that looks no dearer than a plan for
each. In it an array has ten elements, whatever is in it, and a table has the size that it had just then; it is made
anew when the server has analyzed the table, which is seldom. Left to itself PostgreSQL compared each outcome of a group
with each other one after an analyze (1,000 outcomes: 200 to 450 ms of the server in place of 10), and read a whole
table for each group when the plan had been made while it was small. A plan for each execution was no better: before the
first analyze it took 627 us a message in place of 31.

Delivery finds all its rows by keys and partial indexes, so there is one right plan, and it is linear in the rows that
are named. With these settings PostgreSQL has no other: 23 us a message. They cost 5 us a transaction, being a part of
its first command.
"""

from __future__ import annotations

from typing import Final

_SETTINGS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
BY_KEYS: Final = "; ".join(f"SET LOCAL {name} = {value}" for name, value in _SETTINGS.items())
BY_STATISTICS: Final = "; ".join(f"SET LOCAL {name} TO DEFAULT" for name in _SETTINGS)
"""For the rest of a transaction that looks at clients by what they are, and so at many of them."""
