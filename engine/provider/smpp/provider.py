"""The provider of ``kind = "smpp"``: texts as ``submit_sm``, receipts from ``deliver_sm``.

What must be right is what is known. A text whose first part was refused was not sent. One that waited for a session or
for a place in the window was not sent. All else without a response is unknown, and so is a text of which a part was
taken and another was not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from common.logs import get_logger
from engine.domain.outcome import Answer, Verdict
from engine.ports import Abilities, Request
from engine.provider.receipts import TakeReceipts
from engine.provider.smpp.inbox import HOLD_SECONDS, STORE_PAUSE_SECONDS, Inbox
from engine.provider.smpp.receipts import Delivered, ReceiptIds, read_receipt, told_id
from engine.provider.smpp.session import (
    Link,
    NoResponseError,
    NotBoundError,
    Response,
    Session,
    Unit,
)
from engine.provider.smpp.source import Source
from engine.provider.smpp.statuses import OK, verdict_of, words_of
from engine.provider.smpp.texts import LongTexts, octets_of, validity_of

log = get_logger(__name__)

BIND_SECONDS: Final = 5.0
"""How long a connection and its bind may take."""
_PAUSE_SECONDS: Final = (0.5, 30.0)
"""Between binds that fail: the first pause and the longest. Centres lock accounts that try too often."""
BUSY_SECONDS: Final = 1.0
"""How long a centre is left alone that has too much to do: SMPP has no word for it."""
_LEAVE_SECONDS: Final = 0.1
"""The library's threads are about to let go of the interpreter when a call of it has ended. A process that exits before
they have is aborted: 8 of 40 that did nothing else, 0 of 40 after 0.05 s."""
_NOTHING: Final = Answer(None, True, "not called: there is no text", verdict=Verdict.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How one centre wants things."""

    senders: tuple[str, ...] = ()
    """The first is taken where a mailing names none."""
    source_ton: int | None = None
    """``None``: what the sender's characters say."""
    source_npi: int | None = None
    long_texts: LongTexts = LongTexts.UDH
    validity: bool = True
    """Whether it is told when a text is of no use."""
    rejected: frozenset[int] = frozenset()
    """Statuses of its own that are final."""
    busy: frozenset[int] = frozenset()
    """Statuses of its own that mean "too many"."""
    receipts: bool = True
    """Whether they are asked for."""
    receipt_ids: ReceiptIds = ReceiptIds.SAME
    receipt_zone: tzinfo | None = None
    """Where the times in receipts are meant; ``None``: a receipt's time is when it came."""


