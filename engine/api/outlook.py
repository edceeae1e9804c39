"""The one place where the API foretells: what each mailing has to send, at which speed, beside which others."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from engine.api.control import DeliveryControl
from engine.api.convert_stats import STEP_US, began_us, timeline_rate
from engine.api.fresh import Fresh
from engine.domain.audience import Audience
from engine.domain.fares import Fare
from engine.domain.forecast import Forecast, Load, foretell
from engine.domain.validate import MailingInput
from engine.domain.window import LocalHours, is_decided, next_open_us
from engine.ports import AudienceState, Clock
from engine.store.overview import SHARING_MAX, RecentSteps
from engine.store.rows import MailingRow
from engine.store.store import Store

KEEP_SECONDS: Final = 1.0
"""How long what the others have to send is kept."""
ZONES_SECONDS: Final = 10.0
"""How long it is kept what waits in which time zone; ten times as long as that took to be read, if that is more."""
STALE_SECONDS: Final = 60.0
"""For so much longer it is used while it is read anew: what has changed is known (``aligned``)."""
RECENT_US: Final = 3 * STEP_US
_HUNGRY_SECONDS: Final = 10.0
"""A mailing that has so many seconds' worth of messages to send is not held up by lack of them."""
_NEARLY: Final = 0.9
_SETTLED_US: Final = 3_000_000
"""So long after a mailing has begun to send it is known how fast it goes."""
_Key = tuple[int, int, bool]
"""A mailing as it was last changed."""


@dataclass(frozen=True, slots=True)
class _View:
    """What the engines have to do, a second old at most."""

    speed: float
    """Messages a second, of all mailings together; 0: not known."""
    loads: Mapping[int, Load]
    """By mailing."""
    rates: Mapping[int, float]
    """What each mailing does now, messages a second."""
    foretold: Sequence[Forecast]
    """All of them are reckoned at once: each has to know the others anyway."""
    forecasts: dict[_Key, Forecast]
    """The same by mailing, and what others asked for beside them."""


class Outlook:
    """Shared by all who ask."""

    def __init__(self, store: Store, control: DeliveryControl, clock: Clock) -> None:
        self._store, self._control, self._clock = store, control, clock
        self._views: Fresh[Hashable, _View] = Fresh(clock, KEEP_SECONDS, keys_max=4)
        self._zones: Fresh[int, Audience] = Fresh(
            clock, ZONES_SECONDS, stale_seconds=STALE_SECONDS, keys_max=2 * SHARING_MAX
        )

    async def of(self, row: MailingRow) -> Forecast | None:
        """What will come of a mailing; ``None``: it has ended or is cancelled. A paused one: if it went on now."""
        now_us = self._clock.now_us()
        if row.cancelled_us is not None or now_us >= row.end_us:
            return None
        view = await self._views.get(self._budgets(), self._view)
        if not row.counts.pending:
            return foretell([await self._load(row, 0.0, now_us)], view.speed, now_us)[0]
        found = view.forecasts.get(_key(row))
        if found is None:  # it is paused, just registered or edited, or there are very many
            load = await self._load(row, view.rates.get(row.id, 0.0), now_us)
            found = view.forecasts[_key(row)] = _beside(view, row.id, load, now_us)
        return found

    async def all(self) -> Sequence[Forecast]:
        """What will come of each mailing that is sending or scheduled and has something to send: of very many, the
        largest of the first and the next of the others."""
        return (await self._views.get(self._budgets(), self._view)).foretold

    async def preview(
        self, wanted: MailingInput, old: MailingRow | None, audience: Audience, fares: Sequence[Fare], incomplete: int
    ) -> Forecast:
        """What would come of a mailing for these clients; ``old``: it is an edit of that one. ``fares``: the parts by
        which they were counted; nobody sends to the other numbers. ``incomplete``: so many of the rest get no text and
        are no work. They count as spread over the zones like the others. Whoever asks may have
        registered or stopped another mailing a moment ago, so what the others have to send is read anew."""
        budgets = self._budgets()
        await self._views.refresh(budgets, self._view)
        view = await self._views.get(budgets, self._view)
        *served, stuck = audience.by_part(len(fares))
        pending = _spread(_zoned(audience.by_zone_within(len(fares))), max(0, sum(served) - incomplete))
        load = Load(pending, wanted.start_us, wanted.end_us, wanted.local_hours, wanted.rate_limit, stuck)
        return _beside(view, old.id if old else 0, load, self._clock.now_us())

    async def audience(
        self,
        wanted: MailingInput,
        old: MailingRow | None,
        unknown: Collection[str],
        fares: Sequence[Fare],
        *,
        by_zone: bool = False,
    ) -> Audience:
        """Which clients a mailing would be for, by their fares; ``old``: it is an edit of that one; ``unknown``:
        attributes that nobody has. Unless ``by_zone``, clients all count as in UTC where the zones make no difference.
        """
        parts = [fare.ranges for fare in fares]
        by_zone = by_zone or wanted.local_hours is not None
        now_us = self._clock.now_us()
        if old is not None and old.filter == wanted.filter and old.audience_state is AudienceState.READY:
            stays = [is_decided(each.audience_fixed, each.start_us, now_us) for each in (old, wanted)]
            if all(stays) or wanted.filter.messages is not None:  # whatever has become of clients and messages since
                return await self._store.pending_by_zone(old.id, parts)
        if wanted.filter.needs_any_of(unknown):
            return Audience({})
        unsent_of = old.id if old else None
        return await self._store.audience_by_zone(wanted.filter, by_zone=by_zone, unsent_of=unsent_of, parts=parts)

    def _budgets(self) -> Hashable:
        """What people set, and a forecast follows at once."""
        status = self._control.status()
        providers = tuple((each.name, each.rate_limit, each.workers) for each in status.providers)
        return status.rate_limit, status.workers, status.sending_paused, providers

    async def _view(self) -> _View:
        now_us = self._clock.now_us()
        rows, recent = await self._store.sharing(now_us, recent_us=now_us - RECENT_US)
        rates = {row.id: timeline_rate(recent.get(row.id, ()), now_us, began_us(row)) for row in rows}
        loads = {row.id: await self._load(row, rates[row.id], now_us) for row in rows if row.counts.pending}
        hungry = [
            row
            for row in rows
            if row.id in loads
            and _sends_since_us(row, recent, now_us) + _SETTLED_US <= now_us
            and _is_hungry(loads[row.id], rates[row.id], now_us)
        ]
        speed = sum(rates.values()) if hungry and self._is_running() else self._control.forecast_rate()
        keys = [_key(row) for row in rows if row.id in loads]
        foretold = foretell(list(loads.values()), speed, now_us)
        return _View(speed, loads, rates, foretold, dict(zip(keys, foretold, strict=True)))

    async def _load(self, row: MailingRow, rate: float, now_us: int) -> Load:
        """What a mailing has to send. Of one that sends the last that it has now, ``rate`` (messages a second) is the
        speed to believe: a few that are tried again and again don't go as fast as thousands."""
        pending: Mapping[tzinfo, int] = {UTC: row.counts.pending}
        if row.local_hours is not None and row.counts.pending:
            known = await self._zones.get(row.id, lambda: self._store.waiting_zones(row.id))
            if not known.size:  # it was read when there was nothing yet
                known = await self._store.pending_by_zone(row.id)
            opens_us = max(now_us, row.start_us)
            pending = aligned(_zoned(known.by_zone), row.counts.pending, row.local_hours, opens_us)
        load = Load(pending, row.start_us, row.end_us, row.local_hours, row.rate_limit)
        if 0 < row.counts.pending < rate * _HUNGRY_SECONDS and _ready(load, now_us) == row.counts.pending:
            return replace(load, rate_limit=min(rate, row.rate_limit or rate))
        return load

    def _is_running(self) -> bool:
        status = self._control.status()
        return not status.sending_paused and status.can_call


