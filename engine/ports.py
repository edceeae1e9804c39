"""What delivery needs from outside: a store, a provider, a clock.

Times are ``int`` microseconds since the Unix epoch, UTC, and named ``..._us``:
one number compares, adds and stores alike on SQLite and PostgreSQL.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from engine.domain.cost import FREE, NO_PRICE, Charge, Quote
from engine.domain.message import Event
from engine.domain.outcome import Answer
from engine.domain.routing import FBRQ_ID, OF_FBRQ, Ask, Route
from engine.domain.window import LocalHours
from engine.person import Person


class StoreUnavailable(Exception):
    """The database can't be reached or is too busy just now: nothing was stored, try again later."""


class OnUncertain(enum.StrEnum):
    """What to do with a message whose outcome is unknown (docs/behaviour.md, rule 12)."""

    RESEND = "resend"
    NOT_SENT = "not_sent"


class AudienceState(enum.StrEnum):
    """Whether every matching client has its message already (docs/behaviour.md, rule 3)."""

    BUILDING = "building"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Plan:
    """What delivery must know of a mailing that still has work in it."""

    mailing_id: int
    text: str
    audience_generation: int
    """Grows whenever the audience is built again."""
    start_us: int
    end_us: int
    local_hours: LocalHours | None
    rate_limit: float | None
    """Messages a second; ``None``: no limit of its own."""
    on_uncertain: OnUncertain
    paused: bool
    cancelled: bool
    deleted: bool
    """Invisible already; its rows are being removed."""
    audience_state: AudienceState
    rebuilding: bool
    """The filter was edited: nothing is sent until the audience follows."""
    pending: int
    """Messages that are not final, at the time of reading."""
    text_version: int = 1
    """Which of the mailing's texts ``text`` is."""
    provider: str | None = None
    """The name of the only provider that may send it; ``None``: whoever can."""
    sender: str | None = None
    """From whom the text is to come; ``None``: as the provider has it."""
    budget: int | None = None
    """What its messages may cost, in millionths; ``None``: there is no limit."""


class Claim(NamedTuple):
    """A message that this engine has taken: what the call needs, and the fence (id, attempt)."""

    message_id: int
    mailing_id: int
    client_id: int
    attempt: int
    """1 for the first attempt. With the owner it fences the outcome."""
    phone_number: int
    time_zone: str
    lease_until_us: int
    person: Person | None = None
    """What of the client goes into the text; ``None``: the text was the same for everyone when this was claimed."""
    provider_id: int = FBRQ_ID
    """The provider that is to be called."""
    charge: Charge = FREE
    """What the message costs meanwhile."""

    def given_back(self, due_us: int = 0) -> Return:
        """What undoes it; ``due_us`` as in ``Return``."""
        return Return(self.message_id, self.mailing_id, self.attempt, due_us, self.provider_id, self.charge)

    def ended(
        self,
        event: Event,
        started_us: int,
        finished_us: int,
        http_status: int | None,
        detail: str,
        due_us: int,
        text_version: int | None,
        rendered: str | None = None,
        provider_message_id: str | None = None,
        next_provider: int | None = None,
        cost: int | None = None,
        smpp_status: int | None = None,
    ) -> Record:
        """The outcome of its call; the arguments are ``Record``'s."""
        # Done for each message: unpacking is quicker than asking for each field, and ``tuple.__new__`` than ``Record``.
        message_id, mailing_id, client_id, attempt, _, _, _, _, provider_id, charge = self
        return tuple.__new__(
            Record,
            (
                message_id, mailing_id, client_id, attempt, event, started_us, finished_us, http_status, detail,
                due_us, text_version, rendered, provider_id, provider_message_id, next_provider, cost, charge,
                smpp_status,
            ),
        )  # fmt: skip


class Record(NamedTuple):
    """The outcome of one call, or that there is no text to call with, to be stored."""

    message_id: int
    mailing_id: int
    client_id: int
    attempt: int
    event: Event
    """``ACCEPT``, ``REJECT``, ``DEFER``, ``MISS``; ``LACK``: no call was made, and the attempt is not used up."""
    started_us: int
    finished_us: int
    http_status: int | None
    detail: str
    """The reason in words; empty on success."""
    due_us: int
    """When to try again (``DEFER``, ``MISS``), else 0."""
    text_version: int | None = None
    """Of the text that the call was made with; ``None``: there was no call."""
    rendered: str | None = None
    """What the placeholders of that text stood for (``person.kept``); ``None``: it has none, or there was no call."""
    provider_id: int = FBRQ_ID
    """The provider that was called."""
    provider_message_id: str | None = None
    """What the provider calls the message; ``None``: it has not said."""
    next_provider: int | None = None
    """Of a ``DEFER``: the provider whose turn it is next; ``None``: whoever comes first. A message that may have
    reached a provider stays with that one, whatever is said here."""
    cost: int | None = None
    """What the provider takes for the text, if it has taken it, in millionths; ``None``: there was no call, or it has
    no price."""
    charge: Charge = FREE
    """That of the claim."""
    smpp_status: int | None = None
    """The ``command_status`` of a response over SMPP: it is counted, and not stored with the message."""


