"""What has stalled in this engine; the rule itself is ``domain/liveness.py``.

What moves is heard at two places that all work passes: the store's answers and the queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from common.logs import get_logger
from engine.delivery.book import Entry
from engine.delivery.control_keeper import ControlKeeper
from engine.delivery.line import Line
from engine.delivery.recorder import Recorder
from engine.delivery.state import State
from engine.domain.liveness import Stall, View, Watch
from engine.ports import Store, StoreUnavailable

_CHANGES: Final = (
    *("heartbeat", "recover", "renew", "claim", "claim_all", "begin", "record", "release"),
    *("build_audience", "purge", "expire", "cancel_pending"),
)
"""Verbs that write. A new one that is missing here hides no stall; one that only reads would."""
_TICKERS: Final = ("plans", "next_due_us", "claim", "claim_all", "expire", "cancel_pending")
_CLAIMERS: Final = frozenset({"next_due_us", "claim", "claim_all"})
_SLOW_US: Final = 500_000
_SOON_US: Final = 100_000
"""A claim that found its rows locked by another engine is repeated a moment later: until then the mailing is due."""
_VIEW_US: Final = 200_000
"""A view goes through all mailings. Who asks for stalls more often than that gets the last answer again."""

log = get_logger(__name__)


class HeardStore:
    """``ports.Store`` over another one: notes which verbs are answered, and which are not yet."""

    def __init__(self, store: Store, hear: Callable[[bool], None], monotonic_us: Callable[[], int]) -> None:
        """``hear`` is told each time that the store has answered (True) or is away. ``monotonic_us``: of a clock that
        only runs forward."""
        self._heard, self._hear, self._monotonic_us = store, hear, monotonic_us
        self.answers: Counter[str] = Counter()
        """How often each verb succeeded."""
        self.claimed = 0
        """Messages that claims have brought."""
        self.slow = 0
        """Slow answers to claims, and to when a mailing is due. These are asked one after another: all together may
        take longer than anybody's patience, though the database only is slow and nothing has stalled."""
        self._waiting: dict[int, str] = {}
        self._asked = 0

    @property
    def shared(self) -> bool:
        """See ``ports.Store``."""
        return self._heard.shared

    @property
    def oldest(self) -> int | None:
        """A number for the question that waits for longest; ``None``: none does."""
        return next(iter(self._waiting), None)

    @property
    def changes(self) -> int:
        """Transactions that changed something."""
        return sum(self.answers[verb] for verb in _CHANGES)

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        is_claimer = verb in _CLAIMERS

        async def heard(*args: Any, **kwargs: Any) -> Any:
            self._asked = number = self._asked + 1
            began_us = self._monotonic_us() if is_claimer else 0
            self._waiting[number] = verb
            try:
                answer = await getattr(self._heard, verb)(*args, **kwargs)
            except StoreUnavailable:
                self._hear(False)
                raise
            finally:
                del self._waiting[number]
            self._hear(True)
            self.answers[verb] += 1
            if verb == "claim":
                self.claimed += len(answer)
            elif verb == "claim_all":
                self.claimed += sum(map(len, answer))
            if is_claimer and self._monotonic_us() - began_us >= _SLOW_US:
                self.slow += 1
            return answer

        self.__dict__[verb] = heard
        return heard


