"""SuppressionService and InboundService: the stop list, and the texts that put numbers on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from google.protobuf.empty_pb2 import Empty

from common.error_codes import ErrorCode, Unfit
from engine.api.background import Background
from engine.api.by_name import message_from
from engine.api.caller import caller, caller_key
from engine.api.context import Context
from engine.api.control import DeliveryControl
from engine.api.convert import both, chosen, client_query, micros, require_text
from engine.api.errors import Stopping
from engine.api.import_entries import Entries, Entry
from engine.api.importing import RowImport
from engine.api.limits import Limits
from engine.api.paging import page_of, token_after
from engine.api.questions import Questions, question_key
from engine.api.repeats import Running, request_key
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.phone import normalise
from engine.domain.stop_words import StopWords
from engine.domain.suppression import SuppressionInput, SuppressionReason, reason_and_note
from engine.ports import Clock
from engine.store.rows import MAX_PAGE_SIZE, Actor, PageOf
from engine.store.store import Store
from engine.store.suppression_rows import SuppressionQuery, SuppressionRow
from engine.store.suppressions import Suppressed, is_long_suppression_list
from mailing.v1 import inbound_service_pb2 as inbound
from mailing.v1 import inbound_service_pb2_grpc, suppression_pb2, suppression_service_pb2_grpc
from mailing.v1 import suppression_service_pb2 as service
from mailing.v1.client_service_pb2 import ListClientsRequest

API: Final = "api"
IMPORT: Final = "import"
INBOUND: Final = "inbound"
"""Sources of entries for which none is said."""
_NOTE_CHARACTERS: Final = 100
_NUMBERS: Final = {
    reason: suppression_pb2.SuppressionReason.Value(f"SUPPRESSION_REASON_{reason.name}") for reason in SuppressionReason
}
_ENTRY: Final = Limits(suppression_pb2.Suppression)
_ROW: Final = Limits(service.ImportSuppressionsRow)
_NUMBER: Final = Limits(service.DeleteSuppressionRequest)
_TEXT: Final = Limits(inbound.ReceiveTextRequest)

suppression_message: Final = message_from(SuppressionRow, suppression_pb2.Suppression, reason=_NUMBERS)
"""An entry as the API shows it."""


class SuppressionServicer(suppression_service_pb2_grpc.SuppressionServiceServicer):
    """See ``proto/mailing/v1/suppression_service.proto``."""

    def __init__(
        self,
        store: Store,
        control: DeliveryControl,
        clock: Clock,
        background: Background,
        stopping: asyncio.Event,
        questions: Questions,
    ) -> None:
        self._store, self._control, self._clock = store, control, clock
        self._background, self._stopping, self._questions = background, stopping, questions
        self._entries = Entries()

    async def CreateSuppression(
        self, request: service.CreateSuppressionRequest, context: Context
    ) -> service.CreateSuppressionResponse:
        """Put a number on the list."""
        by, now_us = caller(context), self._clock.now_us()
        entry, key = both(
            lambda: _ENTRY.checked(request.suppression, _entry),
            lambda: request_key("CreateSuppression", request, request.request_id, by),
        )

        if request.validate_only:
            return _answer(await self._store.would_add_suppression(entry, now_us=now_us))

        async def change() -> Suppressed:
            with self._background.running.hold(key):
                made = await self._store.add_suppression(entry, by=by, now_us=now_us, request=key)
                await follow(self._control, made.client_ids)
                return made

        return _answer(await self._background.whole(change()))

    async def ListSuppressions(
        self, request: service.ListSuppressionsRequest, context: Context
    ) -> service.ListSuppressionsResponse:
        """Read a page of the list."""
        query, page = both(lambda: _query(request), lambda: page_of(request))

        async def read() -> PageOf[SuppressionRow]:
            return await self._store.list_suppressions(query, page)

        if is_long_suppression_list(query, page):
            found = await self._questions.ask(question_key(request), caller_key(), read)
        else:
            found = await read()
        return service.ListSuppressionsResponse(
            suppressions=map(suppression_message, found.items),
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )

    async def DeleteSuppression(self, request: service.DeleteSuppressionRequest, context: Context) -> Empty:
        """Take a number off the list."""
        phone_number = _NUMBER.checked(request, _phone_number)

        async def change() -> None:
            by, now_us = caller(context), self._clock.now_us()
            await follow(self._control, await self._store.delete_suppression(phone_number, by=by, now_us=now_us))

        await self._background.whole(change())
        return Empty()

    async def ImportSuppressions(
        self, request_iterator: AsyncIterator[service.ImportSuppressionsRequest], context: Context
    ) -> service.ImportSuppressionsResponse:
        """Put many numbers on the list; each page is stored as it comes."""
        by, running = caller(context), self._background.running
        report: service.ImportSuppressionsResponse
        with self._entries.of(by, context) as entry:
            work = SuppressionImport(self._store, self._control, self._clock, by, running, entry)
            report = await work.run(request_iterator, self._background, self._stopping)
        return report

    async def ExportSuppressions(
        self, request: service.ExportSuppressionsRequest, context: Context
    ) -> AsyncIterator[service.ExportSuppressionsResponse]:
        """Read the whole list, page by page."""
        query, page = both(lambda: _query(request), lambda: page_of(request, default=MAX_PAGE_SIZE))
        async for rows in self._store.export_suppressions(query, page.size):
            if self._stopping.is_set():
                raise Stopping
            yield service.ExportSuppressionsResponse(suppressions=map(suppression_message, rows))


class InboundServicer(inbound_service_pb2_grpc.InboundServiceServicer):
    """See ``proto/mailing/v1/inbound_service.proto``."""

    def __init__(
        self, store: Store, control: DeliveryControl, clock: Clock, background: Background, stop_words: StopWords
    ) -> None:
        self._store, self._control, self._clock = store, control, clock
        self._background, self._stop_words = background, stop_words

    async def ReceiveText(self, request: inbound.ReceiveTextRequest, context: Context) -> inbound.ReceiveTextResponse:
        """Put the sender's number on the list, if the text asks for that."""
        by, now_us = caller(context), self._clock.now_us()
        phone_number, key = both(
            lambda: _TEXT.checked(request, _sender),
            lambda: request_key("ReceiveText", request, request.request_id, by),
        )
        is_stop = self._stop_words.has(request.text)
        action = inbound.INBOUND_ACTION_SUPPRESSED if is_stop else inbound.INBOUND_ACTION_IGNORED
        if request.validate_only or (key is None and not is_stop):
            return inbound.ReceiveTextResponse(action=action)
        note = " ".join(request.text.split())[:_NOTE_CHARACTERS]
        entry = SuppressionInput(phone_number, SuppressionReason.OPT_OUT, note, INBOUND)
        sent_us = micros(request.time) if request.HasField("time") else None

        async def change() -> Any:
            with self._background.running.hold(key):
                if key is not None and not is_stop:
                    return await self._store.answer_once(key, action, now_us)
                done = await self._store.receive_stop_word(
                    entry, by=by, now_us=now_us, sent_us=sent_us, request=key, answer=action
                )
                await follow(self._control, done.client_ids)
                return done.answer

        return inbound.ReceiveTextResponse(action=await self._background.whole(change()))


