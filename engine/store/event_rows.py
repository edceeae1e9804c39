"""Rows of events and webhooks, as the API and the engine's couriers see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.domain.events import EventKind
from engine.domain.webhook import DeliveryState


@dataclass(frozen=True, slots=True)
class EventRow:
    """What has happened."""

    id: int
    kind: EventKind
    time_us: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events; ``None``: any."""

    after: int | None = None
    """Only those that came after the one with this id."""
    kind: EventKind | None = None


@dataclass(frozen=True, slots=True)
class WebhookInput:
    """What the API says of a webhook."""

    url: str
    kinds: tuple[EventKind, ...]
    active: bool = True


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """An address that wants to be told of events."""

    id: int
    url: str
    kinds: tuple[EventKind, ...]
    active: bool
    create_us: int
    update_us: int
    pending_count: int
    """Deliveries that wait, or are tried again."""
    given_up_count: int


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One event for one webhook."""

    id: int
    webhook_id: int
    event_id: int
    kind: EventKind
    state: DeliveryState
    attempts: int
    create_us: int
    due_us: int
    last_us: int | None
    """When the last attempt ended; ``None``: there was none."""
    http_status: int | None
    """Of the last answer; ``None``: none came."""
    answer: str
    """The begin of the last answer, or why there was none."""

    @property
    def next_attempt_us(self) -> int | None:
        """Not before this; ``None``: never, or when those before it are delivered."""
        return self.due_us if self.state is DeliveryState.READY else None


class DueDelivery(NamedTuple):
    """A delivery that this engine has taken for an attempt."""

    id: int
    attempt: int
    """From 1. It fences the outcome."""
    create_us: int
    url: str
    secret: str
    event: EventRow


class EventView(NamedTuple):
    """What there is to do, as one reading has it."""

    wanted: frozenset[EventKind]
    """Events that active webhooks ask for."""
    due: Mapping[int, int]
    """By active webhook: when the first of its deliveries is due. Webhooks with nothing to do are not in it."""
    has_outbox: bool
    """Something is to be published."""
    mailing_ids: tuple[int, ...]
    """Mailings of which something is to be told."""
    down: Mapping[str, tuple[bool, bool]]
    """Of each provider that others take for down, or an engine does: whether this engine has said so, and whether any
    engine that lives says so."""


def kinds_of(text: str) -> tuple[EventKind, ...]:
    """The kinds that a webhook's row names."""
    return tuple(map(EventKind, text.split()))
