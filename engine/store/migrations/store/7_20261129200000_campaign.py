"""Attributes of clients, names and kinds of audiences of mailings, texts that went out, and the stop list.

No row of a client or a message is written: constant defaults cost nothing on SQLite and PostgreSQL (since 11). SQLite
can't change a check of a table without copying the table, so the check of the reasons is rewritten where SQLite keeps
the statement; SQLite's page about ALTER TABLE recommends the way, for changes that no stored row depends on.
"""

from __future__ import annotations

from tortoise import BaseDBAsyncClient

_REASONS = {
    "sqlite": """
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, 'reason BETWEEN 1 AND {old}', 'reason BETWEEN 1 AND {new}')
    WHERE type = 'table' AND name = 'message';
PRAGMA writable_schema = RESET;
""",
    "postgres": """
ALTER TABLE message DROP CONSTRAINT message_reason_check;
ALTER TABLE message ADD CONSTRAINT message_reason_check CHECK (reason BETWEEN 1 AND {new});
""",
}
_JSON = {
    "sqlite": "json_object('tags', json(filter_tags), 'phone_codes', json(filter_phone_codes))",
    "postgres": "json_build_object('tags', filter_tags::json, 'phone_codes', filter_phone_codes::json)::text",
}
_LISTS = {
    "sqlite": "filter_tags = audience_filter -> '$.tags', filter_phone_codes = audience_filter -> '$.phone_codes'",
    "postgres": "filter_tags = audience_filter::json ->> 'tags',"
    " filter_phone_codes = audience_filter::json ->> 'phone_codes'",
}

_SCHEMA = """
ALTER TABLE client ADD COLUMN attributes TEXT NOT NULL DEFAULT '{{}}';

ALTER TABLE mailing ADD COLUMN name VARCHAR(100) NOT NULL DEFAULT '' CHECK (length(name) <= 100);
ALTER TABLE mailing ADD COLUMN audience_filter TEXT NOT NULL DEFAULT '{{}}';
ALTER TABLE mailing ADD COLUMN audience_fixed BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE mailing ADD COLUMN audience_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mailing ADD COLUMN audience_kept BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE mailing SET audience_us = create_us, audience_filter = {json};
ALTER TABLE mailing DROP COLUMN filter_tags;
ALTER TABLE mailing DROP COLUMN filter_phone_codes;

ALTER TABLE mailing_counters ADD COLUMN suppressed BIGINT NOT NULL DEFAULT 0 CHECK (suppressed >= 0);
ALTER TABLE mailing_counters ADD COLUMN incomplete BIGINT NOT NULL DEFAULT 0 CHECK (incomplete >= 0);
{reasons}
ALTER TABLE message ADD COLUMN rendered TEXT;

CREATE TABLE suppression (
    phone_number BIGINT NOT NULL PRIMARY KEY,
    reason SMALLINT NOT NULL CHECK (reason BETWEEN 1 AND 4),
    note TEXT NOT NULL,
    source VARCHAR(64) NOT NULL,
    create_us BIGINT NOT NULL
);
"""

_REMOVE = """
DROP TABLE suppression;
ALTER TABLE message DROP COLUMN rendered;
{reasons}
ALTER TABLE mailing_counters DROP COLUMN incomplete;
ALTER TABLE mailing_counters DROP COLUMN suppressed;
ALTER TABLE mailing ADD COLUMN filter_tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE mailing ADD COLUMN filter_phone_codes TEXT NOT NULL DEFAULT '[]';
UPDATE mailing SET {lists};
ALTER TABLE mailing DROP COLUMN audience_kept;
ALTER TABLE mailing DROP COLUMN audience_us;
ALTER TABLE mailing DROP COLUMN audience_fixed;
ALTER TABLE mailing DROP COLUMN audience_filter;
ALTER TABLE mailing DROP COLUMN name;
ALTER TABLE client DROP COLUMN attributes;
"""


async def upgrade(db: BaseDBAsyncClient) -> str:
    """The statements that add them."""
    kind = db.capabilities.dialect
    return _SCHEMA.format(json=_JSON[kind], reasons=_REASONS[kind].format(old=4, new=6))


async def downgrade(db: BaseDBAsyncClient) -> str:
    """The statements that remove them. They fail where a message has one of the new reasons."""
    kind = db.capabilities.dialect
    return _REMOVE.format(lists=_LISTS[kind], reasons=_REASONS[kind].format(old=6, new=4))
