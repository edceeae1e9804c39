"""One run of ImportClients: rows are checked and stored in small parts, the report is added up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from engine.api.control import DeliveryControl
from engine.domain.errors import FieldError, InvalidInput
from engine.domain.validate import ClientPatch, valid_patch
from engine.ports import Clock
from engine.store.rows import Actor, Imported
from engine.store.store import Store
from mailing.v1 import client_service_pb2

PAGE_ROWS_MAX: Final = 10_000
ERRORS_MAX: Final = 10_000
"""So many fit into one answer of 4 MiB, which is what a gRPC client takes by default."""
_PART_ROWS: Final = 500
"""Checking so many takes some 5 ms, during which the event loop does nothing else."""

Rows = Sequence[client_service_pb2.ImportClientsRow]


class Import:
    """``parts`` for each page, ``store`` for each part, then ``report``."""

    def __init__(self, store: Store, control: DeliveryControl, clock: Clock, by: Actor) -> None:
        self._store, self._control, self._clock, self._by = store, control, clock, by
        self._rows_seen = 0
        self.report = client_service_pb2.ImportClientsResponse()

    def parts(self, page: client_service_pb2.ImportClientsRequest) -> Iterator[Rows]:
        """Cut a page. Raises InvalidInput when it is too large."""
        if len(page.rows) > PAGE_ROWS_MAX:
            raise InvalidInput([FieldError("rows", f"must have at most {PAGE_ROWS_MAX} entries, not {len(page.rows)}")])
        for begin in range(0, len(page.rows), _PART_ROWS):
            yield page.rows[begin : begin + _PART_ROWS]

    async def store(self, rows: Rows) -> None:
        """Check and store one part, as one transaction; bad rows are reported and left out."""
        good = [row for row in map(self._checked, rows) if row is not None]
        if not good:
            return
        result = await self._store.import_clients(good, by=self._by, now_us=self._clock.now_us())
        self.report.created += result.count(Imported.CREATED)
        self.report.updated += result.count(Imported.UPDATED)
        self.report.unchanged += result.count(Imported.UNCHANGED)
        if result.changed_ids:
            await self._control.clients_changed(result.changed_ids)

    def _checked(self, row: client_service_pb2.ImportClientsRow) -> ClientPatch | None:
        self._rows_seen += 1
        try:
            return valid_patch(
                row.phone_number,
                row.phone_code if row.HasField("phone_code") else None,
                row.tag if row.HasField("tag") else None,
                row.time_zone if row.HasField("time_zone") else None,
            )
        except InvalidInput as error:
            self._reject(row.line or self._rows_seen, error)
            return None

    def _reject(self, line: int, error: InvalidInput) -> None:
        self.report.rejected += 1
        for each in error.errors[: ERRORS_MAX - len(self.report.errors)]:
            self.report.errors.add(line=line, field=each.field, message=each.message)
