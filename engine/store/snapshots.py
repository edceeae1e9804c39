"""``filter.messages``: clients whose message of another mailing was so when the filter was said.

Nothing is copied: a message has when it came and when it became final, so what it was at a time follows from its row.
A client that has its message of the mailing here meets the condition until the filter is edited, whatever becomes of
the other mailing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from common.error_codes import ErrorCode
from engine.domain.audience import AudienceFilter, MessageCondition
from engine.domain.errors import Conflict, FieldError, InvalidInput
from engine.domain.message import Reason
from engine.domain.receipt import NO_RECEIPT
from engine.store.cancelled import REASONS, ended_us, is_behind, is_mailing_behind
from engine.store.counters import FINAL, NOT_SENT
from engine.store.database import Tx
from engine.store.lifecycle import any_reason, delivery_is, is_final, shown_as
from engine.store.mailing_rows import filter_of

_FIELD: Final = "filter.messages.mailing_id"
NOW_US: Final = 2**62
"""For ``was``: as it is now."""
_LISTED_MAX: Final = 50_000
"""Of a mailing with more messages that come into question, clients are not listed for each chunk anew: all clients are
walked, and each one's message is looked up."""


def was(condition: MessageCondition, at_us: int, *, behind: bool) -> str:
    """The condition that ``message AS past`` is of that mailing and was so at the time. ``behind``: the mailing is
    cancelled, and its rows have not followed yet."""
    final = f"{is_final('past')} AND coalesce(past.finished_us, 0) <= {int(at_us)}"
    reasons = ", ".join(str(int(reason)) for reason in Reason if reason.public in condition.reasons)
    statuses = set(condition.statuses) or {"pending", "sent", "not_sent"}
    if condition.reasons:
        statuses &= {"not_sent"}
    if condition.delivery:
        statuses &= {"sent", "not_sent"}
    heard = _heard(condition, at_us)
    of_mailing = f"past.mailing_id = {int(condition.mailing_id)}"
    late = _late(condition, at_us) if behind else "FALSE"
    if statuses == {"not_sent"}:  # in the words of the index message_not_sent
        of_reason = f"past.reason IN {f'({reasons})' if reasons else any_reason()}"
        in_row = f"{shown_as('not_sent', 'past')} AND {of_reason} AND {heard} AND {final}"
        return f"{of_mailing} AND ({in_row} OR {late})" if behind else f"{of_mailing} AND {in_row}"
    said = {
        "pending": f"(past.create_us <= {int(at_us)} AND NOT ({final}) AND NOT {late})",
        "sent": f"({shown_as('sent', 'past')} AND {heard} AND {final})",
        "not_sent": f"({shown_as('not_sent', 'past')} AND {heard} AND {final} OR {late})",
    }
    return f"{of_mailing} AND ({' OR '.join(said[status] for status in sorted(statuses)) or 'FALSE'})"


def _late(condition: MessageCondition, at_us: int) -> str:
    """That ``message AS past`` had ended with a cancel, in the way that is meant, and waits by its row."""
    kinds = {
        unsure for reason, unsure in REASONS.items() if not condition.reasons or reason.public in condition.reasons
    }
    if condition.delivery or not kinds:
        return "FALSE"
    kind = "TRUE" if len(kinds) > 1 else "past.unsure" if True in kinds else "NOT past.unsure"
    return f"({is_behind('past')} AND {kind} AND {ended_us('past')} <= {int(at_us)})"


def _heard(condition: MessageCondition, at_us: int) -> str:
    """That is what receipts had said of ``message AS past`` at the time."""
    if not condition.delivery:
        return "TRUE"
    by_then = f"past.heard_us <= {int(at_us)}"
    said = [f"({delivery_is(word, 'past')} AND {by_then})" for word in condition.delivery if word != NO_RECEIPT]
    if NO_RECEIPT in condition.delivery:
        said.append(f"({shown_as('sent', 'past')} AND NOT coalesce({by_then}, FALSE))")
    return f"({' OR '.join(said)})"


def past(tx: Tx, condition: MessageCondition, *, behind: bool) -> str:
    """``message AS past`` for ``FROM``, where the clients are to be found by it; ``behind`` as for ``was``."""
    only_not_sent = bool(condition.reasons) or set(condition.statuses) == {"not_sent"}
    named = "not_sent" in condition.statuses or not condition.statuses
    index = "message_not_sent" if only_not_sent and named and not behind else "message_mailing"
    return f"message AS past {tx.dialect.indexed_by(index)}"


