"""Which messages of a mailing an earlier filter has made: those up to this id.

A column with a constant default: no row of a mailing is written.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statement that adds it."""
    return "ALTER TABLE mailing ADD COLUMN audience_after_id BIGINT NOT NULL DEFAULT 0;"


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statement that removes it."""
    return "ALTER TABLE mailing DROP COLUMN audience_after_id;"
