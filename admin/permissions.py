"""What each role sees in the panel, in aiohttp-admin's words. Only buttons depend on it: the engine decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from gateway.http.admission import Role

_SEEN: Final = ("dashboard", "mailings", "clients", "messages", "suppressions", "engine", "audit")
_VIEWER: Final = tuple(f"admin.{name}.view" for name in _SEEN)
_OPERATOR: Final = (*_VIEWER, "admin.mailings.*", "admin.clients.*", "admin.suppressions.*")
_PERMISSIONS: Final[Mapping[Role, Sequence[str]]] = {"viewer": _VIEWER, "operator": _OPERATOR, "admin": ("admin.*",)}


def permissions_of(role: str) -> Sequence[str]:
    """The permissions of a role; of one that is unknown: none."""
    return next((patterns for known, patterns in _PERMISSIONS.items() if known == role), ())


def least_role(permission: str) -> Role:
    """The least role that has a permission."""
    return next(
        role for role, patterns in _PERMISSIONS.items() if any(fnmatchcase(permission, each) for each in patterns)
    )
