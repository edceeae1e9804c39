"""Which clients match a filter, in SQL, and how many: for a preview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.domain.audience import ORDERED, AttributeCondition, AttributeOp, Audience, AudienceFilter
from engine.domain.routing import ANY_NUMBER, Ranges
from engine.store.attributes import Condition, attribute_condition
from engine.store.cancelled import is_mailing_behind
from engine.store.counters import FINAL
from engine.store.database import Lane, Tx
from engine.store.lifecycle import is_final
from engine.store.routes import part_of
from engine.store.snapshots import NOW_US, check_source, past, was
from engine.store.verbs import Verbs, read

_LOOK_UP_SHARE: Final = 6
"""How many rows can be read in their order for the cost of looking one up by an index."""
_SAMPLE: Final = 1_000
"""Clients: 1 ms."""
_JOINED: Final = {True: "CROSS JOIN", False: "JOIN"}
"""By whether it is SQLite, which has no statistics: a CROSS JOIN is read from left to right."""
MAY_GET: Final = "NOT EXISTS (SELECT 1 FROM suppression AS s WHERE s.phone_number = c.phone_number)"
"""The number of ``client AS c`` is not on the stop list. All that makes messages asks for it, and holds a lock of
clients that excludes changes of the list (``suppressions``)."""


def matching(tx: Tx, filter: AudienceFilter) -> tuple[str, list[Any]]:
    """``AudienceFilter.among`` as a condition on ``client AS c``, with its arguments. What costs least is first."""
    text = tx.dialect.in_list("text")
    lists = (
        (f"c.id {tx.dialect.in_list()}", filter.client_ids),
        (f"c.tag {text}", filter.tags),
        (f"c.phone_code {text}", filter.phone_codes),
        (f"NOT c.tag {text}", filter.exclude_tags),
    )
    conditions = [Condition(sql, [tx.dialect.list_arg(values)]) for sql, values in lists if values]
    ordered = sorted(filter.attributes, key=lambda each: each.op in ORDERED)  # these read JSON
    conditions += [attribute_condition(tx.dialect, each) for each in ordered]
    sql = " AND ".join(["TRUE", *(each.sql for each in conditions)])
    return sql, [arg for each in conditions for arg in each.args]


async def matching_unsent(tx: Tx, filter: AudienceFilter, unsent_of: int | None) -> tuple[str, list[Any]]:
    """``matching``, with what the messages of another mailing are like now, but for those who have a final message of
    that mailing; ``None``: of none."""
    condition, args = matching(tx, filter)
    if filter.messages is not None:
        behind = await is_mailing_behind(tx, filter.messages.mailing_id)
        those = was(filter.messages, NOW_US, behind=behind)
        them = f"SELECT past.client_id FROM {past(tx, filter.messages, behind=behind)} WHERE {those}"
        condition = f"c.id IN ({them}) AND {condition}"
    if unsent_of is None or not await _has_final(tx, unsent_of):
        return condition, args
    final = f"SELECT 1 FROM message AS m WHERE m.client_id = c.id AND m.mailing_id = ? AND {is_final('m')}"
    return f"{condition} AND NOT EXISTS ({final})", [*args, unsent_of]


class MatchingVerbs(Verbs):
    """The size of an audience, and what nobody can match."""

    @read(Lane.LONG)
    async def unknown_attributes(self, tx: Tx, names: Sequence[str]) -> set[str]:
        """Those of the names that no client has an attribute of."""
        found = set()
        for name in names:
            is_set = attribute_condition(tx.dialect, AttributeCondition(name, AttributeOp.IS_SET))
            if not await _is_met(tx, is_set):
                found.add(name)
        return found

    @read(Lane.API)
    async def check_filter(self, tx: Tx, filter: AudienceFilter, mailing_id: int | None = None) -> None:
        """See ``check_source``."""
        await check_source(tx, filter, mailing_id)

    @read(Lane.LONG)
    async def audience_by_zone(
        self,
        tx: Tx,
        filter: AudienceFilter,
        *,
        by_zone: bool = True,
        unsent_of: int | None = None,
        parts: Sequence[Ranges] = (ANY_NUMBER,),
    ) -> Audience:
        """How many clients match now.

        Args:
            by_zone: each counts in its time zone; else all as if they were in UTC, which is cheaper.
            unsent_of: without those who have a final message of that mailing.
            parts: of the numbers, to be counted apart. All numbers as one part is cheaper.
        """
        condition, args = await matching_unsent(tx, filter, unsent_of)
        part = part_of(parts)
        keys = ["1"] * by_zone + ["2"] * (not part.isdigit())
        grouped = f"GROUP BY {', '.join(keys)}" if keys else ""
        zone = "c.time_zone" if by_zone else "'UTC'"
        count = f"SELECT {zone}, {part}, count(*) FROM"
        access = await _access(tx, filter, asks_numbers=not part.isdigit())
        matches = await tx.rows(f"{count} client AS c {access} WHERE {condition} {grouped}", *args)
        # Those on the stop list are few: to look each of them up is cheaper than to look up each client's number.
        listed = f"suppression AS s {_JOINED[tx.dialect.is_sqlite]} client AS c ON c.phone_number = s.phone_number"
        rows = await tx.rows(f"{count} {listed} WHERE {condition} {grouped}", *args)
        suppressed: dict[tuple[str, int], int] = {(zone, part): number for zone, part, number in rows}
        groups = {(zone, part): number - suppressed.get((zone, part), 0) for zone, part, number in matches}
        return Audience({group: number for group, number in groups.items() if number}, sum(suppressed.values()))


async def _is_met(tx: Tx, condition: Condition) -> bool:
    """Whether a client is so. PostgreSQL answers a question with a LIMIT by one process alone, and has several count:
    so it looks at some clients, which will do nearly always, and then counts among all."""
    if tx.dialect.is_sqlite:
        return await tx.row(f"SELECT 1 FROM client AS c WHERE {condition.sql} LIMIT 1", *condition.args) is not None
    for source in (f"(SELECT attributes FROM client ORDER BY id LIMIT {_SAMPLE})", "client"):
        if await tx.value(f"SELECT count(*) FROM {source} AS c WHERE {condition.sql}", *condition.args):
            return True
    return False


async def _access(tx: Tx, filter: AudienceFilter, *, asks_numbers: bool) -> str:
    """How SQLite should count an audience. It has no statistics: by an index of one condition it would look up each
    row for the other one, 431 ms for all of 300,000 clients, which one after the other take 92. So it is for the
    number, if that is asked for; if nothing else is, there is an index of the numbers alone."""
    if not tx.dialect.is_sqlite or filter.client_ids or filter.messages is not None:
        return ""
    listed = {"client_tag": ("tag", filter.tags), "client_phone_code": ("phone_code", filter.phone_codes)}
    listed = {index: (column, values) for index, (column, values) in listed.items() if values}
    beyond = bool(filter.attributes or (filter.exclude_tags and not filter.tags) or (listed and asks_numbers))
    if len(listed) + beyond < 2:
        return "NOT INDEXED" if beyond else ""  # one condition is counted in its index alone: 12 ms
    sizes = {
        index: await tx.value(
            f"SELECT count(*) FROM (SELECT 1 FROM client {tx.dialect.indexed_by(index)}"
            f" WHERE {column} {tx.dialect.in_list('text')} LIMIT (SELECT count(*) / {_LOOK_UP_SHARE} FROM client))",
            tx.dialect.list_arg(values),
        )
        for index, (column, values) in listed.items()
    }
    best = min(sizes, key=lambda index: int(sizes[index]))
    most = await tx.value(f"SELECT count(*) / {_LOOK_UP_SHARE} FROM client")
    return "NOT INDEXED" if sizes[best] >= most else tx.dialect.indexed_by(best)


async def _has_final(tx: Tx, mailing_id: int) -> bool:
    return await tx.row(f"SELECT 1 FROM mailing_counters WHERE mailing_id = ? AND {FINAL} > 0", mailing_id) is not None
