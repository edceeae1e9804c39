"""Mailings that are archived. A column that may be NULL costs no writing of rows on either database."""

from __future__ import annotations

from tortoise import BaseDBAsyncClient


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statement that adds the column."""
    return "ALTER TABLE mailing ADD COLUMN archived_us BIGINT;"


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statement that removes it: what was archived is in the lists again."""
    return "ALTER TABLE mailing DROP COLUMN archived_us;"
