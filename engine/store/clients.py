"""Clients. Each change brings the open mailings' audiences in line in its own transaction (SPEC, rule 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from common.error_codes import ErrorCode
from engine.domain.errors import Conflict, NotFound
from engine.domain.validate import ClientInput, ClientPatch
from engine.store.audience import follow_clients, remove_pending
from engine.store.audit import add_audit
from engine.store.client_list import CLIENT_COLUMNS
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.owners import claimed_elsewhere, tell_owners
from engine.store.requests import first_answer, keep_answer
from engine.store.rows import (
    Actor,
    ClientRow,
    Created,
    Imported,
    ImportResult,
    RequestKey,
)
from engine.store.told import come_back, leave
from engine.store.verbs import Overtaken, Verbs, lock_clients

_INPUT: Final = {"phone_number": "int", "phone_code": "text", "tag": "text", "time_zone": "text"}


class ClientVerbs(Verbs):
    """What the API asks about clients. ``now_us``: the time; ``by``: who asks, for the audit list."""

    async def create_client(
        self, client: ClientInput, *, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> Created[ClientRow]:
        """Add a client.

        Raises:
            Conflict: the phone number belongs to another client, or the request id to another request.
        """

        async def work(tx: Tx) -> Created[ClientRow]:
            await lock_clients(tx, exclusive=False)
            if (answer := await first_answer(tx, request)) is not None:
                return Created(ClientRow(phone_number=client.phone_number, **answer), replayed=True)
            row, tally = await _insert(tx, client, now_us), Tally()
            await follow_clients(tx, now_us, tally, new=[row.id])
            await add_audit(tx, by, "client.create", "client", row.id, _shown(client), now_us)
            await keep_answer(tx, request, _without_number(row), now_us)
            await tally.write(tx)
            return Created(row, replayed=False)

        return await self._db.transaction(work)

    async def would_create_client(self, client: ClientInput, *, now_us: int) -> ClientRow:
        """What ``create_client`` would make, with the id 0; stores nothing.

        Raises:
            Conflict: the phone number belongs to another client.
        """

        async def work(tx: Tx) -> ClientRow:
            await _check_free(tx, client, 0)
            return ClientRow(0, **asdict(client), create_us=now_us, update_us=now_us)

        return await self._db.read(work)

    async def created_client(self, request: RequestKey) -> ClientRow | None:
        """What a create with this request id has made, as it was then; ``None``: there was none, or its client is gone:
        the answer was stored without its number.

        Raises:
            Conflict: the request id was used for another request.
        """

        async def work(tx: Tx) -> ClientRow | None:
            answer = await first_answer(tx, request)
            if answer is None:
                return None
            phone = await tx.value("SELECT phone_number FROM client WHERE id = ?", answer["id"])
            return None if phone is None else ClientRow(phone_number=phone, **answer)

        return await self._db.transaction(work)

    async def get_client(self, client_id: int) -> ClientRow:
        """Read one client; ``NotFound`` when there is none."""

        async def work(tx: Tx) -> ClientRow:
            return await _get(tx, client_id)

        return await self._db.look_up(work)

    async def update_client(
        self, client_id: int, change: Callable[[ClientRow], ClientInput], *, by: Actor, now_us: int
    ) -> ClientRow:
        """Replace a client by what ``change`` makes of it.

        Args:
            client_id: which.
            change: gets the client as it is stored now, and may raise (``InvalidInput``): then nothing is
                changed. It runs inside the transaction, so it must be quick and may be called again.
            by: who asks.
            now_us: the time.

        Raises:
            NotFound: there is no such client.
            Conflict: the phone number belongs to another client.
        """

        async def work(tx: Tx) -> tuple[ClientRow, bool]:
            await lock_clients(tx, exclusive=False)
            old = await _get(tx, client_id, lock=True)
            new = change(old)
            if new == _input(old):
                return old, False
            has_left, tally = new.phone_number != old.phone_number, Tally()
            await _update(tx, client_id, new, now_us)
            if has_left:
                await leave(tx, {client_id: old.phone_number}, now_us)
                await come_back(tx, client_id, new.phone_number)
            await follow_clients(tx, now_us, tally, changed=[client_id])
            changed = {name: value for name, value in _shown(new).items() if value != _shown(_input(old))[name]}
            await add_audit(tx, by, "client.update", "client", client_id, changed, now_us)
            elsewhere = await claimed_elsewhere(self, tx, [client_id])
            await tally.write(tx)
            await tell_owners(self, tx, elsewhere)
            return _replaced(old, new, now_us), has_left

        row, has_left = await self._db.transaction(work)
        if has_left:
            self.on_number_gone()
        return row

    async def would_update_client(
        self, client_id: int, change: Callable[[ClientRow], ClientInput], *, now_us: int
    ) -> ClientRow:
        """What ``update_client`` would make; stores nothing, and raises what that would raise."""

        async def work(tx: Tx) -> ClientRow:
            old = await _get(tx, client_id)
            new = change(old)
            await _check_free(tx, new, client_id)
            return old if new == _input(old) else _replaced(old, new, now_us)

        return await self._db.read(work)

    async def delete_client(self, client_id: int, *, by: Actor, now_us: int) -> None:
        """Remove a client: pending messages go, claimed ones when their engine gives them back, final ones
        stay without it. ``NotFound`` when there is none."""

        async def work(tx: Tx) -> None:
            await lock_clients(tx, exclusive=False)
            client = await _get(tx, client_id, lock=True)
            tally = Tally()
            await remove_pending(tx, await leave(tx, {client_id: client.phone_number}, now_us), tally, now_us)
            elsewhere = await claimed_elsewhere(self, tx, [client_id])
            await tx.run("DELETE FROM client WHERE id = ?", client_id)
            await add_audit(tx, by, "client.delete", "client", client_id, {}, now_us)
            await tally.write(tx)
            await tell_owners(self, tx, elsewhere)

        await self._db.transaction(work)
        self.on_number_gone()

    async def import_clients(
        self, clients: Sequence[ClientInput | ClientPatch], *, by: Actor, now_us: int
    ) -> ImportResult:
        """Add or update clients by phone number, in one transaction: 1,000 to 5,000 at a time. What a
        ``ClientPatch`` does not say stays as it is. Of two rows with one number the later is laid over the other."""

        async def work(tx: Tx) -> ImportResult:
            await lock_clients(tx, exclusive=False)
            stored = await _by_phone(tx, clients)
            outcomes, new, changed = _sort_out(clients, stored)
            new_ids = await _import_new(tx, new, now_us)
            changed_ids, tally = [stored[client.phone_number][0] for client in changed], Tally()
            await _import_changed(tx, changed, now_us)
            await follow_clients(tx, now_us, tally, new=new_ids, changed=changed_ids)
            result = ImportResult(tuple(outcomes), (*new_ids, *changed_ids))
            if result.changed_ids:
                counts = {outcome.value: result.count(outcome) for outcome in Imported}
                await add_audit(tx, by, "client.import", "client", None, counts, now_us)
            elsewhere = await claimed_elsewhere(self, tx, changed_ids)
            await tally.write(tx)
            await tell_owners(self, tx, elsewhere)
            return result

        return await self._alone_if_overtaken(work, Lane.API)


def _without_number(row: ClientRow) -> dict[str, object]:
    """What a repeated create is answered from, with the number that it names itself: a stored answer outlives the
    client."""
    return {name: value for name, value in asdict(row).items() if name != "phone_number"}


def _input(row: ClientRow) -> ClientInput:
    return ClientInput(row.phone_number, row.phone_code, row.tag, row.time_zone)


def _shown(client: ClientInput) -> dict[str, object]:
    """What the audit list keeps: it outlives the client, so no phone number."""
    return {"phone_code": client.phone_code, "tag": client.tag, "time_zone": client.time_zone}


async def _get(tx: Tx, client_id: int, *, lock: bool = False) -> ClientRow:
    row = await tx.row(
        f"SELECT {CLIENT_COLUMNS} FROM client WHERE id = ? {tx.dialect.lock() if lock else ''}", client_id
    )
    if row is None:
        raise NotFound("client", client_id)
    return ClientRow(*row)


def _taken(client: ClientInput) -> Conflict:
    return Conflict(ErrorCode.PHONE_NUMBER_TAKEN.format(phone_number=client.phone_number), field="phone_number")


async def _insert(tx: Tx, client: ClientInput, now_us: int) -> ClientRow:
    values = (client.phone_number, client.phone_code, client.tag, client.time_zone, now_us, now_us)
    client_id = await tx.value(
        "INSERT INTO client (phone_number, phone_code, tag, time_zone, create_us, update_us)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (phone_number) DO NOTHING RETURNING id",
        *values,
    )
    if client_id is None:
        raise _taken(client)
    return ClientRow(client_id, *values)


async def _check_free(tx: Tx, client: ClientInput, client_id: int) -> None:
    other = await tx.row("SELECT 1 FROM client WHERE phone_number = ? AND id <> ?", client.phone_number, client_id)
    if other is not None:
        raise _taken(client)


def _replaced(old: ClientRow, new: ClientInput, now_us: int) -> ClientRow:
    return ClientRow(old.id, **asdict(new), create_us=old.create_us, update_us=now_us)


async def _update(tx: Tx, client_id: int, client: ClientInput, now_us: int) -> None:
    await _check_free(tx, client, client_id)
    await tx.run(
        "UPDATE client SET phone_number = ?, phone_code = ?, tag = ?, time_zone = ?, update_us = ? WHERE id = ?",
        client.phone_number,
        client.phone_code,
        client.tag,
        client.time_zone,
        now_us,
        client_id,
    )


async def _by_phone(tx: Tx, clients: Sequence[ClientInput | ClientPatch]) -> dict[int, tuple[int, ClientInput]]:
    rows = await tx.table(
        "id, phone_number, phone_code, tag, time_zone",
        "SELECT id, phone_number, phone_code, tag, time_zone FROM client"
        f" WHERE phone_number {tx.dialect.in_list()} ORDER BY id LIMIT {len(clients) + 1} {tx.dialect.lock()}",
        tx.dialect.list_arg(sorted({client.phone_number for client in clients})),
    )
    return {row[1]: (row[0], ClientInput(*row[1:])) for row in rows}


def _sort_out(
    rows: Sequence[ClientInput | ClientPatch], stored: dict[int, tuple[int, ClientInput]]
) -> tuple[list[Imported], list[ClientInput], list[ClientInput]]:
    """What happens to each row, and then what is new and what has changed, each client once."""
    known = {phone: client for phone, (_, client) in stored.items()}
    outcomes: list[Imported] = []
    for row in rows:
        old = known.get(row.phone_number)
        client = row.over(old) if isinstance(row, ClientPatch) else row
        same = Imported.UNCHANGED if old == client else Imported.UPDATED
        outcomes.append(Imported.CREATED if old is None else same)
        known[client.phone_number] = client
    new = [client for phone, client in known.items() if phone not in stored]
    changed = [client for phone, client in known.items() if phone in stored and stored[phone][1] != client]
    return outcomes, new, changed


def _import_rows(tx: Tx, clients: Sequence[ClientInput]) -> list[Any]:
    rows = sorted((client.phone_number, client.phone_code, client.tag, client.time_zone) for client in clients)
    return tx.dialect.rows_args(rows, len(_INPUT))


async def _import_new(tx: Tx, clients: Sequence[ClientInput], now_us: int) -> list[int]:
    if not clients:
        return []
    made = await tx.run(
        "INSERT INTO client (phone_number, phone_code, tag, time_zone, create_us, update_us)"
        f" SELECT phone_number, phone_code, tag, time_zone, {int(now_us)}, {int(now_us)}"
        f" FROM {tx.dialect.rows_table(**_INPUT)} WHERE TRUE ORDER BY phone_number"
        " ON CONFLICT (phone_number) DO NOTHING",
        *_import_rows(tx, clients),
    )
    if made < len(clients):  # another import of the same numbers was quicker
        raise Overtaken
    rows = await tx.table(
        "id",
        f"SELECT id FROM client WHERE phone_number {tx.dialect.in_list()} ORDER BY id LIMIT {len(clients)}",
        tx.dialect.list_arg(client.phone_number for client in clients),
    )
    return [row[0] for row in rows]


async def _import_changed(tx: Tx, clients: Sequence[ClientInput], now_us: int) -> None:
    if clients:
        await tx.run(
            "UPDATE client SET phone_code = r.phone_code, tag = r.tag, time_zone = r.time_zone,"
            f" update_us = {int(now_us)} FROM {tx.dialect.rows_table(**_INPUT)}"
            " WHERE client.phone_number = r.phone_number",
            *_import_rows(tx, clients),
        )
