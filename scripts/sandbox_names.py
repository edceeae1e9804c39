"""The names, paths and tokens of the sandbox's providers: for itself, and for who calls it without importing it."""

from __future__ import annotations

from typing import Final

NAMES: Final = ("alpha", "beta", "gamma")
"""In their order; a sandbox with one provider has the first."""
DEFAULT_TOKEN: Final = "sandbox-token"
"""What the first one accepts when it isn't told otherwise: no secret."""


def base_of(nth: int) -> str:
    """What the paths of a provider begin with; the first one's are those of a sandbox with one provider."""
    return f"/{NAMES[nth]}" if nth else ""


def token_of(nth: int, token: str = DEFAULT_TOKEN) -> str:
    """A provider's token; ``token``: the first one's. Each has another, so that mixed up ones are found."""
    return f"{token}-{NAMES[nth]}" if nth else token