class Liveness:
    """What has stalled in one engine."""

    def __init__(self, store: HeardStore, state: State, *, recorder: Recorder, control: ControlKeeper) -> None:
        self._store, self._recorder, self._control, self._settings = store, recorder, control, state.settings
        self._state, self._book, self._clock = state, state.book, state.clock
        self._watches = [(line, Watch()) for line in state.lines]
        self._viewed_us: int | None = None
        self._stalls: list[Stall] = []
        self._due: dict[tuple[int, int], tuple[int, int]] = {}
        """Line and mailing id → ``Entry.moved`` and since when it has been due with that, for each mailing that is due
        on that line."""

    @property
    def stalled_seconds(self) -> float:
        """For how long work has not moved, though nothing explains it; 0: it moves, or there is none."""
        return max((stall.seconds for stall in self.stalls()), default=0.0)

    def stalls(self) -> list[Stall]:
        """What has stalled. To be asked every few seconds at least: a stall is seen by comparing views."""
        now_us = self._clock.monotonic_us()
        if self._viewed_us is None or now_us - self._viewed_us >= _VIEW_US:
            self._viewed_us = now_us
            known = {stall.words for stall in self._stalls}
            stalls = [stall for line, watch in self._watches for stall in watch.follow(self.view(line), now_us)]
            # What all lines wait for has stalled once.
            self._stalls = list({(stall.part, stall.words): stall for stall in stalls}.values())
            self._tell(known)
        return self._stalls

    def _tell(self, known: set[str]) -> None:
        for stall in self._stalls:
            if stall.words not in known:
                log.error("delivery.stalled", part=stall.part, reason=str(stall))
        if known and not self._stalls:
            log.info("delivery.moves_again")

    def view(self, line: Line) -> View:
        """Delivery as it is now, as far as one line goes."""
        now_us, answers, queue = self._clock.now_us(), self._store.answers, line.queue
        held = line.admission.why_held(now_us)
        entries = list(self._book)
        due = self._follow_due(line, entries, now_us)
        return View(
            changes=self._store.changes,
            asked=self._store.oldest,
            ticker_answers=sum(answers[verb] for verb in _TICKERS),
            tick_seconds=self._settings.tick_seconds,
            outcomes=len(self._recorder),
            stored=answers["record"] + answers["release"],
            queued=len(queue) if queue.slots_used < queue.slots else 0,
            taken=queue.taken,
            calls=min(queue.slots_used, sum(entry.in_flight for entry in entries)),
            call_seconds=line.spec.time_out_seconds,
            due=self._recorder.claiming.locked() or bool(due),
            due_since_us=min(due, default=None),
            claimed=self._store.claimed + self._store.slow,
            ended=any(entry.is_over(now_us) and entry.asks(now_us) for entry in entries),
            swept=answers["expire"] + answers["cancel_pending"],
            building=any(entry.needs_building for entry in entries),
            built=answers["build_audience"] + answers["purge"],
            forgotten=self._control.is_forgotten,
            stopping=self._state.stopping,
            claims_held=held or ("the queue is full" if len(queue) >= queue.capacity else ""),
            calls_held=held or line.admission.why_paced(queue.waiting),
        )

    def _follow_due(self, line: Line, entries: Sequence[Entry], now_us: int) -> list[int]:
        """Since when each mailing has been due that is due on a line."""
        # While a claim is under way nobody knows whether its mailing still has due messages.
        is_claiming = self._recorder.claiming.locked()
        due = {
            key: self._due_since(key, entry)
            for entry in entries
            if self._is_due(line, entry, now_us) or (is_claiming and (line.number, entry.plan.mailing_id) in self._due)
            for key in ((line.number, entry.plan.mailing_id),)
        }
        others = {key: since for key, since in self._due.items() if key[0] != line.number}
        self._due = {**others, **due}
        return [since_us for _, since_us in due.values()]

    def _due_since(self, key: tuple[int, int], entry: Entry) -> tuple[int, int]:
        """From the first view on. A mailing that was moved since the last view may have been held in between."""
        moved, since_us = self._due.get(key, (None, 0))
        return entry.moved, since_us if moved == entry.moved else self._clock.monotonic_us()

    def _is_due(self, line: Line, entry: Entry, now_us: int) -> bool:
        # First what is false of most mailings: this is asked of all of them, four times a second.
        if not entry.may_send(now_us) or not entry.asks(now_us + _SOON_US, line.number):
            return False
        if line.queue.queued(entry.plan.mailing_id):
            return False
        return entry.bucket is None or not line.gate.wait_us(entry.bucket)
