"""What an OpenID Connect provider says of a person (claims), and what it makes of them here: a name and a role."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.domain.access import NAME_LENGTH_MAX, Role

SUBJECT_LENGTH_MAX: Final = 255
"""OpenID Connect Core 1.0, section 2."""
_NAMES: Final = ("preferred_username", "email", "name", "sub")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._@-]+")
_NOBODY_S_NAME: Final = "person"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody for whom an issuer vouches. Issuer and subject together are always the same person."""

    issuer: str
    subject: str
    name: str
    """What the account is called if it is new and nobody else has the name."""
    role: Role | None
    """``None``: nothing that is said of the person gives a role."""


def person_of(claims: Mapping[str, Any], issuer: str, role_claim: str, roles: Mapping[str, Role]) -> Person:
    """Read the claims of a token that has been verified; ``roles``: by the values of ``role_claim``."""
    return Person(issuer, str(claims["sub"]), name_of(claims), role_of(claims, role_claim, roles))


def role_of(claims: Mapping[str, Any], role_claim: str, roles: Mapping[str, Role]) -> Role | None:
    """The highest role that a value of the claim stands for; ``None``: none does."""
    found = [roles[value] for value in _values(claim_at(claims, role_claim)) if value in roles]
    return max(found, default=None)


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of this name, else what lies at the path (``realm_access.roles``); ``None``: there is nothing."""
    if path in claims:  # names may have dots: https://mailing.example/roles
        return claims[path]
    found: Any = claims
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _values(claim: Any) -> Iterator[str]:
    """A text is one value; of a list those that are texts."""
    for each in claim if isinstance(claim, list) else [claim]:
        if isinstance(each, str):
            yield each


def name_of(claims: Mapping[str, Any]) -> str:
    """What to call the person in lists: letters, digits and ``. _ @ -``."""
    for key in _NAMES:
        said = claims.get(key)
        if isinstance(said, str) and (name := _NOT_IN_NAMES.sub("", said)):
            return name[:NAME_LENGTH_MAX]
    return _NOBODY_S_NAME


def numbered_name(name: str, number: int) -> str:
    """The name for the ``number``th who would have it, from 1 on: ``anna``, ``anna-2``."""
    ending = "" if number == 1 else f"-{number}"
    return name[: NAME_LENGTH_MAX - len(ending)] + ending
