"""On PostgreSQL a message's mailing and client are no foreign keys: each row that a mailing's audience gets asked for
both, and locked both, which was half of what it cost to make it (docs/decisions/references.md)."""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

_REMOVE = """
ALTER TABLE message DROP CONSTRAINT message_mailing_id_fkey;
ALTER TABLE message DROP CONSTRAINT message_client_id_fkey;
"""

_ADD = """
ALTER TABLE message ADD CONSTRAINT message_mailing_id_fkey
    FOREIGN KEY (mailing_id) REFERENCES mailing (id) ON DELETE RESTRICT;
ALTER TABLE message ADD CONSTRAINT message_client_id_fkey
    FOREIGN KEY (client_id) REFERENCES client (id) ON DELETE SET NULL;
"""
_NOTHING = "SELECT 1;"


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statements that remove them; SQLite keeps them, they cost little there."""
    return _REMOVE if db.capabilities.dialect == "postgres" else _NOTHING


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statements that make them again."""
    return _ADD if db.capabilities.dialect == "postgres" else _NOTHING
