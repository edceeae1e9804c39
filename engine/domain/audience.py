"""Whom a mailing is for."""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, TypeVar

from common.error_codes import NOTHING, ErrorCode, Fault
from engine.domain.attributes import Attribute, attributes_of, name_problem, value_problem, value_text
from engine.domain.errors import FieldError

H = TypeVar("H", bound=Hashable)


class AttributeOp(StrEnum):
    """What a condition says of an attribute."""

    ANY_OF = "any_of"
    NONE_OF = "none_of"
    """Holds for a client without the attribute too."""
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    IS_SET = "is_set"
    IS_NOT_SET = "is_not_set"


ORDERED: Final = (AttributeOp.AT_LEAST, AttributeOp.AT_MOST)
"""These compare by order."""


@dataclass(frozen=True, slots=True)
class AttributeCondition:
    """What a client's attribute must be like."""

    name: str
    op: AttributeOp
    values: tuple[str, ...] = ()
    """As ``value_text`` writes them: the number 1 is neither the text "1" nor true."""

    def errors(self, values: Sequence[object]) -> Iterator[FieldError]:
        """What is wrong with a condition that is said with ``values``; fields are those of the condition."""
        if (problem := name_problem(self.name)) is not None:
            yield FieldError("name", problem)
        if (problem := self._count_problem(len(values))) is not None:
            yield FieldError("values", problem)
        for place, value in enumerate(values):
            problem = value_problem(value)
            if problem is None and self.op in ORDERED and isinstance(value, bool):
                problem = ErrorCode.NO_ORDER.format()
            if problem is not None:
                yield FieldError(f"values[{place}]", problem)

    def _count_problem(self, count: int) -> Fault | None:
        if self.op in (AttributeOp.IS_SET, AttributeOp.IS_NOT_SET):
            return ErrorCode.NEEDS_NO_VALUES.format(op=self.op.value) if count else None
        if self.op in ORDERED:
            return ErrorCode.NEEDS_ONE_VALUE.format(op=self.op.value, count=count) if count != 1 else None
        return None if count else ErrorCode.NEEDS_VALUES.format(op=self.op.value)

    def holds(self, attributes: Mapping[str, Attribute]) -> bool:
        """True when these attributes are so."""
        value = attributes.get(self.name)
        match self.op:
            case AttributeOp.IS_SET:
                return value is not None
            case AttributeOp.IS_NOT_SET:
                return value is None
            case AttributeOp.ANY_OF:
                return value is not None and value_text(value) in self.values
            case AttributeOp.NONE_OF:
                return value is None or value_text(value) not in self.values
        return value is not None and self._is_in_order(value)

    def _is_in_order(self, value: Attribute) -> bool:
        """Numbers are compared as numbers, texts by code point; a value of the other kind is neither more nor less."""
        limit: Attribute = json.loads(self.values[0])
        is_least = self.op is AttributeOp.AT_LEAST
        if isinstance(value, str):
            return isinstance(limit, str) and (value >= limit if is_least else value <= limit)
        if isinstance(value, bool) or isinstance(limit, str):
            return False
        return value >= limit if is_least else value <= limit


@dataclass(frozen=True, slots=True)
class MessageCondition:
    """What a client's message of another mailing must be like."""

    mailing_id: int
    statuses: tuple[str, ...] = ()
    """As the API names them; empty: any."""
    reasons: tuple[str, ...] = ()
    delivery: tuple[str, ...] = ()

    def distinct(self) -> MessageCondition:
        """The same, with each entry of a list once."""
        return replace(
            self,
            statuses=_distinct(self.statuses),
            reasons=_distinct(self.reasons),
            delivery=_distinct(self.delivery),
        )


class Described(Protocol):
    """A client as it is stored."""

    @property
    def tag(self) -> str:
        """Its tag."""

    @property
    def phone_code(self) -> str:
        """Its operator code."""

    @property
    def attributes(self) -> str:
        """As ``attributes_text`` writes them."""


class Candidate(NamedTuple):
    """What filters look at in a client."""

    id: int
    tag: str
    phone_code: str
    attributes: Mapping[str, Attribute] = NOTHING

    @classmethod
    def of(cls, id: int, client: Described) -> Candidate:
        """The client with this id."""
        return cls(id, client.tag, client.phone_code, attributes_of(client.attributes))


@dataclass(frozen=True, slots=True)
class AudienceFilter:
    """What clients must be like, all of it; what is empty does not restrict."""

    tags: tuple[str, ...] = ()
    phone_codes: tuple[str, ...] = ()
    exclude_tags: tuple[str, ...] = ()
    attributes: tuple[AttributeCondition, ...] = ()
    client_ids: tuple[int, ...] = ()
    messages: MessageCondition | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that it asks for, each once."""
        return tuple(dict.fromkeys(each.name for each in self.attributes))

    def needs_any_of(self, names: Collection[str]) -> bool:
        """True when a client without these attributes can't match."""
        return any(each.name in names and not each.holds({}) for each in self.attributes)

    def distinct(self) -> AudienceFilter:
        """The same, with each entry of a list once."""
        return replace(
            self,
            tags=_distinct(self.tags),
            phone_codes=_distinct(self.phone_codes),
            exclude_tags=_distinct(self.exclude_tags),
            attributes=_distinct(self.attributes),
            client_ids=_distinct(self.client_ids),
            messages=None if self.messages is None else self.messages.distinct(),
        )

    def among(self, clients: Iterable[Candidate]) -> Iterator[Candidate]:
        """Those of the clients that match, as far as it can be told by the clients alone."""
        tags, codes, ids = frozenset(self.tags), frozenset(self.phone_codes), frozenset(self.client_ids)
        excluded = frozenset(self.exclude_tags)
        for client in clients:
            if (
                (not tags or client.tag in tags)
                and (not codes or client.phone_code in codes)
                and client.tag not in excluded
                and (not ids or client.id in ids)
                and all(condition.holds(client.attributes) for condition in self.attributes)
            ):
                yield client


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a filter matches just now."""

    groups: Mapping[tuple[str, int], int]
    """How many would get a message, by time zone and by the part of the numbers that theirs is in: the place of the
    part among those that were asked for, or how many these are for a number in none of them."""
    suppressed: int = 0
    """How many match but are on the stop list."""

    @property
    def size(self) -> int:
        """How many would get a message."""
        return sum(self.groups.values())

    @property
    def by_zone(self) -> dict[str, int]:
        """How many would get a message, by time zone."""
        return self.by_zone_within(None)

    def by_zone_within(self, parts: int | None) -> dict[str, int]:
        """The same of the first so many parts; ``None``: of all numbers."""
        found: dict[str, int] = {}
        for (zone, part), number in self.groups.items():
            if parts is None or part < parts:
                found[zone] = found.get(zone, 0) + number
        return found

    def by_part(self, parts: int) -> tuple[int, ...]:
        """How many have a number of each of so many parts; the last one: of none of them."""
        found = [0] * (parts + 1)
        for (_, part), number in self.groups.items():
            found[part] += number
        return tuple(found)


def _distinct(entries: Iterable[H]) -> tuple[H, ...]:
    return tuple(dict.fromkeys(entries))
