"""Breakdowns of large mailings are kept, and the counters say how often a mailing's messages have changed.

A new table and a column with a constant default: no row is written. What is there already is counted in the background.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

_SCHEMA = """
ALTER TABLE mailing_counters ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
CREATE TABLE mailing_breakdown (
    mailing_id BIGINT NOT NULL PRIMARY KEY REFERENCES mailing (id) ON DELETE CASCADE,
    read_us BIGINT NOT NULL,
    revision BIGINT,
    built_to BIGINT,
    busy_until_us BIGINT NOT NULL DEFAULT 0,
    data TEXT
);
"""

_REMOVE = """
DROP TABLE mailing_breakdown;
ALTER TABLE mailing_counters DROP COLUMN revision;
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statements that add them."""
    return _SCHEMA


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statements that remove them: everything in them can be counted again."""
    return _REMOVE
