"""Whether a mailing that does not move waits for its local hours, and until when."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import grpc.aio

from gateway.cli import times
from gateway.cli.session import CALL_SECONDS, Session
from mailing.v1.mailing_pb2 import LocalHours, MailingState, MessageCounts
from mailing.v1.mailing_service_pb2 import GetMailingRequest, GetMailingStatsRequest
from mailing.v1.mailing_stats_pb2 import MailingProgress

ASK_SECONDS = 10.0
"""How often a mailing that stands still is looked at: its hours may be edited, other zones open."""
_DAY_MINUTES = 24 * 60


class Waiting:
    """Says of a mailing that is followed what it waits for."""

    def __init__(self, session: Session, mailing_id: int) -> None:
        self._session = session
        self._mailing_id = mailing_id
        self._asked = float("-inf")
        self._words = ""

    async def words(self, progress: MailingProgress) -> str:
        """`waits for its local hours (…), next at …`; "" when it does not."""
        if not stands_still(progress):
            self._asked, self._words = float("-inf"), ""
        elif time.monotonic() - self._asked >= ASK_SECONDS:
            with suppress(grpc.aio.AioRpcError):  # the engine is away, which the stream of progress tells
                self._words = await self._ask(progress.time.ToDatetime(UTC))
                self._asked = time.monotonic()
        return self._words

    async def _ask(self, now: datetime) -> str:
        s = self._session
        request = GetMailingRequest(mailing_id=self._mailing_id)
        mailing = await s.mailings.GetMailing(request, timeout=CALL_SECONDS, metadata=s.metadata)
        if not mailing.HasField("local_hours"):
            return ""
        stats = await s.mailings.GetMailingStats(
            GetMailingStatsRequest(mailing_id=self._mailing_id), timeout=CALL_SECONDS, metadata=s.metadata
        )
        opening = next_opening(mailing.local_hours, _zones(stats.by_time_zone), now)
        if opening is not None and opening <= now:
            return ""
        hours = f"{getattr(mailing.local_hours, 'from')}-{mailing.local_hours.to}"
        until = f", the next at {times.full(opening)}" if opening is not None else ""
        return f"waits for its local hours ({hours} where the clients are){until}"


def stands_still(progress: MailingProgress) -> bool:
    """It is active, something is pending, and nothing moves."""
    active = progress.state == MailingState.MAILING_STATE_ACTIVE
    return active and progress.message_counts.pending > 0 and progress.rate_per_second == 0


def next_opening(hours: LocalHours, zones: Iterable[ZoneInfo], now: datetime) -> datetime | None:
    """When the hours open first in one of these zones: `now` where they are open; None without zones."""
    return min((_opening(hours, zone, now) for zone in zones), default=None)


def _opening(hours: LocalHours, zone: ZoneInfo, now: datetime) -> datetime:
    begin, end = _minute(getattr(hours, "from")), _minute(hours.to)
    wall = now.astimezone(zone)
    since = (wall.hour * 60 + wall.minute - begin) % _DAY_MINUTES
    if since < (end - begin) % _DAY_MINUTES:
        return now
    opening = wall.replace(hour=begin // 60, minute=begin % 60, second=0, microsecond=0)
    if opening <= wall:
        opening += timedelta(days=1)  # by the clock on the wall, also where it is changed in that night
    return opening.astimezone(UTC)


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


def _zones(groups: Mapping[str, MessageCounts]) -> list[ZoneInfo]:
    """The zones in which something is pending; those that this machine does not know are left out."""
    found = []
    for name, counts in groups.items():
        if counts.pending:
            with suppress(ZoneInfoNotFoundError, ValueError, OSError):
                found.append(ZoneInfo(name))
    return found
