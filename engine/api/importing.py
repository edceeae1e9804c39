"""One run of an import: rows are checked and stored in small parts, the report is added up."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar, Final, Self

import orjson

from common.contract.reader import Kind, fields_of
from common.error_codes import ErrorCode
from common.number_zones import zone_of_number
from engine.api.background import Background
from engine.api.control import DeliveryControl
from engine.api.errors import Stopping
from engine.api.import_checks import ImportCheck
from engine.api.import_entries import Entry
from engine.api.limits import Limits
from engine.api.repeats import InProgress, Running, digest_for, scoped_id
from engine.domain.attributes import FIELD, too_many
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.validate import ZONE, ClientPatch, valid_client, valid_zone
from engine.ports import Clock
from engine.store.client_rows import Imported
from engine.store.rows import Actor, RequestKey
from engine.store.store import Store
from mailing.v1 import client_service_pb2

PAGE_ROWS_MAX: Final = 10_000
ERRORS_MAX: Final = 1_000
"""More are only counted: with their texts they fit into an answer of 4 MiB, which is what a gRPC client takes by
default, and an answer that is kept for repeats is small."""
ERROR_BYTES_MAX: Final = 128 * 1024
"""Of the texts of all errors together, each counted once however often it is there."""
_FIELD_CHARACTERS_MAX: Final = 50
_ROW_ERRORS_MAX: Final = 10
_MESSAGE_CHARACTERS_MAX: Final = 200
_REST_SECONDS: Final = 0.03
_PART_ROWS: Final = 500
"""Checking so many takes some 5 ms, during which the event loop does nothing else."""

_SOURCE_DIGEST_BYTES_MAX: Final = 64
_SILENT: Final = b"skip_open_mailings"
_BY_NUMBER: Final = b"time_zone_by_number"
_OF_ALL: Final = b"time_zone="
_DEFAULT: Final = b"default_time_zone="
_SOURCE_MARK: Final = b"\xff\xff\xff\xff"
"""Stands before the source's digest, where before a row stands its length, which is never so large."""
_LIMITS: Final = Limits(client_service_pb2.ImportClientsRow)
_OPTIONAL: Final = [
    field.name
    for field in fields_of(client_service_pb2.ImportClientsRow.DESCRIPTOR)
    if field.has_presence and field.name != FIELD
]
_NO_ATTRIBUTES: Final[Mapping[str, Any]] = {}

Rows = Sequence[Any]
"""Of one kind: messages of the contract with a ``line``."""