class SmppProvider:
    """Implements ``engine.ports.Provider``. One instance for the whole engine: it owns the session."""

    def __init__(
        self,
        link: Link,
        manners: Manners,
        *,
        bind_seconds: float = BIND_SECONDS,
        busy_seconds: float = BUSY_SECONDS,
        store_pause_seconds: float = STORE_PAUSE_SECONDS,
        hold_seconds: float = HOLD_SECONDS,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Prepare it; connects to nothing yet.

        Args:
            link: where, and as whom.
            manners: how.
            bind_seconds: how long a bind may take.
            busy_seconds: how long a centre is left alone that has too much to do.
            store_pause_seconds: how long receipts wait for a store that is away.
            hold_seconds: how long one waits whose id no response has told.
            now_us: the time of receipts that name none.

        Raises:
            ValueError: a sender can't be written as an address.
        """
        self.abilities = Abilities(validity=manners.validity, sender=True, receipts=manners.receipts)
        self.link: Final = link
        self.manners: Final = manners
        self._now_us, self._bind_seconds = now_us, bind_seconds
        self._sources: dict[str, Source] = {}
        for sender in manners.senders:
            self._source(sender)
        self._window = asyncio.Semaphore(link.window)
        self._session: Session | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._bound = asyncio.Event()
        self._failed = ""
        """Why there is no session; empty: none was tried yet."""
        self._is_closed = False
        self._inbox: Inbox | None = None
        self._busy_seconds, self._pauses = busy_seconds, (store_pause_seconds, hold_seconds)

    @property
    def is_bound(self) -> bool:
        """Whether there is a session just now."""
        return self._session is not None

    def open(self, take: TakeReceipts) -> None:
        """Bind now, stay bound until ``close``, and hand over the receipts that come. Until this is called, none are
        asked for; a session there is from the first ``send`` at the latest."""
        if self.manners.receipts and self._inbox is None:
            self._inbox = Inbox(take, *self._pauses)
        self._keep_bound()

    async def send(self, request: Request) -> Answer:
        """Call the provider once; see ``engine.ports.Provider.send``."""
        self._keep_bound()
        try:
            octets = octets_of(request.text, self.manners.long_texts, request.message_id)
            source = self._source(request.sender)
        except ValueError as error:
            return Answer(None, True, f"not called: {error}", verdict=Verdict.REJECTED)
        validity = validity_of(request.valid_seconds) if self.manners.validity else ""
        deadline = time.monotonic() + request.timeout_seconds
        answer, parts = _NOTHING, len(octets.parts)
        for number, part in enumerate(octets.parts, 1):
            # One receipt is enough: with the last part, the text has arrived.
            wants = self._inbox is not None and number == parts
            unit = Unit(str(request.phone_number), source, octets, part, validity, wants)
            answer = await self._sent(unit, deadline, insists=number > 1)
            if answer.verdict is not Verdict.SENT:
                return answer if number == 1 else _in_part(answer, number, parts)
        if self._inbox is not None and answer.provider_message_id is not None:
            self._inbox.expect(answer.provider_message_id, request.message_id)
        return answer

    async def close(self) -> None:
        """Unbind, hand over the receipts that have come, and let go of the connection."""
        self._is_closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            await asyncio.sleep(_LEAVE_SECONDS)
        if self._inbox is not None:
            await self._inbox.close()

    def _keep_bound(self) -> None:
        if self._keeper is None and not self._is_closed:
            self._keeper = asyncio.create_task(self._keep())

    async def _sent(self, unit: Unit, deadline: float, *, insists: bool) -> Answer:
        """Send one unit; ``insists``: a part is with the centre already, so one that is busy is asked again."""
        while True:
            try:
                response = await self._submitted(unit, deadline)
            except NotBoundError as error:
                return Answer(None, False, f"not called: {error}", arrived=False, verdict=Verdict.RETRY)
            except NoResponseError as error:
                return Answer(None, False, str(error), verdict=Verdict.UNKNOWN)
            answer = self._judged(response)
            if not insists or answer.verdict is not Verdict.BUSY or deadline - time.monotonic() <= self._busy_seconds:
                return answer
            await asyncio.sleep(self._busy_seconds)

    async def _submitted(self, unit: Unit, deadline: float) -> Response:
        try:
            async with asyncio.timeout(_left(deadline)):
                await self._bound_or_failed()
                await self._window.acquire()
        except TimeoutError:
            raise NotBoundError(self._failed or "no place in the window was free in time") from None
        try:
            session = self._session
            if session is None:
                raise NotBoundError(self._failed or "there is no session")
            return await session.submit(unit, _left(deadline))
        finally:
            self._window.release()

    async def _bound_or_failed(self) -> None:
        """Wait for the session; no longer than the bind that is under way takes."""
        if self._is_closed:
            raise NotBoundError("the client was closed")
        if self.is_bound or not self._failed:
            await self._bound.wait()
        if not self.is_bound:
            raise NotBoundError(self._failed)

    def _judged(self, response: Response) -> Answer:
        if response.status == OK:
            message_id = told_id(response.message_id, self.manners.receipt_ids) or None
            return Answer(None, True, "", provider_message_id=message_id, verdict=Verdict.SENT, smpp_status=OK)
        verdict = verdict_of(response.status, self.manners.rejected, self.manners.busy)
        pause = f"{self._busy_seconds:g}" if verdict is Verdict.BUSY else None
        return Answer(None, True, words_of(response.status), pause, verdict=verdict, smpp_status=response.status)

    def _source(self, sender: str) -> Source:
        if not sender and self.manners.senders:
            sender = self.manners.senders[0]
        source = self._sources.get(sender)
        if source is None:
            source = Source.of(sender, self.manners.source_ton, self.manners.source_npi)
            self._sources[sender] = source
        return source

    async def _keep(self) -> None:
        """Stay bound until cancelled."""
        first, longest = _PAUSE_SECONDS
        pause = first
        while True:
            try:
                session = await Session.bind(self.link, self._bind_seconds, self._on_delivered)
            except NotBoundError as error:
                if not self._failed:
                    log.warning("provider.smpp.not_bound", host=self.link.host, reason=str(error))
                self._failed = str(error)
                self._bound.set()  # whoever waits is told
                self._bound.clear()
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
                continue
            log.info("provider.smpp.bound", host=self.link.host, system_id=self.link.system_id)
            self._session, self._failed, pause = session, "", first
            self._bound.set()
            try:
                await session.ended.wait()
            finally:
                self._session = None
                self._bound.clear()
                await asyncio.shield(session.close())
            log.warning("provider.smpp.ended", host=self.link.host)
            self._failed = "the session has ended"
            await asyncio.sleep(first)

    def _on_delivered(self, delivered: Delivered) -> None:
        if self._inbox is None:
            return
        receipt = read_receipt(delivered, self.manners.receipt_ids, self.manners.receipt_zone)
        if receipt is not None:
            # A time to come is one of another zone; no later receipt could take its place.
            now_us = self._now_us()
            time_us = now_us if receipt.time_us is None else min(receipt.time_us, now_us)
            self._inbox.put(receipt._replace(time_us=time_us))


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise NotBoundError("no time was left")
    return seconds


def _in_part(answer: Answer, number: int, parts: int) -> Answer:
    words = f"part {number} of {parts} was not taken, the parts before it were: {answer.detail}"
    return Answer(None, False, words, verdict=Verdict.UNKNOWN, smpp_status=answer.smpp_status)