class SuppressionImport(RowImport):
    """One run of ImportSuppressions."""

    method = "ImportSuppressions"

    def __init__(
        self, store: Store, control: DeliveryControl, clock: Clock, by: Actor, running: Running, entry: Entry
    ) -> None:
        super().__init__(store, clock, by, running, service.ImportSuppressionsResponse())
        self._control, self._entry = control, entry

    def read(self, row: service.ImportSuppressionsRow) -> SuppressionInput:
        """See ``RowImport``."""
        return _ROW.checked(row, _row_entry)

    async def keep(self, good: Sequence[SuppressionInput]) -> Mapping[int, InvalidInput]:
        """See ``RowImport``."""
        made = await self._store.import_suppressions(
            good, by=self.by, now_us=self.clock.now_us(), event_id=self._entry.event_id
        )
        self._entry.event_id = made.event_id
        self.report.created += made.created
        self.report.unchanged += len(good) - made.created
        await follow(self._control, made.client_ids)
        return {}


def _answer(made: Suppressed) -> service.CreateSuppressionResponse:
    return service.CreateSuppressionResponse(suppression=suppression_message(made.row), created=made.is_new)


async def follow(control: DeliveryControl, client_ids: Sequence[int]) -> None:
    """Wait until no call begins, on any engine, with what these clients were before."""
    if client_ids:
        await control.clients_changed(client_ids)
        await control.clients_followed(client_ids)


def _phone_number(message: Any, *texts: str) -> int:
    """The message's number. Raises InvalidInput, also for U+0000 in these of its texts."""
    errors = [FieldError(name, ErrorCode.NULL_CHARACTER.format()) for name in texts if "\0" in getattr(message, name)]
    phone_number = 0
    try:
        phone_number = normalise(message.phone_number)
    except Unfit as error:
        errors.insert(0, FieldError("phone_number", error.fault))
    if errors:
        raise InvalidInput(errors)
    return phone_number


def _sender(request: inbound.ReceiveTextRequest) -> int:
    return _phone_number(request, "text")


def _entry(entry: suppression_pb2.Suppression) -> SuppressionInput:
    reason = SuppressionReason(entry.reason) if entry.reason in _NUMBERS.values() else SuppressionReason.MANUAL
    return SuppressionInput(_phone_number(entry, "note", "source"), reason, entry.note, entry.source or API)


def _row_entry(row: service.ImportSuppressionsRow) -> SuppressionInput:
    reason, note = reason_and_note(row.reason, row.note)
    said = suppression_pb2.Suppression(phone_number=row.phone_number, note=note, source=row.source or IMPORT)
    return replace(_entry(said), reason=reason)


def _query(request: service.ListSuppressionsRequest | service.ExportSuppressionsRequest) -> SuppressionQuery:
    """The filters of a list. Raises InvalidInput for what can't be understood."""
    require_text(request, "search")
    numbers = {name: getattr(request, name) for name in ("phone_number", "phone_contains") if request.HasField(name)}
    found, reason = both(
        lambda: client_query(ListClientsRequest(**numbers)), lambda: chosen(_NUMBERS, request.reason, "reason")
    )
    return SuppressionQuery(found.phone_number, reason, found.phone_contains, request.search or None)