class RowImport(ABC):
    """An import of rows of any kind; ``run`` it.

    With a request id that has an answer the rows, and what the caller has made them of, are only compared with those
    of the first time, by their digest: which rows came is known at the end, so the answer is, too.
    """

    method: ClassVar[str]
    """The RPC's name."""

    def __init__(self, store: Store, clock: Clock, by: Actor, running: Running, report: Any) -> None:
        """``report``: the answer, still empty: counts, and errors."""
        self._store, self.clock, self.by, self.report = store, clock, by, report
        self._running, self._held = running, ExitStack()
        self._rows_seen, self._begun, self._answered = 0, False, False
        self._request_id = ""
        self._errors_left, self._bytes_left = ERRORS_MAX, ERROR_BYTES_MAX
        self._texts: set[tuple[str, str]] = set()
        self._scoped_id: str | None = None
        self._digest, self._source_digest = hashlib.sha256(), b""

    @abstractmethod
    def read(self, row: Any) -> Any:
        """What a row says. Raises InvalidInput."""

    @abstractmethod
    async def keep(self, good: Sequence[Any]) -> Mapping[int, InvalidInput]:
        """Store what these rows say, as one transaction, and count it in the report; return those that it has refused
        after all, by their places."""

    def first(self, page: Any) -> bool:
        """Look at what else the first page says. True: nothing is stored, so there is no answer to keep."""
        return False

    def how(self) -> bytes:
        """What makes it another request besides its rows."""
        return b""

    async def settle(self) -> None:  # noqa: B027 - most have nothing to do
        """All is stored: wait for what follows from it."""

    async def run(self, pages: AsyncIterator[Any], background: Background, stopping: asyncio.Event) -> Any:
        """Take all pages; return the report.

        Raises:
            Stopping: the engine stops; the pages before are stored.
            InvalidInput, InProgress, Conflict: see ``begin``, ``parts``, ``finish``.
        """
        async with self:
            async for page in pages:
                if stopping.is_set():
                    raise Stopping
                await self.begin(page)
                for part in self.parts(page):
                    await background.whole(self.store(part))
            return await background.whole(self.finish())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let others with this request id go on."""
        self._held.close()

    async def begin(self, page: Any) -> None:
        """Look at the request id and at how many errors are to be listed, those of the first page count; and at
        the source's digest, that of any page.

        Raises:
            InvalidInput: they can't be that, or a later page has another request id.
            InProgress: an import with it is running.
            Conflict: it was used for something else.
        """
        self._add_source(page.source_digest)
        if self._begun:
            if page.request_id not in ("", self._request_id):
                raise InvalidInput([FieldError("request_id", ErrorCode.OTHER_REQUEST_ID.format())])
            return
        self._begun, self._request_id = True, page.request_id
        if page.errors_max < 0:
            raise InvalidInput([FieldError("errors_max", ErrorCode.NEGATIVE.format())])
        self._errors_left = min(page.errors_max or ERRORS_MAX, ERRORS_MAX)
        self._scoped_id = None if self.first(page) else scoped_id(page.request_id, self.by)
        if self._scoped_id is not None:
            self._held.enter_context(self._running.hold(self._scoped_id))
            self._answered = await self._store.request_known(self._scoped_id, self.method)

    def parts(self, page: Any) -> Iterator[Rows]:
        """Cut a page. Raises InvalidInput when it is too large."""
        if len(page.rows) > PAGE_ROWS_MAX:
            fault = ErrorCode.TOO_MANY_ENTRIES.format(max=PAGE_ROWS_MAX, count=len(page.rows))
            raise InvalidInput([FieldError("rows", fault)])
        for begin in range(0, len(page.rows), _PART_ROWS):
            yield page.rows[begin : begin + _PART_ROWS]

    async def store(self, rows: Rows) -> None:
        """Check and store one part, as one transaction; bad rows are reported and left out."""
        if self._scoped_id is not None:
            self._add_to_digest(rows)
        if self._answered:
            return
        lines: list[int] = []
        good: list[Any] = []
        for row in rows:
            self._rows_seen += 1
            line = row.line or self._rows_seen
            if (patch := self._checked(line, row)) is not None:
                lines.append(line)
                good.append(patch)
        if not good:
            if self._errors_left == 0:  # nothing but bad rows, and more than anybody will be told of: that can wait
                await self.clock.sleep(_REST_SECONDS)
            return
        for place, error in (await self.keep(good)).items():
            self._reject(lines[place], error)

    async def finish(self) -> Any:
        """Return the report: that of the first time, when it was asked for before.

        Raises:
            Conflict: the request id was used for other rows.
        """
        await self.settle()
        if self._scoped_id is None:
            return self.report
        for more in (self._source_digest, self.how()):
            self._digest.update(_SOURCE_MARK + more if more else b"")
        key = RequestKey(self._scoped_id, self.method, digest_for(self.method, self._request_id, self._digest.digest()))
        if self._answered:
            answer = await self._store.stored_answer(key)
            if answer is None:  # forgotten meanwhile, it was that old: none of these rows was stored
                raise InProgress
        else:
            own = _answer(self.report)
            answer = await self._store.answer_once(key, own, self.clock.now_us())
            if answer == own:  # as a rule; a second report with all its errors would take as much memory again
                return self.report
        return _report(answer, type(self.report))

    def _add_source(self, source_digest: bytes) -> None:
        if len(source_digest) > _SOURCE_DIGEST_BYTES_MAX:
            problem = ErrorCode.TOO_MANY_BYTES.format(max=_SOURCE_DIGEST_BYTES_MAX, count=len(source_digest))
            raise InvalidInput([FieldError("source_digest", problem)])
        self._source_digest = source_digest or self._source_digest

    def _add_to_digest(self, rows: Rows) -> None:
        for row in rows:
            data = row.SerializeToString(deterministic=True)
            self._digest.update(len(data).to_bytes(4, "big") + data)

    def _checked(self, line: int, row: Any) -> Any:
        try:
            return self.read(row)
        except InvalidInput as error:
            self._reject(line, error)
            return None

    def _reject(self, line: int, error: InvalidInput) -> None:
        self.report.rejected += 1
        for each in error.errors[: min(self._errors_left, _ROW_ERRORS_MAX)]:
            fault = each.fault
            text = each.field[:_FIELD_CHARACTERS_MAX], fault[:_MESSAGE_CHARACTERS_MAX]
            if text not in self._texts:
                self._texts.add(text)
                parts = (*text, fault.code, *fault.arguments, *fault.arguments.values())
                self._bytes_left -= sum(len(part.encode(errors="replace")) for part in parts)
            if self._bytes_left < 0:
                self._errors_left = 0  # the first ones, without a gap
                return
            self._errors_left -= 1
            self.report.errors.add(
                line=line, field=text[0], message=text[1], code=fault.code, arguments=fault.arguments
            )


class Import(RowImport):
    """One run of ImportClients."""

    method = "ImportClients"

    def __init__(
        self,
        store: Store,
        control: DeliveryControl,
        clock: Clock,
        by: Actor,
        running: Running,
        default_time_zone: str,
        entry: Entry,
    ) -> None:
        super().__init__(store, clock, by, running, client_service_pb2.ImportClientsResponse())
        self._control, self._default_time_zone = control, default_time_zone
        self._check: ImportCheck | None = None
        self._silent = self._by_number = False
        self._zone_of_all = self._own_default = ""
        self._entry = entry

    def first(self, page: client_service_pb2.ImportClientsRequest) -> bool:
        """See ``RowImport``."""
        self._check = ImportCheck(self._store) if page.validate_only else None
        self._silent, self._by_number = page.skip_open_mailings, page.time_zone_by_number
        if page.default_time_zone:
            self._own_default = self._default_time_zone = valid_zone(page.default_time_zone)
        if page.time_zone:
            self._zone_of_all = self._default_time_zone = valid_zone(page.time_zone)
        return page.validate_only

    def how(self) -> bytes:
        """See ``RowImport``."""
        zone = _OF_ALL + self._zone_of_all.encode() if self._zone_of_all else b""
        zone += _DEFAULT + self._own_default.encode() if self._own_default else b""
        return (_SILENT if self._silent else b"") + (_BY_NUMBER if self._by_number else b"") + zone

    def read(self, row: client_service_pb2.ImportClientsRow) -> ClientPatch:
        """See ``RowImport``."""
        patch = _LIMITS.checked(row, _patch, self._default_time_zone, self._by_number)
        return patch.with_zone() if self._zone_of_all else patch

    async def keep(self, good: Sequence[ClientPatch]) -> Mapping[int, InvalidInput]:
        """See ``RowImport``."""
        now_us = self.clock.now_us()
        if self._check is not None:
            would = await self._check.look_at(good, now_us)
            return self._counted(good, would.outcomes, would.refused)
        result = await self._store.import_clients(
            good, by=self.by, now_us=now_us, silent=self._silent, event_id=self._entry.event_id
        )
        self._entry.event_id = result.event_id
        if result.changed_ids:
            await self._control.clients_changed(result.changed_ids)
        return self._counted(good, result.outcomes, result.refused)

    def _counted(
        self, rows: Sequence[ClientPatch], outcomes: Sequence[Imported], refused: Mapping[int, int]
    ) -> Mapping[int, InvalidInput]:
        self.report.created += outcomes.count(Imported.CREATED)
        self.report.updated += outcomes.count(Imported.UPDATED)
        self.report.unchanged += outcomes.count(Imported.UNCHANGED)
        for row, outcome in zip(rows, outcomes, strict=True):
            if row.without_zone and (outcome is Imported.CREATED or ZONE not in row.unsaid):
                self.report.without_time_zone += 1
                self.report.zone_told_by_number += zone_of_number(str(row.phone_number)) is not None
        return {place: InvalidInput([too_many(count)]) for place, count in refused.items()}

    async def settle(self) -> None:
        """See ``RowImport``: once, and not for each part, because others have to be waited for."""
        if self._check is not None:
            self.report.client_count = self._check.client_count
            for mailing_id, number in sorted(self._check.reach.items()):
                if number:
                    self.report.open_mailings.add(mailing_id=mailing_id, client_count=number)
        elif self.report.updated:
            await self._control.clients_followed()


def _patch(row: client_service_pb2.ImportClientsRow, default_time_zone: str, zone_by_number: bool) -> ClientPatch:
    """A row that may be stored. Raises InvalidInput with every bad field."""
    attributes = _attributes_said(row.attributes) if row.attributes else _NO_ATTRIBUTES
    client = valid_client(row, default_time_zone, attributes, may_remove=True, zone_by_number=zone_by_number)
    return ClientPatch(client, _unsaid(row), attributes, not row.time_zone)


def _attributes_said(text: str) -> dict[str, Any]:
    """What a row says of attributes, by name. Raises InvalidInput: the text is no object of JSON."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise InvalidInput([FieldError(FIELD, ErrorCode.NOT_OBJECT.format())])
    return found


