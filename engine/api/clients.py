"""ClientService: the people who can receive texts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from google.protobuf.empty_pb2 import Empty

from engine.api.background import Background
from engine.api.batches import batch_change, batch_ids
from engine.api.caller import caller, caller_key
from engine.api.context import Context
from engine.api.control import DeliveryControl
from engine.api.convert import both, client_input, client_message, client_query, facet_messages
from engine.api.convert_audience import attribute_facets_message
from engine.api.errors import Stopping
from engine.api.fresh import Fresh
from engine.api.import_entries import Entries
from engine.api.importing import Import
from engine.api.masks import merged, paths_of
from engine.api.paging import page_of, token_after
from engine.api.questions import EVERYBODY, Questions, question_key
from engine.api.repeats import first_answer, request_key
from engine.domain.errors import InvalidInput
from engine.domain.phone import default_code
from engine.domain.validate import ClientInput
from engine.ports import Clock
from engine.store.client_list import is_long_client_list
from engine.store.client_rows import BatchResult, ClientRow
from engine.store.rows import MAX_PAGE_SIZE, PageOf, RequestKey
from engine.store.store import Store
from engine.store.suppression_rows import Erased
from mailing.v1 import client_pb2, client_service_pb2, client_service_pb2_grpc

FACETS_SECONDS: Final = 5.0
"""How long the values that clients have are kept: all clients are counted for them."""
FACETS_STALE_SECONDS: Final = 30.0
"""For so much longer they are given while they are counted anew."""


class ClientServicer(client_service_pb2_grpc.ClientServiceServicer):
    """See ``proto/mailing/v1/client_service.proto``."""

    def __init__(
        self,
        store: Store,
        control: DeliveryControl,
        clock: Clock,
        background: Background,
        stopping: asyncio.Event,
        default_time_zone: str,
        questions: Questions,
    ) -> None:
        self._default_time_zone = default_time_zone
        self._store, self._control, self._clock = store, control, clock
        self._background, self._stopping, self._questions = background, stopping, questions
        self._entries = Entries()
        self._attribute_facets: Fresh[str, client_service_pb2.ListAttributeFacetsResponse] = Fresh(
            clock, FACETS_SECONDS, stale_seconds=FACETS_STALE_SECONDS
        )
        self._facets: Fresh[None, client_service_pb2.ListClientFacetsResponse] = Fresh(
            clock, FACETS_SECONDS, stale_seconds=FACETS_STALE_SECONDS
        )

    async def CreateClient(
        self, request: client_service_pb2.CreateClientRequest, context: Context
    ) -> client_pb2.Client:
        """Add a client."""
        by, now_us = caller(context), self._clock.now_us()

        def key_of() -> RequestKey | None:
            return request_key("CreateClient", request, request.request_id, by)

        try:
            wanted, key = both(lambda: client_input(request.client, self._default_time_zone), key_of)
        except InvalidInput as error:
            if request.validate_only:
                raise
            return client_message(await first_answer(error, key_of, self._store.created_client))
        if request.validate_only:
            return client_message(await self._store.would_create_client(wanted, now_us=now_us))

        async def change() -> ClientRow:
            with self._background.running.hold(key):
                created = await self._store.create_client(wanted, request=key, by=by, now_us=now_us)
                if not created.replayed:
                    await self._control.clients_changed([created.row.id])
            return created.row

        return client_message(await self._background.whole(change()))

    async def GetClient(self, request: client_service_pb2.GetClientRequest, context: Context) -> client_pb2.Client:
        """Read one client."""
        return client_message(await self._store.get_client(request.client_id))

    async def ListClients(
        self, request: client_service_pb2.ListClientsRequest, context: Context
    ) -> client_service_pb2.ListClientsResponse:
        """Read a page of clients."""
        query, page = both(lambda: client_query(request), lambda: page_of(request))

        async def read() -> PageOf[ClientRow]:
            return await self._store.list_clients(query, page)

        if is_long_client_list(query, page):
            found = await self._questions.ask(question_key(request), caller_key(), read)
        else:
            found = await read()
        return client_service_pb2.ListClientsResponse(
            clients=[client_message(row) for row in found.items],
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )

    async def UpdateClient(
        self, request: client_service_pb2.UpdateClientRequest, context: Context
    ) -> client_pb2.Client:
        """Change some fields of a client."""
        client_id, paths = request.client.id, paths_of(request.update_mask, request.client)
        by, now_us = caller(context), self._clock.now_us()
        if not paths:
            return client_message(await self._store.get_client(client_id))

        def edit(old: ClientRow) -> ClientInput:
            return _edited(old, request.client, paths, self._default_time_zone)

        if request.validate_only:
            return client_message(await self._store.would_update_client(client_id, edit, now_us=now_us))

        async def change() -> ClientRow:
            row = await self._store.update_client(client_id, edit, by=by, now_us=now_us)
            await self._follow([client_id])
            return row

        return client_message(await self._background.whole(change()))

    async def DeleteClient(self, request: client_service_pb2.DeleteClientRequest, context: Context) -> Empty:
        """Delete a client."""

        async def change() -> None:
            await self._store.delete_client(request.client_id, by=caller(context), now_us=self._clock.now_us())
            await self._follow([request.client_id])

        await self._background.whole(change())
        return Empty()

    async def EraseClient(
        self, request: client_service_pb2.EraseClientRequest, context: Context
    ) -> client_service_pb2.EraseClientResponse:
        """Erase a client."""

        by, now_us = caller(context), self._clock.now_us()
        key = request_key("EraseClient", request, request.request_id, by)

        async def change() -> Erased:
            with self._background.running.hold(key):
                erased = await self._store.erase_client(
                    request.client_id, suppress=request.suppress, by=by, now_us=now_us, request=key
                )
                await self._follow([request.client_id])
            return erased

        erased = await self._background.whole(change())
        return client_service_pb2.EraseClientResponse(
            messages_removed=erased.removed,
            messages_kept=erased.kept,
            messages_in_hand=erased.in_hand,
            suppressed=erased.is_suppressed,
        )

    async def ListClientFacets(
        self, request: client_service_pb2.ListClientFacetsRequest, context: Context
    ) -> client_service_pb2.ListClientFacetsResponse:
        """List the values that clients have."""
        return await self._facets.get(None, lambda: self._questions.ask("facets", EVERYBODY, self._read_facets))

    async def ListAttributeFacets(
        self, request: client_service_pb2.ListAttributeFacetsRequest, context: Context
    ) -> client_service_pb2.ListAttributeFacetsResponse:
        """List the attributes that clients have, or values of one."""
        name = request.name

        async def read() -> client_service_pb2.ListAttributeFacetsResponse:
            return attribute_facets_message(await self._store.attribute_facets(name), is_names=not name)

        return await self._attribute_facets.get(
            name, lambda: self._questions.ask(("attribute facets", name), EVERYBODY, read)
        )

    async def BatchUpdateClients(
        self, request: client_service_pb2.BatchUpdateClientsRequest, context: Context
    ) -> client_service_pb2.BatchUpdateClientsResponse:
        """Change the tag, the time zone or both of many clients."""
        ids, change_of_each = both(
            lambda: batch_ids(request.client_ids), lambda: batch_change(request, self._default_time_zone)
        )

        async def change() -> BatchResult:
            by, now_us = caller(context), self._clock.now_us()
            result = await self._store.update_clients(ids, change_of_each, by=by, now_us=now_us)
            await self._follow(result.changed_ids)
            return result

        result = await self._background.whole(change())
        return client_service_pb2.BatchUpdateClientsResponse(
            updated=len(result.changed_ids), unchanged=result.unchanged, missing_client_ids=result.missing_ids
        )

    async def BatchDeleteClients(
        self, request: client_service_pb2.BatchDeleteClientsRequest, context: Context
    ) -> client_service_pb2.BatchDeleteClientsResponse:
        """Delete many clients."""
        ids = batch_ids(request.client_ids)

        async def change() -> BatchResult:
            result = await self._store.delete_clients(ids, by=caller(context), now_us=self._clock.now_us())
            await self._follow(result.changed_ids)
            return result

        result = await self._background.whole(change())
        return client_service_pb2.BatchDeleteClientsResponse(
            deleted=len(result.changed_ids), missing_client_ids=result.missing_ids
        )

    async def ImportClients(
        self, request_iterator: AsyncIterator[client_service_pb2.ImportClientsRequest], context: Context
    ) -> client_service_pb2.ImportClientsResponse:
        """Add or change many clients; each page is stored as it comes."""
        by, running = caller(context), self._background.running
        report: client_service_pb2.ImportClientsResponse
        with self._entries.of(by, context) as entry:
            work = Import(self._store, self._control, self._clock, by, running, self._default_time_zone, entry)
            report = await work.run(request_iterator, self._background, self._stopping)
        return report

    async def ExportClients(
        self, request: client_service_pb2.ExportClientsRequest, context: Context
    ) -> AsyncIterator[client_service_pb2.ExportClientsResponse]:
        """Read all clients that match, page by page."""
        query, page = both(lambda: client_query(request), lambda: page_of(request, default=MAX_PAGE_SIZE))
        if request.with_attribute_names:
            names: set[str] = set()
            async for part in self._store.export_attribute_names(query):
                if self._stopping.is_set():
                    raise Stopping
                names |= part
            yield client_service_pb2.ExportClientsResponse(attribute_names=sorted(names))
        async for rows in self._store.export_clients(query, page.size):
            if self._stopping.is_set():
                raise Stopping
            yield client_service_pb2.ExportClientsResponse(clients=[client_message(row) for row in rows])

    async def _follow(self, client_ids: Sequence[int]) -> None:
        if client_ids:
            await self._control.clients_changed(client_ids)
            await self._control.clients_followed(client_ids)

    async def _read_facets(self) -> client_service_pb2.ListClientFacetsResponse:
        found = await self._store.facets()
        return client_service_pb2.ListClientFacetsResponse(
            **facet_messages(found),
            client_count=await self._store.count_clients(),
        )


def _edited(row: ClientRow, client: client_pb2.Client, paths: Sequence[str], default_time_zone: str) -> ClientInput:
    """What an update makes of a client; runs inside the store's transaction. Raises InvalidInput."""
    after = merged(client_message(row), client, paths)
    # A code that was derived from the number goes on being so.
    if "phone_code" not in paths and row.phone_code == default_code(row.phone_number):
        after.phone_code = ""
    return client_input(after, default_time_zone)