class Return(NamedTuple):
    """A claim to be given back without a call having been made; the attempt is not used up."""

    message_id: int
    mailing_id: int
    attempt: int
    due_us: int
    """0: as soon as the mailing may send. Otherwise not before (local hours)."""
    provider_id: int = FBRQ_ID
    """The provider that was to be called."""
    charge: Charge = FREE
    """That of the claim."""


class Renewal(NamedTuple):
    """Which leases were extended."""

    extended: set[int]
    """Message ids."""
    busy: set[int]
    """Ids of messages that are still ours, but whose rows a transaction has just now: their leases are as they were."""


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One engine as the others see it."""

    engine_id: int
    name: str
    """``host:pid``."""
    started_us: int
    heartbeat_us: int
    seen_revision: int
    workers: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Control:
    """What every engine on this database must agree on, read at every heartbeat."""

    revision: int
    """Grows with every change to a mailing, to this record or to the set of engines."""
    sending_paused: bool
    workers: int | None
    """Set live; ``None``: as each engine's settings say."""
    provider_rate: float | None
    """Set live, messages a second, 0: no limit; ``None``: as the settings say."""
    engines: tuple[EngineRow, ...]
    """Engines whose heartbeat is younger than the time to live, this one included."""
    clock_us: int | None = field(default=None, compare=False)
    """The time by the database's own clock; ``None``: it has none (SQLite)."""
    held_us: int | None = None
    """Since when it sends nothing, for it is a copy; ``None``: it is not held."""


