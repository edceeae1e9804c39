"""Attributes and tags that show nothing, such as a text of spaces, become empty ones: see ``engine.domain.attributes``.

The attributes of each client are read once, by the database; rows come here only where a value begins like one that
may show nothing, and are written only where it shows nothing.
"""

from __future__ import annotations

from typing import Final

from tortoise import BaseDBAsyncClient

from common.shown import UNSEEN, shows
from engine.domain.attributes import attributes_of, attributes_text

_BLOCK_ROWS: Final = 1_000
_UNSEEN: Final = UNSEEN.removeprefix("\x00-")
"""In JSON no other control character below the space stands as it is, but with a backslash before it."""
_SQLITE: Final = f"(attributes GLOB '*\":\"[{_UNSEEN}]*' OR attributes GLOB '*\":\"\\[bfnrtu]*')"
_POSTGRES: Final = f"attributes ~ '\":\"([{_UNSEEN}]|\\\\[bfnrtu])'"


async def upgrade(db: BaseDBAsyncClient) -> str:
    """Write them; there is no statement to add."""
    is_sqlite = db.capabilities.dialect == "sqlite"
    one, two = ("?", "?") if is_sqlite else ("$1", "$2")
    found, after = _SQLITE if is_sqlite else _POSTGRES, 0
    sql = f"SELECT id, attributes FROM client WHERE id > {one} AND {found} ORDER BY id LIMIT {_BLOCK_ROWS}"
    while rows := await db.execute_query_dict(sql, [after]):
        after = rows[-1]["id"]
        for row in rows:
            text = attributes_text(attributes_of(row["attributes"]))
            if text != row["attributes"]:
                await db.execute_query(f"UPDATE client SET attributes = {one} WHERE id = {two}", [text, row["id"]])
    for row in await db.execute_query_dict("SELECT DISTINCT tag FROM client WHERE tag <> ''"):
        if not shows(row["tag"]):
            await db.execute_query(f"UPDATE client SET tag = '' WHERE tag = {one}", [row["tag"]])
    return "SELECT 1;"


async def downgrade(db: BaseDBAsyncClient) -> str:
    """What they were is not known, and an empty one means the same."""
    return "SELECT 1;"
