"""Unknown outcomes, and the latest time that was seen.

Of messages from before nobody knows any more which attempts had no complete answer; those that the engine's death
cut off are in the history.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

_SCHEMA = """
ALTER TABLE message ADD COLUMN unsure BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE message SET unsure = TRUE WHERE status <= 2 AND id IN (SELECT message_id FROM attempt WHERE lost);
CREATE INDEX message_unsure ON message (mailing_id, id) WHERE status = 0 AND unsure;
ALTER TABLE control ADD COLUMN clock_us BIGINT NOT NULL DEFAULT 0;
"""

_REMOVAL = """
DROP INDEX message_unsure;
ALTER TABLE message DROP COLUMN unsure;
ALTER TABLE control DROP COLUMN clock_us;
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statements that add them."""
    return _SCHEMA


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statements that remove them."""
    return _REMOVAL
