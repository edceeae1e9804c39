"""The stop list: search, add, take off. Files go through REST's own routes, with the panel's session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp_admin.backends.abc import Meta, Record
from grpc import StatusCode, aio

from admin.import_preview import fields_of_problem, preview_of, row_json, shown_by
from admin.resources.base import PanelResource
from common.contract.codec import json_of
from common.contract.values import Json, words
from common.error_codes import ErrorCode
from gateway.http.problems import Problem, invalid, of_rpc
from gateway.routes.common import json_answer
from gateway.routes.operations import binding_named
from gateway.tables.suppression_rows import FIELDS, PLAN
from gateway.tables.table_rows import ImportRow
from mailing.v1 import suppression_service_pb2 as pb
from mailing.v1.suppression_pb2 import Suppression, SuppressionReason

_CREATE: Final = binding_named("createSuppression")
_SOURCE: Final = "panel"
_IMPORT: Final = "import"
_REASONS: Final = {
    word: SuppressionReason.ValueType(number) for number, word in words(SuppressionReason.DESCRIPTOR).items()
}


class SuppressionResource(PanelResource):
    """Numbers that get no text. Lists are in the order in which they came."""

    name = "suppressions"
    kind = made_of = Suppression
    more_shown = ("id",)
    """The number."""
    filters = ("phone_contains", "search", "reason")

    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read a page; a part of the number is understood as people type it."""
        asked = pb.ListSuppressionsRequest(**paging)
        for name in {"phone_contains", "search"} & filters.keys():
            setattr(asked, name, str(filters[name]))
        if "reason" in filters:
            if filters["reason"] not in _REASONS:
                raise invalid([("/filter/reason", ErrorCode.NOT_A_CHOICE.format(choices=", ".join(_REASONS)))])
            asked.reason = _REASONS[filters["reason"]]
        found = await self.call(self.engine.suppressions.ListSuppressions, asked)
        return [_record(each) for each in found.suppressions], found.total_size

    async def create(self, data: Record, meta: Meta) -> Record:
        """Put a number on the list; ``created`` says whether it is new there."""
        said = {key: value for key, value in data.items() if value not in (None, "")}
        asked = await self.asked(_CREATE, {"source": _SOURCE, **said})
        answer = await self.call(self.engine.suppressions.CreateSuppression, asked)
        return {**_record(answer.suppression), "created": answer.created}

    def more_routes(self) -> Sequence[web.RouteDef]:
        """What an import will do."""
        preview = self._named(self._preview, "add")
        return (web.post("/suppressions/import_preview", preview, name="suppressions_import_preview"),)

    async def _preview(self, request: web.Request) -> web.Response:
        return json_answer(await preview_of(request, PLAN, shown_by(self._shown)))

    async def _shown(self, row: ImportRow) -> Json:
        said = {name: cell for name, cell in zip(FIELDS, row.cells, strict=True) if cell}
        # An import understands people's words, or keeps them in the note: none of them is an error.
        words = {name: cell for name, cell in said.items() if name == "reason" and cell not in _REASONS}
        try:
            asked = await self.asked(_CREATE, {"source": _IMPORT, **{k: v for k, v in said.items() if k not in words}})
            asked.validate_only = True
            answer = await self.call(self.engine.suppressions.CreateSuppression, asked)
        except Problem as problem:
            if problem.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
            return row_json(row.line, "bad", said, fields_of_problem(problem))
        except aio.AioRpcError as error:
            if error.code() is not StatusCode.INVALID_ARGUMENT:
                raise
            return row_json(row.line, "bad", said, fields_of_problem(of_rpc(error)))
        shown = {**json_of(answer.suppression), **(words if answer.created else {})}
        return row_json(row.line, "created" if answer.created else "unchanged", shown)

    async def delete(self, record_id: int, previous_data: Record, meta: Meta) -> Record:
        """Take a number off the list."""
        asked = pb.DeleteSuppressionRequest(phone_number=str(record_id))
        await self.call(self.engine.suppressions.DeleteSuppression, asked)
        return {"id": record_id}


def _record(entry: Suppression) -> Record:
    return {**json_of(entry), "id": entry.phone_number}