def _key(row: MailingRow) -> _Key:
    return row.id, row.update_us, row.paused


def _beside(view: _View, mailing_id: int, load: Load, now_us: int) -> Forecast:
    others = [each for id, each in view.loads.items() if id != mailing_id]
    return foretell([load, *others], view.speed, now_us)[0]


def _is_hungry(load: Load, rate: float, now_us: int) -> bool:
    """Whether a mailing would send faster if the engines did. Then what all do together is what they can do: a provider
    that is slower today than ever is taken as it is; a mailing that its own rate holds back says nothing."""
    limited = load.rate_limit is not None and rate >= _NEARLY * load.rate_limit
    return rate > 0 and not limited and _ready(load, now_us) >= rate * _HUNGRY_SECONDS


def _ready(load: Load, now_us: int) -> int:
    """What could go out now."""
    return sum(number for zone, number in load.pending.items() if next_open_us(load.hours, zone, now_us) == now_us)


def _sends_since_us(row: MailingRow, recent: RecentSteps, now_us: int) -> int:
    steps = recent.get(row.id)
    return max(steps[0].time_us, began_us(row)) if steps else now_us


def aligned(known: Mapping[tzinfo, int], pending: int, hours: LocalHours, now_us: int) -> dict[tzinfo, int]:
    """What waits in which zone, by what was known a while ago and the number that waits now: what has gone since was
    sent, and so it was where the hours are open; what has come since is spread like the rest."""
    whole = sum(known.values())
    if not whole:
        return {UTC: pending}
    if whole <= pending:
        return _spread(known, pending)
    ready = {zone: number for zone, number in known.items() if next_open_us(hours, zone, now_us) == now_us}
    shut = {zone: number for zone, number in known.items() if zone not in ready}
    left = max(0, sum(ready.values()) - (whole - pending))
    return {**_spread(ready, left), **_spread(shut, pending - left)}


def _spread(shares: Mapping[tzinfo, int], number: int) -> dict[tzinfo, int]:
    """``number`` in proportion to the shares, in whole numbers that add up."""
    whole, before = sum(shares.values()), 0
    result: dict[tzinfo, int] = {}
    for zone, share in shares.items():
        before += share
        result[zone] = number * before // max(1, whole) - sum(result.values())
    return result


def _zoned(names: Mapping[str, int]) -> dict[tzinfo, int]:
    found: dict[tzinfo, int] = {}
    for name, number in names.items():
        zone = _zone(name)
        found[zone] = found.get(zone, 0) + number
    return found


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return UTC  # a zone that has gone from the tz database: its messages are the worker's trouble, and not ours
