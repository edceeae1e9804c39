"""Whom a mailing is for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AudienceFilter:
    """Two lists that a client must both be in; an empty one does not restrict."""

    tags: tuple[str, ...] = ()
    phone_codes: tuple[str, ...] = ()

    def matches(self, tag: str, phone_code: str) -> bool:
        """True when a client with this tag and operator code is in the audience."""
        return (not self.tags or tag in self.tags) and (not self.phone_codes or phone_code in self.phone_codes)
