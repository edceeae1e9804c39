"""The texts that mailings have and had. A message names the version that it went out with (docs/behaviour.md)."""

from __future__ import annotations

from collections.abc import Mapping

from engine.store.database import Tx
from engine.store.rendered import text_that_went_out
from engine.store.rows import MessageRow, TextRow


async def keep_text(tx: Tx, mailing_id: int, now_us: int) -> None:
    """Note the text of a new mailing as its first version."""
    await tx.run(
        "INSERT INTO mailing_text (mailing_id, version, text, create_us)"
        " SELECT id, text_version, text, CAST(? AS bigint) FROM mailing WHERE id = ?",
        now_us,
        mailing_id,
    )


async def keep_new_text(tx: Tx, mailing_id: int, now_us: int) -> None:
    """Note the text, which was just changed, as the next version."""
    await tx.run("UPDATE mailing SET text_version = text_version + 1 WHERE id = ?", mailing_id)
    await keep_text(tx, mailing_id, now_us)


async def all_texts(tx: Tx, mailing_id: int, sent: Mapping[int, int]) -> tuple[TextRow, ...]:
    """Each text of a mailing, the first one first; ``sent``: messages by version."""
    rows = await tx.rows(
        "SELECT version, create_us, text FROM mailing_text WHERE mailing_id = ? ORDER BY version", mailing_id
    )
    return tuple(TextRow(version, create_us, text, sent.get(version, 0)) for version, create_us, text in rows)


async def text_of(tx: Tx, message: MessageRow) -> str:
    """The text that a message went out with; of one that is pending or was never called, the mailing's text now, and of
    one whose client was deleted, the mailing's text: in both placeholders stand as they are written."""
    version = message.text_version if message.status.is_final else None
    text: str
    rendered: str | None
    ((text, rendered),) = await tx.rows(
        "SELECT coalesce((SELECT t.text FROM mailing_text AS t WHERE t.mailing_id = m.id AND t.version = ?), m.text),"
        " (SELECT rendered FROM message WHERE id = ?) FROM mailing AS m WHERE m.id = ?",
        *(version, message.id, message.mailing_id),
    )
    return text if version is None else text_that_went_out(text, rendered, message.phone_number)
