"""Two-step sign-in: a secret that an account shares with an authenticator app, and recovery codes.

Columns with a constant default: no row of an account is written.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

_SCHEMA = """
ALTER TABLE account ADD COLUMN totp_secret TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN totp_pending TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN totp_us BIGINT;
CREATE TABLE recovery_code (
    code_hash VARCHAR(64) NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE
);
CREATE INDEX recovery_code_account ON recovery_code (account_id);
"""

_REMOVE = """
DROP TABLE recovery_code;
ALTER TABLE account DROP COLUMN totp_us;
ALTER TABLE account DROP COLUMN totp_step;
ALTER TABLE account DROP COLUMN totp_pending;
ALTER TABLE account DROP COLUMN totp_secret;
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statements that add them."""
    return _SCHEMA


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statements that remove them: a password is enough again."""
    return _REMOVE
