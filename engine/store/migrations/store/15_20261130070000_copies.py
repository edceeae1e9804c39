"""Whether a database is a copy of another one, and since when it sends nothing for it.

Columns that may be NULL and a constant default: no row is written.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

_SCHEMA = """
ALTER TABLE control ADD COLUMN held_us BIGINT;
ALTER TABLE control ADD COLUMN copied_us BIGINT;
ALTER TABLE control ADD COLUMN home TEXT NOT NULL DEFAULT '';
"""

_REMOVE = """
ALTER TABLE control DROP COLUMN home;
ALTER TABLE control DROP COLUMN copied_us;
ALTER TABLE control DROP COLUMN held_us;
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statements that add them."""
    return _SCHEMA


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statements that remove them: a copy that is held is then one that is paused."""
    return _REMOVE
