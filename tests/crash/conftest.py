"""What tests with real processes share."""

from __future__ import annotations

from tests.store.conftest import postgres_url

__all__ = ["postgres_url"]
