"""What the mailings of a life say. A text begins with the number of its mailing, so that calls can be told apart; every
second mailing also says the client's tag, which some have not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_HOLE: Final = "{{tag}}"


def text_for(number: int) -> str:
    """The text of a mailing."""
    return f"{number} for {_HOLE}" if number % 2 == 0 else str(number)


def mailing_in(text: str) -> int:
    """The mailing's number in a text, whether as it is written or as it was sent."""
    return int(text.partition(" ")[0])


def sayings(texts: Iterable[str], tags: Iterable[str]) -> set[str]:
    """What may be sent, by these texts of a mailing, to a client with one of these tags."""
    known = [tag for tag in tags if tag]
    return {text.replace(_HOLE, tag) for text in texts for tag in known} | {text for text in texts if _HOLE not in text}
