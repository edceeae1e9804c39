"""Who is calling."""

from __future__ import annotations

from engine.api.interceptors import Context
from engine.store.rows import Actor


def caller(context: Context) -> Actor:
    """The caller, for the audit list. Until there are accounts everybody is ``local``."""
    return Actor(peer=context.peer())
