"""When an edit decided an audience: who came before it, and was not looked at yet, is in it. A constant default: no row
is written."""

from __future__ import annotations

from tortoise import BaseDBAsyncClient


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statement that adds it."""
    return "ALTER TABLE mailing ADD COLUMN decided_us BIGINT NOT NULL DEFAULT 0;"


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statement that removes it."""
    return "ALTER TABLE mailing DROP COLUMN decided_us;"