async def met(tx: Tx, mailing_id: int, condition: MessageCondition, at_us: int, after_id: int) -> str:
    """The condition that ``client AS c`` had such a message then, or has one of this mailing beyond ``after_id``: an
    earlier filter has made those up to it. One that an engine has, and that is to go, does not count."""
    was_so = was(condition, at_us, behind=await is_mailing_behind(tx, condition.mailing_id))
    then = f"SELECT 1 FROM message AS past WHERE past.client_id = c.id AND {was_so}"
    mine = f"SELECT 1 FROM message AS mine WHERE mine.client_id = c.id AND mine.mailing_id = {int(mailing_id)}"
    mine += " AND NOT mine.stale"
    mine += f" AND mine.id > {int(after_id)}"
    return f"(EXISTS ({then}) OR EXISTS ({mine}))"


async def meeting(
    tx: Tx, mailing_id: int, condition: MessageCondition, at_us: int, client_ids: Collection[int]
) -> set[int]:
    """Those of the clients who had such a message then, or have one of this mailing."""
    condition_met = await met(tx, mailing_id, condition, at_us, 0)
    rows = await tx.rows(
        f"SELECT c.id FROM client AS c WHERE c.id {tx.dialect.in_list()} AND {condition_met}",
        tx.dialect.list_arg(client_ids),
    )
    return {row[0] for row in rows}


async def next_clients(tx: Tx, condition: MessageCondition, at_us: int, after: int, limit: int) -> list[int] | None:
    """The next clients, by id, who had such a message; ``None``: they may be too many to be listed for each chunk."""
    only_not_sent = condition.reasons or condition.statuses == ("not_sent",)
    behind = await is_mailing_behind(tx, condition.mailing_id)
    number = NOT_SENT if only_not_sent and not behind else f"pending + {FINAL}"
    many = f"SELECT 1 FROM mailing_counters WHERE mailing_id = ? AND {number} > {_LISTED_MAX}"
    if await tx.row(many, condition.mailing_id) is not None:
        return None
    which = was(condition, at_us, behind=behind)
    rows = await tx.rows(
        f"SELECT past.client_id FROM {past(tx, condition, behind=behind)} WHERE {which} AND past.client_id > ?"
        " ORDER BY past.client_id LIMIT ?",
        after,
        limit,
    )
    return [row[0] for row in rows]


async def is_asked(tx: Tx, mailing_id: int) -> bool:
    """Whether an audience is being made of the messages of this mailing, so that they are needed still."""
    rows = await tx.rows(
        "SELECT audience_filter FROM mailing"
        " WHERE NOT audience_ready AND NOT audience_kept AND cancelled_us IS NULL AND deleted_us IS NULL"
    )
    conditions = [filter_of(row[0]).messages for row in rows]
    return any(each is not None and each.mailing_id == mailing_id for each in conditions)


async def check_source(tx: Tx, filter: AudienceFilter, mailing_id: int | None = None) -> None:
    """Look whether there is the mailing that a filter names.

    Args:
        mailing_id: whose filter it is; ``None``: a new mailing's.

    Raises:
        InvalidInput: there is none, it is deleted, its messages are removed, or it is the filter's own.
        Conflict: its messages are still being made, so who has one is not known yet.
    """
    if filter.messages is None:
        return
    source = filter.messages.mailing_id
    if source == mailing_id:
        raise InvalidInput([FieldError(_FIELD, ErrorCode.OWN_MESSAGES.format())])
    row = await tx.row(
        "SELECT audience_ready OR cancelled_us IS NOT NULL, details_removed_us IS NOT NULL FROM mailing"
        " WHERE id = ? AND deleted_us IS NULL",
        source,
    )
    if row is None:
        raise InvalidInput([FieldError(_FIELD, ErrorCode.NO_SUCH_MAILING.format(id=source))])
    if row[1]:
        raise InvalidInput([FieldError(_FIELD, ErrorCode.MESSAGES_REMOVED.format(id=source))])
    if not row[0]:
        raise Conflict(ErrorCode.MESSAGES_BEING_MADE.format(id=source), field=_FIELD)
