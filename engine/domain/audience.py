"""Whom a mailing is for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Attribute = str | float | bool
"""A value of a client's attribute; a whole number is an ``int``."""


class AttributeOp(StrEnum):
    """What a condition says of an attribute."""

    ANY_OF = "any_of"
    NONE_OF = "none_of"
    """Holds for a client without the attribute too."""
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    IS_SET = "is_set"
    IS_NOT_SET = "is_not_set"


@dataclass(frozen=True, slots=True)
class AttributeCondition:
    """What a client's attribute must be like."""

    name: str
    op: AttributeOp
    values: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageCondition:
    """What a client's message of another mailing must be like."""

    mailing_id: int
    statuses: tuple[str, ...] = ()
    """As the API names them; empty: any."""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AudienceFilter:
    """What clients must be like, all of it; what is empty does not restrict."""

    tags: tuple[str, ...] = ()
    phone_codes: tuple[str, ...] = ()
    exclude_tags: tuple[str, ...] = ()
    attributes: tuple[AttributeCondition, ...] = ()
    client_ids: tuple[int, ...] = ()
    messages: MessageCondition | None = None

    def matches(self, tag: str, phone_code: str) -> bool:
        """True when a client with this tag and operator code is in the audience."""
        return (not self.tags or tag in self.tags) and (not self.phone_codes or phone_code in self.phone_codes)
