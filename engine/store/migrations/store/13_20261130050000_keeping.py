"""Mailings whose messages are removed for their age.

A column that may be NULL and a constant default: no row is written.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

_SCHEMA = """
ALTER TABLE mailing ADD COLUMN details_removed_us BIGINT;
ALTER TABLE mailing ADD COLUMN details_leaving BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX mailing_details ON mailing (end_us) WHERE deleted_us IS NULL AND details_removed_us IS NULL;
CREATE INDEX mailing_leaving ON mailing (id) WHERE details_leaving;
"""

_REMOVE = """
DROP INDEX mailing_leaving;
DROP INDEX mailing_details;
ALTER TABLE mailing DROP COLUMN details_leaving;
ALTER TABLE mailing DROP COLUMN details_removed_us;
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statements that add the marks."""
    return _SCHEMA


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statements that remove them: a recount then takes what was removed for what never was."""
    return _REMOVE
