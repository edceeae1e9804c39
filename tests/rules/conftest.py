"""A PostgreSQL for the rules that need one."""

from __future__ import annotations

from tests.store.conftest import postgres_url

__all__ = ["postgres_url"]
