"""Accounts of people for whom somebody else vouches (OpenID Connect). Constant defaults: no row is written."""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

_ADD = """
ALTER TABLE account ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN subject TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX account_subject ON account (issuer, subject) WHERE issuer <> '';
CREATE TABLE oidc_nonce (
    nonce_hash VARCHAR(64) NOT NULL PRIMARY KEY,
    expire_us BIGINT NOT NULL
);
"""

_REMOVE = """
DROP TABLE oidc_nonce;
DELETE FROM session WHERE account_id IN (SELECT id FROM account WHERE issuer <> '');
UPDATE account SET revoke_us = create_us WHERE issuer <> '' AND revoke_us IS NULL;
DROP INDEX account_subject;
ALTER TABLE account DROP COLUMN subject;
ALTER TABLE account DROP COLUMN issuer;
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statements that add them."""
    return _ADD


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statements that remove them: nobody could sign in with such an account any more, so it is revoked."""
    return _REMOVE
