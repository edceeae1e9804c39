"""What the store returns: frozen values, no ORM objects. Times are microseconds since the epoch, UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from engine.domain.access import ActorKind
from engine.domain.audience import AudienceFilter
from engine.domain.message import Reason, Status
from engine.domain.receipt import Delivery
from engine.domain.window import LocalHours, MailingState, PauseReason, mailing_state
from engine.ports import AudienceState, OnUncertain

T = TypeVar("T")

MAX_PAGE_SIZE = 1000
DELETED_CLIENT = "(deleted)"
"""The group, in ``StatsRow.by_...``, of messages whose client was deleted."""


def shallow(row: Any) -> dict[str, Any]:
    """The fields of a dataclass by name. ``asdict`` would copy each value, which takes ten times as long."""
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, for the audit list."""

    name: str = "local"
    peer: str = ""
    """The caller's address, as gRPC names it."""
    kind: ActorKind = ActorKind.UNKNOWN
    """Names say less: a token may be called as another one or an account."""
    id: int | None = None
    """The id of the account or the token."""

    @property
    def key(self) -> str:
        """Tells callers of one name apart, such as ``token 5``. All sessions of an account are one caller. Empty: the
        caller is not the API's."""
        return "" if self.id is None else f"{self.kind.word} {self.id}"


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Makes a request idempotent: the same id and fingerprint get the first answer again."""

    request_id: str
    """The id among those of one caller. The API makes it of the caller's key and the given id (``api.repeats``)."""
    method: str
    fingerprint: str
    """A digest of the request without its id. The same id with another fingerprint is a ``Conflict``."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted: ``size`` rows after the row with the id ``after``, in the list's order."""

    size: int = 50
    after: int | None = None
    skip: int = 0
    """How many rows are skipped first."""
    descending: bool | None = None
    """By id; ``None``: the list's own order."""

    @property
    def limit(self) -> int:
        """The size within 1 to 1000: a larger one is lowered (docs/behaviour.md, section 5)."""
        return max(1, min(self.size, MAX_PAGE_SIZE))


@dataclass(frozen=True, slots=True)
class PageOf(Generic[T]):
    """A part of a list."""

    items: tuple[T, ...]
    total: int
    """How many rows the whole list has."""
    next_after: int | None
    """``Page.after`` for the next part; ``None`` when this is the last."""


@dataclass(frozen=True, slots=True)
class Created(Generic[T]):
    """What a create has made: now, or when the same request came before."""

    row: T
    replayed: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages of a mailing are where."""

    pending: int = 0
    sent: int = 0
    expired: int = 0
    rejected: int = 0
    cancelled: int = 0
    uncertain: int = 0
    suppressed: int = 0
    incomplete: int = 0
    delivered: int = 0
    """Of those that are sent, those that arrived, as receipts say."""
    undelivered: int = 0
    """Of those that are sent, those that did not."""

    @property
    def no_receipt(self) -> int:
        """How many are sent, and nobody has said yet whether they arrived."""
        return self.sent - self.delivered - self.undelivered

    @property
    def not_sent(self) -> int:
        """All that ended unsent."""
        return sum(self.by_reason().values())

    def by_reason(self) -> dict[str, int]:
        """How many ended unsent, by reason."""
        return {reason.public: getattr(self, reason.public) for reason in Reason}

    @property
    def total(self) -> int:
        """pending + sent + not_sent (docs/behaviour.md, rule 13)."""
        return self.pending + self.sent + self.not_sent


@dataclass(frozen=True, slots=True)
class MailingRow:
    """A mailing with its counters."""

    id: int
    text: str
    filter: AudienceFilter
    start_us: int
    end_us: int
    local_hours: LocalHours | None
    rate_limit: float | None
    on_uncertain: OnUncertain
    paused: bool
    cancelled_us: int | None
    audience_state: AudienceState
    create_us: int
    update_us: int
    counts: Counts
    name: str = ""
    audience_fixed: bool = False
    archived_us: int | None = None
    details_removed_us: int | None = None
    """Since when its messages are removed for their age; ``None``: they are all there."""
    provider: str | None = None
    sender: str | None = None
    budget: int | None = None
    """What its messages may cost, in millionths; ``None``: there is no limit."""
    cost: int = 0
    """What they cost, in millionths, with what is reserved for calls that may be under way."""
    pause_reason: PauseReason | None = None
    """Why it has paused itself; ``None``: it has not."""

    def state(self, now_us: int) -> MailingState:
        """The state that the API shows."""
        return mailing_state(self.start_us, self.end_us, self.paused, self.cancelled_us is not None, now_us)


@dataclass(frozen=True, slots=True)
class Changed:
    """A mailing that was paused, resumed, cancelled, archived or taken out: now, or when the same request came
    before."""

    row: MailingRow
    """The mailing as the first answer showed it."""
    answer_us: int
    """When the first answer was given: the state that the API shows depends on the time."""
    replayed: bool


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One mailing x one client."""

    id: int
    mailing_id: int
    client_id: int | None
    """``None``: the client was deleted, and its phone number too."""
    phone_number: int | None
    status: Status
    reason: Reason | None
    attempts: int
    """Calls made, the one under way included."""
    create_us: int
    sent_us: int | None
    final_us: int | None
    """When the message became final; ``None``: it is pending."""
    next_attempt_us: int | None
    """A waiting message is not sent before this; ``None``: it is sent as soon as the mailing may send, or never."""
    http_status: int | None
    """The status of the last attempt; ``None``: no HTTP answer, or no attempt yet."""
    detail: str
    """Why the last attempt failed; empty: it did not fail, or there was none."""
    text_version: int | None
    """The version that the last attempt was made with; ``None``: there was none, or the first one is not over."""
    delivery: Delivery | None = None
    """What the latest receipt says; ``None``: there is none."""
    delivery_us: int | None = None
    """The time that it names."""
    delivery_code: str | None = None
    delivery_detail: str | None = None
    provider: str | None = None
    """The name of the provider that has it, or had it last; ``None``: none has had it."""
    provider_message_id: str | None = None
    """What the provider calls it."""
    cost: int = 0
    """In millionths; with what is reserved while an engine has it."""
    text: str = ""
    """The text as it went out. Before a call, and where there was none, the mailing's text now. Not in lists."""


