"""One run of ImportClients: rows are checked and stored in small parts, the report is added up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, Self

import orjson

from common.contract.reader import fields_of
from common.error_codes import ErrorCode
from engine.api.control import DeliveryControl
from engine.api.import_checks import ImportCheck
from engine.api.limits import Limits
from engine.api.repeats import InProgress, Running, digest_for, scoped_id
from engine.domain.attributes import FIELD, too_many
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.validate import ClientPatch, valid_client
from engine.ports import Clock
from engine.store.rows import Actor, Imported, RequestKey
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

_METHOD: Final = "ImportClients"
_SOURCE_DIGEST_BYTES_MAX: Final = 64
_SILENT: Final = b"skip_open_mailings"
_SOURCE_MARK: Final = b"\xff\xff\xff\xff"
"""Stands before the source's digest, where before a row stands its length, which is never so large."""
_LIMITS: Final = Limits(client_service_pb2.ImportClientsRow)
_OPTIONAL: Final = [
    field.name
    for field in fields_of(client_service_pb2.ImportClientsRow.DESCRIPTOR)
    if field.has_presence and field.name != FIELD
]
_NO_ATTRIBUTES: Final[Mapping[str, Any]] = {}

Rows = Sequence[client_service_pb2.ImportClientsRow]


class Import:
    """``async with`` it; ``begin`` for each page, ``parts`` of it, ``store`` for each part; then ``finish``.

    With a request id that has an answer the rows, and what the caller has made them of, are only compared with those
    of the first time, by their digest: which rows came is known at the end, so the answer is, too.
    """

    def __init__(
        self,
        store: Store,
        control: DeliveryControl,
        clock: Clock,
        by: Actor,
        running: Running,
        default_time_zone: str,
    ) -> None:
        self._default_time_zone = default_time_zone
        self._store, self._control, self._clock, self._by = store, control, clock, by
        self._running, self._held = running, ExitStack()
        self._rows_seen, self._begun, self._answered = 0, False, False
        self._request_id = ""
        self._check: ImportCheck | None = None
        self._silent = False
        self._errors_left, self._bytes_left = ERRORS_MAX, ERROR_BYTES_MAX
        self._texts: set[tuple[str, str]] = set()
        self._scoped_id: str | None = None
        self._digest, self._source_digest = hashlib.sha256(), b""
        self.report = client_service_pb2.ImportClientsResponse()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let others with this request id go on."""
        self._held.close()

    async def begin(self, page: client_service_pb2.ImportClientsRequest) -> None:
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
        self._check = ImportCheck(self._store) if page.validate_only else None
        self._silent = page.skip_open_mailings
        self._scoped_id = None if self._check else scoped_id(page.request_id, self._by)
        if self._scoped_id is not None:
            self._held.enter_context(self._running.hold(self._scoped_id))
            self._answered = await self._store.request_known(self._scoped_id, _METHOD)

    def parts(self, page: client_service_pb2.ImportClientsRequest) -> Iterator[Rows]:
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
        good: list[ClientPatch] = []
        for row in rows:
            self._rows_seen += 1
            line = row.line or self._rows_seen
            if (patch := self._checked(line, row)) is not None:
                lines.append(line)
                good.append(patch)
        if not good:
            if self._errors_left == 0:  # nothing but bad rows, and more than anybody will be told of: that can wait
                await self._clock.sleep(_REST_SECONDS)
            return
        now_us = self._clock.now_us()
        if self._check is not None:
            would = await self._check.look_at(good, now_us)
            self._count(would.outcomes, would.refused, lines)
            return
        result = await self._store.import_clients(good, by=self._by, now_us=now_us, silent=self._silent)
        self._count(result.outcomes, result.refused, lines)
        if result.changed_ids:
            await self._control.clients_changed(result.changed_ids)

    def _count(self, outcomes: Sequence[Imported], refused: Mapping[int, int], lines: Sequence[int]) -> None:
        self.report.created += outcomes.count(Imported.CREATED)
        self.report.updated += outcomes.count(Imported.UPDATED)
        self.report.unchanged += outcomes.count(Imported.UNCHANGED)
        for place, count in refused.items():
            self._reject(lines[place], InvalidInput([too_many(count)]))

    async def finish(self) -> client_service_pb2.ImportClientsResponse:
        """Return the report: that of the first time, when it was asked for before.

        Raises:
            Conflict: the request id was used for other rows.
        """
        if self._check is not None:
            return self._checked_report(self._check)
        if self.report.updated:  # once, and not for each part: others have to be waited for
            await self._control.clients_followed()
        if self._scoped_id is None:
            return self.report
        for more in (self._source_digest, _SILENT if self._silent else b""):
            self._digest.update(_SOURCE_MARK + more if more else b"")
        key = RequestKey(self._scoped_id, _METHOD, digest_for(_METHOD, self._request_id, self._digest.digest()))
        if self._answered:
            answer = await self._store.stored_answer(key)
            if answer is None:  # forgotten meanwhile, it was that old: none of these rows was stored
                raise InProgress
        else:
            own = _answer(self.report)
            answer = await self._store.answer_once(key, own, self._clock.now_us())
            if answer == own:  # as a rule; a second report with all its errors would take as much memory again
                return self.report
        return _report(answer)

    def _checked_report(self, check: ImportCheck) -> client_service_pb2.ImportClientsResponse:
        for mailing_id, number in sorted(check.reach.items()):
            if number:
                self.report.open_mailings.add(mailing_id=mailing_id, client_count=number)
        return self.report

    def _add_source(self, source_digest: bytes) -> None:
        if len(source_digest) > _SOURCE_DIGEST_BYTES_MAX:
            problem = ErrorCode.TOO_MANY_BYTES.format(max=_SOURCE_DIGEST_BYTES_MAX, count=len(source_digest))
            raise InvalidInput([FieldError("source_digest", problem)])
        self._source_digest = source_digest or self._source_digest

    def _add_to_digest(self, rows: Rows) -> None:
        for row in rows:
            data = row.SerializeToString(deterministic=True)
            self._digest.update(len(data).to_bytes(4, "big") + data)

    def _checked(self, line: int, row: client_service_pb2.ImportClientsRow) -> ClientPatch | None:
        try:
            return _LIMITS.checked(row, _patch, self._default_time_zone)
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


def _patch(row: client_service_pb2.ImportClientsRow, default_time_zone: str) -> ClientPatch:
    """A row that may be stored. Raises InvalidInput with every bad field."""
    attributes = _attributes_said(row.attributes) if row.attributes else _NO_ATTRIBUTES
    client = valid_client(row, default_time_zone, attributes, may_remove=True)
    return ClientPatch(client, _unsaid(row), attributes)


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


def _answer(report: client_service_pb2.ImportClientsResponse) -> dict[str, Any]:
    """A report as it is stored: each text once, for many rows have the same fault."""
    faults: dict[tuple[str, str], list[Any]] = {}
    for each in report.errors:
        faults.setdefault((each.field, each.message), [each.field, each.message, each.code, dict(each.arguments)])
    numbers = {key: number for number, key in enumerate(faults)}
    return {
        "counts": [report.created, report.updated, report.unchanged, report.rejected],
        "lines": [each.line for each in report.errors],
        "faults": [numbers[each.field, each.message] for each in report.errors],
        "texts": list(faults.values()),
    }


def _report(answer: dict[str, Any]) -> client_service_pb2.ImportClientsResponse:
    """A report as it was stored; answers from before codes were kept have none."""
    created, updated, unchanged, rejected = answer["counts"]
    report = client_service_pb2.ImportClientsResponse(
        created=created, updated=updated, unchanged=unchanged, rejected=rejected
    )
    for line, number in zip(answer["lines"], answer["faults"], strict=True):
        field, message, *more = answer["texts"][number]
        code, arguments = more or ("", {})
        report.errors.add(line=line, field=field, message=message, code=code, arguments=arguments)
    return report
