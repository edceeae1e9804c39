"""What each role sees in the panel, in aiohttp-admin's words. Only buttons depend on it: the engine decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_SEEN: Final = ("dashboard", "mailings", "clients", "messages", "engine", "audit")
_VIEWER: Final = tuple(f"admin.{name}.view" for name in _SEEN)
_OPERATOR: Final = (*_VIEWER, "admin.mailings.*", "admin.clients.*")
_PERMISSIONS: Final = {"viewer": _VIEWER, "operator": _OPERATOR, "admin": ("admin.*",)}


def permissions_of(role: str) -> Sequence[str]:
    """The permissions of a role; of one that is unknown: none."""
    return _PERMISSIONS.get(role, ())
