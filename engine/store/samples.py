"""Some of an audience, to see what texts they would get, and how many of it lack what a text asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.domain.audience import AudienceFilter
from engine.domain.routing import ANY_NUMBER, Ranges
from engine.domain.template import PHONE_NUMBER, TAG, Template
from engine.person import Person
from engine.store.attributes import Condition, shown_as
from engine.store.database import Lane, Tx
from engine.store.dialect import Dialect
from engine.store.matching import MAY_GET, matching_unsent
from engine.store.routes import in_ranges
from engine.store.verbs import Verbs, read


@dataclass(frozen=True, slots=True)
class AudienceSample:
    """What is known of an audience's texts."""

    people: tuple[tuple[int, Person], ...]
    """Clients (by id) in the order of their ids: all of them, or one in so many, or all who lack nothing."""
    clients: int = 0
    """How many there are; not counted for a text that is the same for everyone."""
    lacking: int = 0
    """How many of them lack something that the text asks for."""
    having: Mapping[str, int] = field(default_factory=dict)
    """By name in the text: how many have it."""


class SampleVerbs(Verbs):
    """A verb for previews."""

    @read(Lane.LONG)
    async def audience_sample(
        self,
        tx: Tx,
        filter: AudienceFilter,
        template: Template,
        *,
        limit: int,
        unsent_of: int | None = None,
        ranges: Ranges = ANY_NUMBER,
    ) -> AudienceSample:
        """Look at clients who match now and may get a text.

        Args:
            limit: some so many of them are brought. Which ones does not depend on what they are like, unless at most so
                many lack nothing: then all those are brought, and nobody else.
            unsent_of: without those who have a final message of that mailing.
            ranges: only those who have one of these numbers; there must be some.
        """
        condition, args = await matching_unsent(tx, filter, unsent_of)
        within = "" if ranges == ANY_NUMBER else f" AND {in_ranges(ranges)}"
        condition = f"FROM client AS c WHERE {condition}{within} AND {MAY_GET}"
        if not template.is_personal:
            return AudienceSample(await _people(tx, f"{condition} ORDER BY c.id LIMIT {int(limit)}", args))
        lacks = {name: _lacks(tx.dialect, name) for name in template.names}
        needed = [lacks[name] for name in template.needed]
        any_lacks = Condition(" OR ".join(each.sql for each in needed) or "FALSE", [a for e in needed for a in e.args])
        counted = [any_lacks, *lacks.values()]
        columns = ", ".join(f"count(*) FILTER (WHERE {each.sql})" for each in counted)
        before = [arg for each in counted for arg in each.args]
        ((clients, lacking, *without),) = await tx.rows(f"SELECT count(*), {columns} {condition}", *before, *args)
        # One in so many: a sample by chance would be another one each time, and the first ones are often alike.
        step = -(-int(clients) // limit) or 1
        if clients > limit >= clients - lacking:
            # That might have none of the few who get a text.
            condition, args, step = f"{condition} AND ({any_lacks.sql}) IS NOT TRUE", [*args, *any_lacks.args], 1
        people = await _people(tx, f"{condition} AND c.id % {step} = 0 ORDER BY c.id LIMIT {2 * limit}", args)
        having = {name: clients - number for name, number in zip(lacks, without, strict=True)}
        return AudienceSample(people, clients, lacking, having)


def _lacks(dialect: Dialect, name: str) -> Condition:
    """A client has nothing by this name."""
    if name == PHONE_NUMBER:
        return Condition("FALSE")
    return Condition("c.tag = ''") if name == TAG else shown_as(dialect, name, "", "c.attributes")


async def _people(tx: Tx, condition: str, args: Sequence[object]) -> tuple[tuple[int, Person], ...]:
    rows = await tx.table(
        "id, attributes, tag, phone_number",
        f"SELECT c.id AS id, c.attributes AS attributes, c.tag AS tag, c.phone_number AS phone_number {condition}",
        *args,
    )
    return tuple((id, Person(attributes, tag, phone_number)) for id, attributes, tag, phone_number in rows)
