"""MailingService: register, follow, steer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Final

from google.protobuf.empty_pb2 import Empty

from common.error_codes import ErrorCode
from engine.api.background import Background
from engine.api.breakdowns import Breakdowns
from engine.api.caller import caller, caller_key
from engine.api.context import Context
from engine.api.control import DeliveryControl
from engine.api.convert import both, mailing_input, mailing_message, mailing_state
from engine.api.convert_audience import warnings_of
from engine.api.convert_stats import forecast_message, stats_message
from engine.api.costs import budget_warnings, cheapest, cost_of
from engine.api.letters import letters_of
from engine.api.limits import Limits
from engine.api.mailing_edit import Unchanged, edited
from engine.api.outlook import Outlook
from engine.api.paging import page_of, token_after
from engine.api.questions import Questions, question_key
from engine.api.repeats import first_answer, request_key
from engine.api.trials import Trials
from engine.api.watch import Watch
from engine.api.wishes import WARNING_SECONDS, StandingWarnings, not_served_warnings, wish_of
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.fares import fares_of
from engine.domain.segments import count_segments
from engine.domain.validate import SEGMENTS_MAX, MailingInput
from engine.ports import Clock
from engine.store.errors import StoreUnavailable, TooLong
from engine.store.rows import Actor, Changed, MailingRow, PageOf, RequestKey
from engine.store.store import Store
from mailing.v1 import (
    mailing_pb2,
    mailing_service_pb2,
    mailing_service_pb2_grpc,
    mailing_stats_pb2,
    test_text_pb2,
)

_ENCODINGS: Final = {
    "gsm7": mailing_service_pb2.TEXT_ENCODING_GSM7,
    "ucs2": mailing_service_pb2.TEXT_ENCODING_UCS2,
}
CANCEL_US: Final = 5_000_000
"""How long CancelMailing waits for messages that delivery holds."""
_LIST_LIMITS: Final = Limits(mailing_service_pb2.ListMailingsRequest)
_CANCEL_STEP_SECONDS: Final = 0.02
"""How often CancelMailing looks whether calls in flight have ended and queued messages were given back."""


async def _no_more() -> None:
    """Delivery has followed: there is nothing else to do."""


class MailingServicer(mailing_service_pb2_grpc.MailingServiceServicer):
    """See ``proto/mailing/v1/mailing_service.proto``."""

    def __init__(
        self,
        store: Store,
        control: DeliveryControl,
        clock: Clock,
        background: Background,
        watch: Watch,
        outlook: Outlook,
        questions: Questions,
        breakdowns: Breakdowns,
        segments_max: int = SEGMENTS_MAX,
    ) -> None:
        self._segments_max = segments_max
        self._store, self._control, self._clock = store, control, clock
        self._background, self._watch = background, watch
        self._outlook, self._questions, self._breakdowns = outlook, questions, breakdowns
        self._trials = Trials(store, control, clock, background, segments_max)
        self._standing = StandingWarnings(store, control, clock, questions, segments_max)

    async def CreateMailing(
        self, request: mailing_service_pb2.CreateMailingRequest, context: Context
    ) -> mailing_pb2.Mailing:
        """Register a mailing."""
        by, now_us, ways = caller(context), self._clock.now_us(), self._control.ways()

        def key_of() -> RequestKey | None:
            return request_key("CreateMailing", request, request.request_id, by)

        try:
            wanted, key = both(lambda: mailing_input(request.mailing, now_us, self._segments_max, ways), key_of)
        except InvalidInput as error:
            if request.validate_only:
                raise
            row = await first_answer(error, key_of, self._store.created_mailing)
            return mailing_message(row, row.create_us)
        if request.validate_only:
            await self._store.check_filter(wanted.filter)
            would = mailing_message(self._store.would_create_mailing(wanted, now_us=now_us), now_us)
            return await self._warned(would, wanted)

        async def change() -> MailingRow:
            with self._background.running.hold(key):
                created = await self._store.create_mailing(wanted, request=key, by=by, now_us=now_us)
                if not created.replayed:
                    await self._control.refresh(created.row.id, is_new=True)
            return created.row

        row = await self._background.whole(change())
        # As of its creation, so that a repeated request gets the first answer to the letter.
        return await self._warned(mailing_message(row, row.create_us), row)

    async def GetMailing(self, request: mailing_service_pb2.GetMailingRequest, context: Context) -> mailing_pb2.Mailing:
        """Read one mailing."""
        row = await self._store.get_mailing(request.mailing_id)
        mailing = mailing_message(row, self._clock.now_us())
        mailing.warnings.extend(await self._standing.of(row))
        return mailing

    async def ListMailings(
        self, request: mailing_service_pb2.ListMailingsRequest, context: Context
    ) -> mailing_service_pb2.ListMailingsResponse:
        """Read a page of mailings."""
        now_us = self._clock.now_us()
        (state, page), _ = both(
            lambda: both(lambda: mailing_state(request.state), lambda: page_of(request)),
            lambda: _LIST_LIMITS.check(request),
        )

        async def read() -> PageOf[MailingRow]:
            return await self._store.list_mailings(
                state, page, now_us=now_us, search=request.search, archived=request.archived
            )

        if request.search:
            found = await self._questions.ask(question_key(request), caller_key(), read)
        else:
            found = await read()
        return mailing_service_pb2.ListMailingsResponse(
            mailings=[mailing_message(row, now_us) for row in found.items],
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )

    async def UpdateMailing(
        self, request: mailing_service_pb2.UpdateMailingRequest, context: Context
    ) -> mailing_pb2.Mailing:
        """Change some fields of an open mailing."""
        mailing_id, now_us = request.mailing.id, self._clock.now_us()

        def edit(row: MailingRow) -> MailingInput:
            return edited(row, request.mailing, request.update_mask, now_us, self._segments_max, self._control.ways())

        async def change() -> None:
            await self._store.update_mailing(mailing_id, edit, by=caller(context), now_us=now_us)
            await self._control.refresh(mailing_id)

        try:
            if request.validate_only:
                row = await self._store.would_update_mailing(mailing_id, edit, now_us=now_us)
                return await self._warned(mailing_message(row, now_us), row)
            await self._background.whole(change())
        except Unchanged:
            pass
        row = await self._store.get_mailing(mailing_id)
        return await self._warned(mailing_message(row, self._clock.now_us()), row)

    async def DeleteMailing(self, request: mailing_service_pb2.DeleteMailingRequest, context: Context) -> Empty:
        """Delete a mailing and its messages; when this returns no new call for it starts."""

        async def change() -> None:
            now_us = self._clock.now_us()
            await self._store.delete_mailing(request.mailing_id, by=caller(context), now_us=now_us)
            await self._control.refresh(request.mailing_id)

        await self._background.whole(change())
        return Empty()

    async def PauseMailing(
        self, request: mailing_service_pb2.PauseMailingRequest, context: Context
    ) -> mailing_pb2.Mailing:
        """Hold a mailing; when this returns no new call for it starts."""
        by, now_us = caller(context), self._clock.now_us()
        key = request_key("PauseMailing", request, request.request_id, by)
        return await self._set_paused(request.mailing_id, True, key, by, now_us)

    async def ResumeMailing(
        self, request: mailing_service_pb2.ResumeMailingRequest, context: Context
    ) -> mailing_pb2.Mailing:
        """Let a held mailing go on."""
        by, now_us = caller(context), self._clock.now_us()
        key = request_key("ResumeMailing", request, request.request_id, by)
        return await self._set_paused(request.mailing_id, False, key, by, now_us)

    async def CancelMailing(
        self, request: mailing_service_pb2.CancelMailingRequest, context: Context
    ) -> mailing_pb2.Mailing:
        """Stop a mailing for good; unless it is large, nothing of it is pending when this returns."""
        mailing_id, by, begin_us = request.mailing_id, caller(context), self._clock.now_us()
        key = request_key("CancelMailing", request, request.request_id, by)
        return await self._steer(
            mailing_id,
            key,
            lambda: self._store.set_cancelled(mailing_id, by=by, now_us=begin_us, request=key),
            lambda: self._calls_ended(mailing_id, begin_us + CANCEL_US),
        )

    async def ArchiveMailing(
        self, request: mailing_service_pb2.ArchiveMailingRequest, context: Context
    ) -> mailing_pb2.Mailing:
        """Leave a mailing that is over out of lists."""
        by, now_us = caller(context), self._clock.now_us()
        key = request_key("ArchiveMailing", request, request.request_id, by)
        return await self._set_archived(request.mailing_id, True, key, by, now_us)

    async def UnarchiveMailing(
        self, request: mailing_service_pb2.UnarchiveMailingRequest, context: Context
    ) -> mailing_pb2.Mailing:
        """Take a mailing out of the archive."""
        by, now_us = caller(context), self._clock.now_us()
        key = request_key("UnarchiveMailing", request, request.request_id, by)
        return await self._set_archived(request.mailing_id, False, key, by, now_us)

    async def PreviewMailing(
        self, request: mailing_service_pb2.PreviewMailingRequest, context: Context
    ) -> mailing_service_pb2.PreviewMailingResponse:
        """Say what a mailing would be; stores nothing."""
        return await self._questions.ask(question_key(request), caller_key(), lambda: self._preview(request))

    async def _preview(
        self, request: mailing_service_pb2.PreviewMailingRequest
    ) -> mailing_service_pb2.PreviewMailingResponse:
        ways = self._control.ways()
        wanted = mailing_input(request.mailing, self._clock.now_us(), self._segments_max, ways)
        old = await self._store.get_mailing(request.mailing_id) if request.HasField("mailing_id") else None
        if old is None or old.filter != wanted.filter:
            await self._store.check_filter(wanted.filter, old.id if old else None)
        # Each may have to look at all clients. Where the first one had to and found nobody, the second one need not.
        unknown = await self._store.unknown_attributes(wanted.filter.names)
        fares = fares_of(ways, wish_of(wanted))
        audience = await self._outlook.audience(wanted, old, unknown, fares, by_zone=request.by_time_zone)
        *counts, not_served = audience.by_part(len(fares))
        unsent_of, served = old.id if old else None, sum(counts)
        letters = await letters_of(self._store, wanted, fares, served, self._segments_max, unsent_of)
        forecast = await self._outlook.preview(wanted, old, audience, fares, letters.incomplete)
        text = count_segments(wanted.text)
        return mailing_service_pb2.PreviewMailingResponse(
            audience=audience.size,
            suppressed=audience.suppressed,
            segments=text.segments,
            forecast=forecast_message(forecast),
            encoding=_ENCODINGS[text.encoding],
            units=text.units,
            incomplete=letters.incomplete,
            recipients=max(0, served - letters.incomplete),
            recipients_estimated=letters.estimated,
            segments_max=letters.segments_max,
            segments_total=letters.segments_total,
            cost=cost_of(letters, fares, counts),
            samples=letters.samples,
            warnings=[
                *warnings_of(wanted.filter, unknown),
                *letters.warnings,
                *not_served_warnings(not_served),
                *budget_warnings(wanted, fares, self._segments_max, counts),
            ],
            by_time_zone=audience.by_zone if request.by_time_zone or wanted.local_hours is not None else {},
        )

    async def TestMailing(
        self, request: test_text_pb2.TestMailingRequest, context: Context
    ) -> test_text_pb2.TestMailingResponse:
        """Send a text now, to try it."""
        return await self._trials.send(request, caller(context))

    async def GetMailingStats(
        self, request: mailing_service_pb2.GetMailingStatsRequest, context: Context
    ) -> mailing_stats_pb2.MailingStats:
        """Read the detailed statistics of a mailing."""
        mailing_id, points_max = request.mailing_id, request.timeline_points_max
        if points_max < 0:
            raise InvalidInput([FieldError("timeline_points_max", ErrorCode.NEGATIVE.format())])
        row = await self._store.mailing_stats(mailing_id)
        breakdown = await self._breakdowns.of(row)
        forecast = await self._outlook.of(row.mailing)
        return stats_message(row, breakdown, self._clock.now_us(), forecast, points_max)

    async def WatchMailing(
        self, request: mailing_service_pb2.WatchMailingRequest, context: Context
    ) -> AsyncIterator[mailing_stats_pb2.MailingProgress]:
        """Follow a mailing."""
        async with aclosing(self._watch.follow(request.mailing_id)) as progresses:
            async for progress in progresses:
                yield progress

    # -- shared ----------------------------------------------------------------------------------
    async def _warned(self, mailing: mailing_pb2.Mailing, asked: MailingInput | MailingRow) -> mailing_pb2.Mailing:
        """The mailing with its warnings; without those that it would take long to find out."""
        mailing.warnings.extend(self._standing.of_budget(asked))
        if names := asked.filter.names:
            with suppress(TimeoutError, StoreUnavailable, TooLong):
                async with asyncio.timeout(WARNING_SECONDS):
                    unknown = await self._questions.ask(
                        ("attributes", names), caller_key(), lambda: self._store.unknown_attributes(names)
                    )
                mailing.warnings.extend(warnings_of(asked.filter, unknown))
        return mailing

    async def _read(self, mailing_id: int) -> mailing_pb2.Mailing:
        row = await self._store.get_mailing(mailing_id)
        return mailing_message(row, self._clock.now_us())

    async def _calls_ended(self, mailing_id: int, deadline_us: int) -> None:
        """Wait until nothing is pending. What waited has ended with the cancel. What delivery still holds has not:
        messages in its queue are about to be given back, those in flight to be sent or put off."""
        while (await self._store.get_mailing(mailing_id)).counts.pending:
            if self._clock.now_us() >= deadline_us:
                break
            await self._clock.sleep(_CANCEL_STEP_SECONDS)

    async def _set_paused(
        self, mailing_id: int, paused: bool, key: RequestKey | None, by: Actor, now_us: int
    ) -> mailing_pb2.Mailing:
        return await self._steer(
            mailing_id,
            key,
            lambda: self._store.set_paused(
                mailing_id,
                paused,
                by=by,
                now_us=now_us,
                request=key,
                cheapest=lambda row: cheapest(row, self._control.ways(), self._segments_max),
            ),
        )

    async def _set_archived(
        self, mailing_id: int, archived: bool, key: RequestKey | None, by: Actor, now_us: int
    ) -> mailing_pb2.Mailing:
        async def change() -> Changed:
            with self._background.running.hold(key):
                return await self._store.set_archived(mailing_id, archived, by=by, now_us=now_us, request=key)

        changed = await self._background.whole(change())
        return mailing_message(changed.row, changed.answer_us)

    async def _steer(
        self,
        mailing_id: int,
        key: RequestKey | None,
        store: Callable[[], Awaitable[Changed]],
        follow: Callable[[], Awaitable[None]] = _no_more,
    ) -> mailing_pb2.Mailing:
        """Store a change, have delivery ``follow`` it, and tell the mailing as it then is; or as it was answered
        to the same request before."""

        async def change() -> Changed:
            changed = await store()
            # For a repeat, too: the first call may have ended between its commit and this.
            await self._control.refresh(mailing_id)
            return changed

        async def answer(key: RequestKey) -> mailing_pb2.Mailing:
            with self._background.running.hold(key):
                changed = await change()
                if changed.replayed:
                    return mailing_message(changed.row, changed.answer_us)
                await follow()
                row = await self._store.get_mailing(mailing_id)
                await self._store.amend_answer(key, row)
                return mailing_message(row, changed.answer_us)

        if key is not None:
            return await self._background.whole(answer(key))
        await self._background.whole(change())
        await follow()
        return await self._read(mailing_id)
