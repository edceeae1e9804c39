"""Who may wait for whom, on PostgreSQL, by table and by the names of the store's verbs.

Any other wait in a life's log is a violation: one that nobody has thought of is how a deadlock, or a stop of all
sending, begins, and is seen in the first lives, where the deadlock itself needs tens. The order in which a transaction
may wait is docs/decisions/lock-order.md; here is what follows from it. What is not here is as much a promise: that a
claim, an ending or a recovery waits for no message, and an outcome for no mailing. Claims wait for each other where the
mailing has a budget only.
"""

from __future__ import annotations

from typing import Final

_LISTING: Final = frozenset({"add_suppression", "import_suppressions", "delete_suppression", "erase_client"})
"""They have the lock of clients for themselves."""
_CLIENTS: Final = _LISTING | {
    "create_client",
    "update_client",
    "delete_client",
    "import_clients",
    "update_clients",
    "delete_clients",
}
_MAILINGS: Final = frozenset({"set_paused", "set_cancelled", "update_mailing", "delete_mailing", "set_archived"})
_SAYING: Final = frozenset({"update_mailing"})
_AUDIENCES: Final = frozenset({"build_audience", "purge"})
_OUTCOMES: Final = frozenset({"record", "release"})
_RECORDERS: Final = _OUTCOMES | {"recover"}
"""They make rows, too, for who waited for an outcome: then they hold the clients."""
_HEARING: Final = frozenset({"record_receipts"})
_SWEEPS: Final = frozenset({"end_pending", "recover"})
_ENGINES: Final = frozenset({"register_engine", "retire_engine", "heartbeat", "turn_clock_back"})
_BREAKDOWNS: Final = frozenset({"build_audience", "purge", "begin_breakdown", "keep"})
_COUNTING: Final = _CLIENTS | _OUTCOMES | _HEARING | _SWEEPS | {"build_audience", "claim"}
_REVISING: Final = (
    (_MAILINGS - {"set_archived"})
    | _ENGINES
    | _AUDIENCES
    | _CLIENTS
    | _HEARING
    | {"create_mailing", "set_control", "claim"}
)

DECLARED: Final[dict[str, tuple[tuple[frozenset[str], frozenset[str]], ...]]] = {
    "advisory": (
        (_AUDIENCES | _RECORDERS, _AUDIENCES | _CLIENTS | _RECORDERS),
        (_CLIENTS, _AUDIENCES | _RECORDERS | _LISTING),
        (_LISTING, _CLIENTS),
        # Who says a filter with messages has the clients for itself.
        (_SAYING, _AUDIENCES | _RECORDERS | _CLIENTS | _SAYING),
        (_AUDIENCES | _RECORDERS | _CLIENTS, _SAYING),
    ),
    "client": ((_CLIENTS, _CLIENTS),),
    "unique client": ((_CLIENTS, _CLIENTS),),
    # SKIP LOCKED: who claims, ends or takes back messages waits for none. But others wait for them.
    "message": (
        (
            _CLIENTS | _OUTCOMES | _HEARING | _AUDIENCES | {"begin"},
            _CLIENTS | _OUTCOMES | _HEARING | _AUDIENCES | _SWEEPS | {"begin", "renew", "claim", "take_back"},
        ),
    ),
    "unique message": ((_CLIENTS | _AUDIENCES, _COUNTING | {"claim", "begin", "renew"}),),
    "told": ((_CLIENTS | _RECORDERS, _CLIENTS | _RECORDERS | {"set_cancelled", "forget_told"}),),
    "unique told": ((_CLIENTS, _CLIENTS),),
    "mailing": (
        # A change that has returned is obeyed by claims that commit later: it waits for those under way.
        # A message that a receipt finds waiting is not cancelled before the receipt is stored.
        (
            _MAILINGS | _HEARING | {"build_audience", "purge"},
            _MAILINGS | _HEARING | {"build_audience", "purge", "claim", "end_pending"},
        ),
        # Of a mailing with a budget one claims after the other.
        (
            frozenset({"claim", "end_pending"}),
            _MAILINGS | _HEARING | {"build_audience", "purge", "claim", "end_pending"},
        ),
    ),
    "mailing_breakdown": ((_BREAKDOWNS, _BREAKDOWNS),),
    "unique mailing_breakdown": ((_BREAKDOWNS, _BREAKDOWNS),),
    "mailing_counters": ((_COUNTING, _COUNTING),),
    "mailing_stat": ((_COUNTING, _COUNTING),),
    "unique mailing_stat": ((_COUNTING, _COUNTING),),
    "control": ((_REVISING, _REVISING),),
    "engine": ((_ENGINES, _ENGINES),),
    # Engines that start together, on a database that has not heard of these providers.
    "unique provider": ((frozenset({"provider_ids"}), frozenset({"provider_ids"})),),
}


def is_declared(table: str, who: str, whom: str) -> bool:
    """Whether this wait is meant."""
    return any(who in waiting and whom in holding for waiting, holding in DECLARED.get(table, ()))