class Store(Protocol):
    """Every verb is one transaction, shielded: it is whole or not there, cancelled or not.

    Any verb may raise ``StoreUnavailable``.
    """

    @property
    def shared(self) -> bool:
        """True when other engines may work on the same database (PostgreSQL)."""

    # -- engines ------------------------------------------------------------------------------
    async def register_engine(self, name: str, workers: int, now_us: int, alive_since_us: int) -> int:
        """Add this engine, bump the revision, forget live overrides of workers and rate when no
        other engine has a heartbeat at or after ``alive_since_us``; return the new engine's id."""

    async def heartbeat(
        self,
        engine_id: int,
        now_us: int,
        alive_since_us: int,
        *,
        seen_revision: int,
        workers: int,
        in_flight: int,
        own_us: int | None = None,
    ) -> Control:
        """Store that this engine lives, what it has seen and how busy it is; read the control record. ``own_us`` is the
        time by this engine's own clock, where ``now_us`` is by the one that all engines share."""

    async def read_control(self, alive_since_us: int) -> Control:
        """Read the control record and the live engines; writes nothing."""

    async def retire_engine(self, engine_id: int) -> None:
        """Remove this engine (a clean stop) and bump the revision."""

    async def provider_ids(self, names: Collection[str]) -> dict[str, int]:
        """The number of each of these providers on this database; one that is new gets one, for ever."""

    # -- mailings ------------------------------------------------------------------------------
    async def plans(self, now_us: int, mailing_ids: Sequence[int] | None = None) -> list[Plan]:
        """Mailings, all or these, with work left: not ended, pending messages, an audience to build, rows to remove."""

    # -- audience ------------------------------------------------------------------------------
    async def build_audience(self, mailing_id: int, limit: int, now_us: int, reset_after_us: int) -> bool:
        """Bring the next ``limit`` clients after the stored cursor in line with the filter: add what is missing, remove
        pending messages that match no longer (claimed ones are marked stale), and let messages that wait beyond
        ``reset_after_us`` or were never tried wait no longer. True when the audience is ready."""

    async def purge(self, mailing_id: int, limit: int) -> bool:
        """Remove up to ``limit`` messages of a deleted mailing, and at last the mailing. True when done."""

    # -- transitions ---------------------------------------------------------------------------
    async def claim(
        self,
        mailing_id: int,
        limit: int,
        *,
        owner: int,
        now_us: int,
        lease_until_us: int,
        personal: bool = False,
        route: Route = OF_FBRQ,
        quote: Quote = NO_PRICE,
    ) -> list[Claim]:
        """CLAIM up to ``limit`` due messages that the route allows: retries first, oldest due first. They have its
        provider from now on. The store checks again that the mailing is neither paused, cancelled, deleted nor outside
        its window. ``personal``: the claims bring what of their clients goes into the text. Each is charged with the
        most that it can cost by the ``quote``. Of a mailing with a budget no more are claimed than its rest is enough
        for; if that is none, and no engine has one, it pauses itself, and none if the quote knows of no budget."""

    async def claim_all(self, of: Sequence[Ask], *, owner: int, now_us: int, lease_until_us: int) -> list[list[Claim]]:
        """``claim`` of several mailings whose messages have no price, in one transaction: the claims of each."""

    async def begin(self, claims: Sequence[Claim], *, owner: int) -> set[int]:
        """BEGIN: mark that the provider may have been called; return the ids that still were ours."""

    async def record(self, records: Sequence[Record], *, owner: int, now_us: int) -> int:
        """Store outcomes (ACCEPT, REJECT, DEFER, MISS, LACK) with counters, attempts and statistics; return how
        many passed the fence (id, status, attempt, owner). A deferred message that is stale is removed, unless
        it may have reached the provider: then it ends."""

    async def fenced(self, records: Sequence[Record]) -> int:
        """Of outcomes given to ``record``, some of which did not pass the fence: how many are lost. No loss is one that
        was stored before, by a try whose answer never came, and one whose message is removed: with its mailing, or
        because it was put off and its client matches no longer."""

    async def release(self, returns: Sequence[Return], *, owner: int, now_us: int) -> int:
        """RELEASE claims that were not called: attempt - 1; stale ones are removed, or end. Returns how many
        passed the fence."""

    async def renew(self, claims: Sequence[Claim], *, owner: int, lease_until_us: int) -> Renewal:
        """Extend the leases of claims in hand; waits for nobody's transaction. Ids in neither part are lost."""

    async def outdated(self, claims: Sequence[Claim], *, owner: int) -> set[int]:
        """Of these claims, those whose client was changed since in what a call needs, or matches no longer, or is
        gone; return the ids of their messages."""

    async def recover(self, now_us: int, limit: int, *, expired_only: bool, over_us: int | None = None) -> int:
        """LOSE: take back up to ``limit`` claims whose lease is over (or all, at the start of the only engine on a
        SQLite file): by ``over_us``, the time by the clock that all engines share, or else by ``now_us``. CLAIMED
        becomes pending and unsure, CALLING becomes not_sent/uncertain. Each lost attempt is kept in the history with
        the detail "outcome unknown: the engine stopped"."""

    async def expire(self, mailing_id: int, limit: int, now_us: int) -> int:
        """EXPIRE up to ``limit`` pending messages of a mailing that has ended; return how many."""

    async def cancel_pending(self, mailing_id: int, limit: int, now_us: int) -> int:
        """CANCEL up to ``limit`` pending messages of a cancelled mailing; return how many."""

    async def next_due_us(self, mailing_id: int, route: Route | None = None) -> int | None:
        """When the mailing's next pending message that the route allows is due; ``None`` when there is none."""

    # -- a clock that steps back ---------------------------------------------------------------
    async def turn_clock_back(self, now_us: int) -> int:
        """How far ``now_us`` is behind the latest time that an engine has told with its heartbeat (0: it is not), which
        from now on is ``now_us``: so the same step is told once."""

    async def take_back(
        self, mailing_id: int, limit: int, *, after: tuple[int, int], by_us: int
    ) -> tuple[int, int] | None:
        """Make up to ``limit`` pending messages due earlier by ``by_us``: those behind ``after`` (when due, and id), in
        this order. Returns the last one of them as it was; ``None``: there are no more."""


class Request(NamedTuple):
    """What a provider is to send."""

    message_id: int
    phone_number: int
    text: str
    timeout_seconds: float
    """How long the call may take."""
    sender: str = ""
    """The name that the text is to come from; empty: the provider's own choice. Asked for: ``Abilities.sender``."""
    valid_seconds: float = 0
    """After so long the mailing has ended. 0: not asked for (``Abilities.validity``)."""
    segments: int = 1
    """How many SMS the text takes; 1 also where it is not asked for (``Abilities.segments``)."""


class Abilities(NamedTuple):
    """What a provider can do, and what it wants to be told with each request."""

    validity: bool = False
    """It takes how long a text is of use."""
    sender: bool = False
    """It takes a sender's name."""
    segments: bool = False
    """It takes how many SMS a text is."""
    receipts: bool = False
    """It says later whether a text has arrived."""


class Provider(Protocol):
    """The third-party API that sends a text."""

    @property
    def abilities(self) -> Abilities:
        """The same for as long as the provider lives."""

    async def send(self, request: Request) -> Answer:
        """Call the provider once. Never raises for what the network or the provider does: that is
        an ``Answer`` too. Only cancellation passes through."""

    async def close(self) -> None:
        """Let go of connections."""


class Clock(Protocol):
    """Time, as delivery sees it; virtual in the simulation."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC. It may be put back."""

    def monotonic_us(self) -> int:
        """Microseconds of a clock that only runs forward, since some instant."""

    async def sleep(self, seconds: float) -> None:
        """Suspend the caller."""


class Meter(Protocol):
    """Where delivery counts for the metrics."""

    def recorded(self, records: Sequence[Record]) -> None:
        """These outcomes are stored."""