def _unsaid(row: Any) -> tuple[str, ...]:
    """The fields of an ImportClientsRow that are not set. Attributes are never set as a whole."""
    return (*[name for name in _OPTIONAL if not row.HasField(name)], FIELD)


def _counts(kind: type[Any]) -> list[str]:
    """The names of a report's counts, in the order of the contract."""
    return [field.name for field in fields_of(kind.DESCRIPTOR) if field.kind is Kind.WHOLE]


def _answer(report: Any) -> dict[str, Any]:
    """A report as it is stored: each text once, for many rows have the same fault."""
    faults: dict[tuple[str, str], list[Any]] = {}
    for each in report.errors:
        faults.setdefault((each.field, each.message), [each.field, each.message, each.code, dict(each.arguments)])
    numbers = {key: number for number, key in enumerate(faults)}
    return {
        "counts": [getattr(report, name) for name in _counts(type(report))],
        "lines": [each.line for each in report.errors],
        "faults": [numbers[each.field, each.message] for each in report.errors],
        "texts": list(faults.values()),
    }


def _report(answer: dict[str, Any], kind: type[Any]) -> Any:
    """A report as it was stored; answers from before codes were kept have none, nor the counts that came later."""
    report = kind(**dict(zip(_counts(kind), answer["counts"], strict=False)))
    for line, number in zip(answer["lines"], answer["faults"], strict=True):
        field, message, *more = answer["texts"][number]
        code, arguments = more or ("", {})
        report.errors.add(line=line, field=field, message=message, code=code, arguments=arguments)
    return report
