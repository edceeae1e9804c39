"""Mails the report of each day, once over all engines of a database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from random import Random
from typing import Final, Self
from zoneinfo import ZoneInfo

from common.logs import get_logger
from engine.domain.daily import day_of, latest_due, yesterday
from engine.domain.retry import RetryPolicy
from engine.domain.units import in_us
from engine.domain.window import parse_minute
from engine.ports import Clock, StoreUnavailable
from engine.report.letter import Letter, letter
from engine.report.mail import MAIL_SECONDS, Mailer, NotMailed
from engine.store.errors import TooLong
from engine.store.store import Store

log = get_logger(__name__)

LOOK_SECONDS: Final = 30.0
"""How often it is asked whether there is something to mail: so a clock that is set, and a summer time, need no care."""
_LEASE_US: Final = in_us(3 * MAIL_SECONDS)
"""So long an engine has a report that it mails; after that it has died with it."""
_RETRY: Final = RetryPolicy(60.0, 3600.0)
_JITTER_MIN: Final = 0.5
_KEEP: Final = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a report is due."""

    minute: int
    """After midnight."""
    zone: tzinfo
    zone_name: str

    @classmethod
    def of(cls, zone_name: str, time: str = "08:00") -> Self:
        """At that time of day by the clocks of a time zone."""
        return cls(parse_minute(time), ZoneInfo(zone_name), zone_name)


class Reporter:
    """An actor: ``start`` once, ``stop`` once. Nothing else waits for it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        random: Random,
        schedule: Schedule,
        mailer: Mailer | None = None,
        recipients: Sequence[str] = (),
    ) -> None:
        """``mailer``: ``None``: reports are only shown."""
        self._store, self._clock, self._random = store, clock, random
        self._mailer, self._recipients, self._schedule = mailer, tuple(recipients), schedule
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    def start(self) -> None:
        """Mail what is due, in the background."""
        if self._mailer is not None:
            self._task = asyncio.create_task(self._run(), name="reporter")

    async def stop(self) -> None:
        """Stop; a mail that is under way may be mailed once more."""
        self._is_stopping = True  # until Python 3.12 wait_for loses a cancellation that comes with the answer
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def latest_due(self) -> date:
        """The day whose report was due last."""
        return latest_due(self._clock.now_us(), self._schedule.minute, self._schedule.zone)

    async def letter(self, day: date) -> Letter:
        """The report of a day, as it is by now."""
        schedule = self._schedule
        report = await self._store.report(day_of(day, schedule.zone), schedule.zone_name, self._clock.now_us())
        return letter(report)

    async def mail(self, day: date) -> dict[str, str]:
        """Mail the report of a day at once, whether or not it is mailed already; return who is refused, and why.

        Raises:
            NotMailed: nobody has got it.
        """
        if self._mailer is None:
            raise NotMailed("MAILING_REPORT_TO and MAILING_SMTP_URL are not set")
        now_us, letter = self._clock.now_us(), await self.letter(day)
        # It is another mail than that of the morning, which a mailbox may hide as one that it has.
        return await self._mailer.mail(letter._replace(key=f"{letter.key}-{now_us}"), self._recipients, now_us)

    async def look(self) -> None:
        """Mail the report that is due, if nobody has. The first one of all is of yesterday: nobody waits for an older
        one where none was mailed before."""
        day, now_us = self.latest_due(), self._clock.now_us()
        if not await self._store.is_report_due(day, now_us):
            return
        if day < yesterday(now_us, self._schedule.zone) and not await self._store.has_reported():
            return
        claimed = await self._store.claim_report(day, now_us, now_us + _LEASE_US)
        if claimed is None:
            return
        await self._store.forget_reports(day - _KEEP)
        wanted = self._recipients if claimed.left is None else [a for a in self._recipients if a in claimed.left]
        left, why = await self._try(day, wanted)
        if why is None:
            await self._store.report_mailed(day, claimed.attempt, self._clock.now_us())
            log.info("report.mailed", day=day.isoformat(), attempt=claimed.attempt)
            return
        again_us = self._again_us(claimed.attempt)
        await self._store.put_off_report(day, claimed.attempt, again_us, left)
        log.warning(
            "report.not_mailed",
            day=day.isoformat(),
            attempt=claimed.attempt,
            reason=why,
            again_seconds=round((again_us - self._clock.now_us()) / 1e6),
        )

    async def _try(self, day: date, wanted: Sequence[str]) -> tuple[Sequence[str], str | None]:
        """Who has not got it, and why; ``None``: everybody has."""
        assert self._mailer is not None, "it was started"
        if not wanted:  # they were taken off the list since
            return (), None
        try:
            refused = await self._mailer.mail(await self.letter(day), wanted, self._clock.now_us())
        except (NotMailed, TooLong) as error:
            return wanted, str(error)
        said = "; ".join(f"{address}: {words}" for address, words in refused.items())
        return [*refused], said or None

    def _again_us(self, attempt: int) -> int:
        """Growing pauses of a minute to an hour, no two engines' alike, and none near to nothing."""
        jitter = _JITTER_MIN + self._random.random() * (1 - _JITTER_MIN)
        return _RETRY.due_us(self._clock.now_us(), attempt, jitter, None)

    async def _run(self) -> None:
        while not self._is_stopping:
            try:
                await self.look()
            except StoreUnavailable as error:
                log.debug("report.store_unavailable", error=str(error))  # the store has warned of it
            except Exception:
                log.exception("report.failed")  # the next look tries again
            await self._clock.sleep(LOOK_SECONDS)
