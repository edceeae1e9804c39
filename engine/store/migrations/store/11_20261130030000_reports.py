"""Daily reports: which are mailed, so that one engine mails each."""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

_SCHEMA = """
CREATE TABLE report (
    day INTEGER NOT NULL PRIMARY KEY,
    due_us BIGINT NOT NULL,
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    sent_us BIGINT,
    recipients_left TEXT,
    CHECK (sent_us IS NULL OR recipients_left IS NULL)
);
"""

_REMOVE = """
DELETE FROM mailing_stat WHERE kind IN ('ended', 'failed');
DROP TABLE report;
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statements that add them."""
    return _SCHEMA


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statements that remove them: a report that was mailed may be mailed once more."""
    return _REMOVE
