"""What may not be called any more, and since when: the changes that have returned."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.arrivals import Call

_TEXT: Final = re.compile(r"mailing (\d+) version (\d+)")


def text_of(mailing: int, version: int) -> str:
    """Tells which mailing a call is for, and with which of its texts."""
    return f"mailing {mailing} version {version}"


@dataclass(slots=True)
class Ban:
    """From one time to another; to the end of all times, unless it is lifted."""

    why: str
    since: float
    until: float = float("inf")


@dataclass
class Bans:
    """All of them, by what they are about."""

    phones: dict[int, list[Ban]] = field(default_factory=lambda: defaultdict(list))
    mailings: dict[int, list[Ban]] = field(default_factory=lambda: defaultdict(list))
    versions: dict[tuple[int, int], list[Ban]] = field(default_factory=lambda: defaultdict(list))
    """By mailing and version of the text."""
    pairs: dict[tuple[int, int], list[Ban]] = field(default_factory=lambda: defaultdict(list))
    """By phone and mailing."""

    def broken_by(self, call: Call) -> str:
        """Why this call should not have begun; empty: it was allowed."""
        match = _TEXT.fullmatch(call.text)
        if match is None:
            return f"an unknown text: {call.text!r}"
        mailing, version = int(match[1]), int(match[2])
        for ban in self._about(call.phone, mailing, version):
            if ban.since < call.at < ban.until:
                late = call.at - ban.since
                return f"{ban.why}, {late:.3f} s before (engine {call.engine}, message {call.message_id})"
        return ""

    def _about(self, phone: int, mailing: int, version: int) -> Iterator[Ban]:
        yield from self.phones.get(phone, ())
        yield from self.mailings.get(mailing, ())
        yield from self.versions.get((mailing, version), ())
        yield from self.pairs.get((phone, mailing), ())
