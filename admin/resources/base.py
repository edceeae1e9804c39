"""What the panel's resources share: reading in bulk, and writing with the record in the body.

aiohttp-admin puts a record to write into the URL, where 8 KiB are the end and access logs see phone numbers
(docs/measured.md). The handlers here take the same parameters from a JSON body. Its reading deciphers the session and
asks for a permission for each field of each row: 0.3 s for 1,000 rows, and 0.013 s here, where both are done once a
request, since no role sees half a record. The engine decides what a person may do.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import cached_property
from typing import Any, ClassVar, Final

from aiohttp import web
from aiohttp_admin.backends.abc import AbstractAdminResource, GetListParams, Meta, Record
from aiohttp_admin.types import comp
from aiohttp_security import check_permission
from google.protobuf.message import Message
from grpc import StatusCode, aio

from admin.permissions import least_role
from admin.resources import parameters
from admin.session import Handler, Sessions
from common.contract.reader import OF_THE_CALL, Binding, fields_of
from gateway.http.admission import Whom
from gateway.http.engine_client import EngineClient
from gateway.http.problems import BadField, invalid
from gateway.routes.common import json_answer
from gateway.routes.operations import NOTHING, checked_request

_AT_ONCE: Final = 50
"""Records that are read beside each other when a page asks for several by id."""
_request: ContextVar[web.Request] = ContextVar("request")


class PanelResource(AbstractAdminResource[int]):
    """A collection of the engine's, for react-admin's data provider.

    A subclass says its ``name``, the keys that it shows and takes, and how they become calls. What it
    can't do stays 405.
    """

    kind: ClassVar[type[Message]]
    """What a record is in the contract: its keys are those of REST."""
    more_shown: ClassVar[Sequence[str]] = ()
    """Keys of a record besides."""
    made_of: ClassVar[type[Message] | None] = None
    """The message whose fields people fill in; None: nobody writes records."""
    filters: ClassVar[Sequence[str]] = ()
    """Keys that a list may be asked for by; any other is refused, for a filter that does nothing would lie."""
    switches: ClassVar[Sequence[str]] = ()
    """Those of them that are true or not there."""
    by_names: ClassVar[Sequence[str]] = ()
    """Those of them that are texts by names."""
    primary_key = "id"
    omit_fields: set[str] = set()  # noqa: RUF012 - aiohttp-admin declares it so
    _id_type = int
    _foreign_rows: set[str] = set()  # noqa: RUF012

    def __init__(self, engine: EngineClient, sessions: Sessions) -> None:
        shown = [field.name for field in fields_of(self.kind.DESCRIPTOR)]
        fields = () if self.made_of is None else fields_of(self.made_of.DESCRIPTOR)
        self.editable = [field.name for field in fields if field.is_written and field.name not in OF_THE_CALL]
        # How the panel shows them is its own (static/pages): to aiohttp-admin these are names, for its permissions.
        self.fields = {key: comp("TextField") for key in [*shown, *self.more_shown]}
        self.inputs = {key: {**comp("TextInput"), "show_create": True} for key in self.editable}
        super().__init__()
        self.engine = engine
        self._sessions = sessions

    async def call(self, method: Callable[..., Any], message: Any, *, seconds: float | None = None) -> Any:
        """Call the engine in the name of whoever asks. Raises AioRpcError, which the gateway turns into a problem."""
        return await self.engine.call(_request.get(), method, message, seconds=seconds)

    async def asked(self, binding: Binding, data: Mapping[str, Any], said: Mapping[str, Any] = NOTHING) -> Any:
        """The request of a method for what somebody has filled in.

        Raises:
            Problem: 422 with all that is bad, what only the engine finds included.
        """
        return await checked_request(_request.get(), self.engine, binding, data, said)

    # -- reading --------------------------------------------------------------------------------

    async def get_list(self, params: GetListParams) -> tuple[list[Record], int]:
        """Return a page, and how many there are. Raises Problem (422) with all that is bad."""
        paging, bad = parameters.paging(params, self.primary_key)
        filters, bad_filters = self.filters_of(params["filter"])
        if bad or bad_filters:
            raise invalid(bad + bad_filters)
        return await self.page(paging, filters)

    def filters_of(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[BadField]]:
        """The filters that say something, and what is bad."""
        return parameters.filters_of(given, self.filters, self.switches, self.by_names)

    def filters_in(self, request: web.Request) -> dict[str, Any]:
        """The ``filter`` of a query, of what is no list: an object, as the list has it. Raises Problem (422)."""
        filters, bad = self.filters_of(parameters.filter_in(request))
        if bad:
            raise invalid(bad)
        return filters

    @abstractmethod
    async def page(self, paging: Mapping[str, Any], filters: Mapping[str, Any]) -> tuple[list[Record], int]:
        """Read a page; ``paging`` has ``page_size``, ``skip`` and ``order_by`` of the List request."""

    async def get_many(self, record_ids: Sequence[int], meta: Meta) -> list[Record]:
        """Return those that exist."""
        found: list[Record] = []
        for begin in range(0, len(record_ids), _AT_ONCE):
            asking = (self._found(each, meta) for each in record_ids[begin : begin + _AT_ONCE])
            found += [each for each in await asyncio.gather(*asking) if each is not None]
        return found

    async def _found(self, record_id: int, meta: Meta) -> Record | None:
        try:
            return await self.get_one(record_id, meta)
        except aio.AioRpcError as error:
            if error.code() is StatusCode.NOT_FOUND:
                return None
            raise

    # -- writing ------------------------------------------------------------------------------------

    async def get_one(self, record_id: int, meta: Meta) -> Record:
        """Read one record."""
        raise _unknown()

    async def create(self, data: Record, meta: Meta) -> Record:
        """Make one."""
        raise _unknown()

    async def update(self, record_id: int, data: Record, previous_data: Record, meta: Meta) -> Record:
        """Change what is in ``data``."""
        raise _unknown()

    async def update_many(self, record_ids: Sequence[int], data: Record, meta: Meta) -> list[int]:
        """Change many alike."""
        raise _unknown()

    async def delete(self, record_id: int, previous_data: Record, meta: Meta) -> Record:
        """Delete one, and return what it was."""
        raise _unknown()

    async def delete_many(self, record_ids: Sequence[int], meta: Meta) -> list[int]:
        """Delete many."""
        raise _unknown()

    # -- routes -------------------------------------------------------------------------------------

    @cached_property
    def routes(self) -> tuple[web.RouteDef, ...]:
        """aiohttp-admin's routes, by its names, with handlers of ours."""
        url = f"/{self.name}"
        found = (
            ("GET", f"{url}/list", "get_list", "view", self._list),
            ("GET", f"{url}/one", "get_one", "view", self._one),
            ("GET", url, "get_many", "view", self._many),
            ("POST", url, "create", "add", self._post),
            ("PUT", f"{url}/update", "update", "edit", self._put),
            ("PUT", f"{url}/update_many", "update_many", "edit", self._put_many),
            ("DELETE", f"{url}/one", "delete", "delete", self._delete_one),
            ("DELETE", url, "delete_many", "delete", self._delete_several),
        )
        return (
            *(
                _route(method, path, self._named(handler, permission), f"{self.name}_{name}")
                for method, path, name, permission, handler in found
            ),
            *self.more_routes(),
        )

    def more_routes(self) -> Sequence[web.RouteDef]:
        """What the page asks beyond react-admin's data provider; see ``extra``."""
        return ()

    def extra(self, key: str, handler: Callable[[web.Request], Awaitable[Any]]) -> web.RouteDef:
        """``GET /admin/NAME/KEY``: answers what ``handler`` returns, as JSON."""

        async def answer(request: web.Request) -> web.Response:
            return json_answer(await handler(request))

        return _route("GET", f"/{self.name}/{key}", self._named(answer, "view"), f"{self.name}_{key}")

    def _named(self, handler: Handler, permission: str = "view") -> Handler:
        """``handler`` in the name of whoever is signed in, who must have the permission."""

        async def named(request: web.Request) -> web.StreamResponse:
            await check_permission(request, f"admin.{self.name}.{permission}", context=(request, None))
            token = _request.set(request)
            try:
                return await handler(request)
            finally:
                _request.reset(token)

        return self._sessions.guarded(named, Whom(least_role(f"admin.{self.name}.{permission}")))

    async def _list(self, request: web.Request) -> web.Response:
        records, total = await self.get_list(parameters.list_params(request))
        return json_answer({"data": [self._with_id(each) for each in records], "total": total})

    async def _one(self, request: web.Request) -> web.Response:
        return self._answer(await self.get_one(parameters.one_id(request), None))

    async def _many(self, request: web.Request) -> web.Response:
        records = await self.get_many(parameters.many_ids(request), None)
        return json_answer({"data": [self._with_id(each) for each in records]})

    async def _post(self, request: web.Request) -> web.Response:
        body = await parameters.body_of(request, data=dict)
        return self._answer(await self.create(self._known(body["data"]), None))

    async def _put(self, request: web.Request) -> web.Response:
        body = await parameters.body_of(request, id=object, data=dict, previousData=dict)
        record_id, data = parameters.id_of(body["id"]), self._known(body["data"])
        return self._answer(await self.update(record_id, data, body["previousData"], None))

    async def _put_many(self, request: web.Request) -> web.Response:
        body = await parameters.body_of(request, ids=list, data=dict)
        return self._ids(await self.update_many(parameters.ids_of(body["ids"]), self._known(body["data"]), None))

    async def _delete_one(self, request: web.Request) -> web.Response:
        body = await parameters.body_of(request, id=object)
        meta = body.get("meta")
        return self._answer(
            await self.delete(parameters.id_of(body["id"]), {}, meta if isinstance(meta, dict) else None)
        )

    async def _delete_several(self, request: web.Request) -> web.Response:
        body = await parameters.body_of(request, ids=list)
        return self._ids(await self.delete_many(parameters.ids_of(body["ids"]), None))

    def _known(self, data: Mapping[str, Any]) -> Record:
        """react-admin sends the whole record; what nobody can set is left out."""
        return {key: data[key] for key in self.editable if key in data}

    def _with_id(self, record: Mapping[str, Any]) -> Record:
        return {**record, "id": str(record[self.primary_key])}

    def _answer(self, record: Mapping[str, Any]) -> web.Response:
        return json_answer({"data": self._with_id(record)})

    def _ids(self, ids: Sequence[int]) -> web.Response:
        return json_answer({"data": [str(each) for each in ids]})


def _route(method: str, path: str, handler: Handler, name: str) -> web.RouteDef:
    options = {"allow_head": False} if method == "GET" else {}  # as all routes of the gateway: HEAD is 405
    return web.RouteDef(method, path, handler, {"name": name, **options})


def _unknown() -> web.HTTPException:
    return web.HTTPMethodNotAllowed("this", [])