class AttemptOutcome(StrEnum):
    """How a call to the provider ended."""

    SENT = "sent"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One finished call to the provider for a message."""

    number: int
    outcome: AttemptOutcome
    started_us: int | None
    """``None``: not known, the engine stopped."""
    finished_us: int
    http_status: int | None
    detail: str
    provider: str | None = None
    """The name of the provider that was called."""


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """Which messages a list shows; ``None`` does not restrict."""

    mailing_id: int | None = None
    client_id: int | None = None
    status: str | None = None
    """``pending``, ``sent`` or ``not_sent``."""
    reason: Reason | None = None
    delivery: str | None = None
    """Of those that are sent: ``delivered``, ``undelivered``, or ``none``: there is no receipt."""


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """How the messages of one group of clients stand."""

    pending: int
    sent: int
    not_sent: int


@dataclass(frozen=True, slots=True)
class ProviderCounts:
    """How the messages of one provider stand."""

    pending: int = 0
    sent: int = 0
    not_sent: int = 0
    delivered: int = 0
    undelivered: int = 0
    cost: int = 0
    """In millionths."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.pending + self.sent + self.not_sent


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The messages of a mailing by values of their clients and by provider, the most frequent first."""

    by_phone_code: Mapping[str, GroupCounts]
    by_tag: Mapping[str, GroupCounts]
    by_time_zone: Mapping[str, GroupCounts]
    by_provider: Mapping[str, ProviderCounts]
    """By the provider's name. Without messages that nobody was called for."""


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """What happened in one span of time: of ten seconds, unless the question says another length."""

    time_us: int
    """Where the span starts."""
    sent: int
    not_sent: int
    deferred: int
    delivered: int = 0


@dataclass(frozen=True, slots=True)
class TextRow:
    """A text that a mailing has or had."""

    version: int
    create_us: int
    text: str
    sent: int
    """Messages that were sent with it."""


@dataclass(frozen=True, slots=True)
class StatsRow:
    """The detailed statistics of a mailing (docs/behaviour.md, section 5)."""

    mailing: MailingRow
    attempts: int
    """Calls made and finished."""
    retried: int
    """How many of these calls were not the first of their message."""
    by_http_status: Mapping[int, int]
    """Calls by HTTP status; 0: no answer. Without those that were answered over SMPP."""
    by_smpp_status: Mapping[int, int]
    """Calls by ``command_status``; 0: accepted."""
    latency: Mapping[int, int]
    """Calls by bucket of ``domain.latency``, for ``quantile``."""
    way: Mapping[int, int]
    """Delivered messages by how long they were on their way, in buckets of ``WAY_BOUNDS_SECONDS``."""
    timeline: tuple[TimelineRow, ...]
    texts: tuple[TextRow, ...]
    breakdown: Breakdown | None
    """``None``: none is kept, and to count it takes long; see ``read_breakdown``."""
    breakdown_us: int | None = None  # when it was counted, if something has changed since


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """What a dashboard shows of mailings."""

    mailings: tuple[MailingRow, ...]
    """Those that matter now: active ones, then paused ones, then scheduled ones."""
    open: int
    """How many are active, paused or scheduled."""
    counts: Counts
    """Messages of all mailings."""
    recent: Mapping[int, tuple[TimelineRow, ...]]
    """What happened lately, by mailing; mailings in which nothing happened are left out."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who changed what, when."""

    id: int
    time_us: int
    actor: str
    peer: str
    action: str
    """``client.create``, ``mailing.pause``, ``engine.control`` …"""
    object_type: str
    object_id: int | None
    detail: Mapping[str, object]
    actor_kind: ActorKind = ActorKind.UNKNOWN
    actor_id: int | None = None
    """Of the account or the token."""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which audit events a list shows; ``None`` does not restrict."""

    actor: str | None = None
    object_type: str | None = None
    object_id: int | None = None
    actor_kind: ActorKind | None = None
    actor_id: int | None = None
    action: str | None = None
    since_us: int | None = None
    """At this time or later."""
    until_us: int | None = None
    """Before this time."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A counter that did not agree with the rows, and ``check`` has corrected it; or rows that should not be there."""

    mailing_id: int | None  # None: it is about clients
    name: str
    stored: int
    counted: int
    repaired: bool = True
