"""Clients. A change brings the audiences of open mailings in line in its transaction (docs/behaviour.md, rule 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

from common.error_codes import ErrorCode
from engine.domain.attributes import ENTRIES_MAX, FIELD, changed_names, names_of
from engine.domain.errors import Conflict
from engine.domain.validate import ClientInput, ClientPatch
from engine.store.audit import add_audit, count_audit, differences
from engine.store.client_counts import note_clients
from engine.store.client_list import CLIENT, stored_client
from engine.store.client_removal import remove_clients
from engine.store.client_rows import ClientRow, Imported, ImportResult
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.followers import follow_clients
from engine.store.groups import counts_elsewhere, keep_groups
from engine.store.owners import claimed_elsewhere, tell_owners
from engine.store.rendered import mask_number
from engine.store.requests import first_answer, keep_answer
from engine.store.row_of import RowOf, insert_of, sets_of
from engine.store.rows import Actor, Created, RequestKey, shallow
from engine.store.told import come_back, leave
from engine.store.verbs import Overtaken, Verbs, alone_if_overtaken, lock_clients, look_up, read, transaction

_INPUT: Final = RowOf(ClientInput)
"""What the API says of a client."""
_PRIVATE: Final = ("phone_number", FIELD)
"""What nothing keeps of a client that is gone."""


class ClientVerbs(Verbs):
    """What the API asks about clients. ``now_us``: the time; ``by``: who asks, for the audit list."""

    @transaction(Lane.API)
    async def create_client(
        self, tx: Tx, client: ClientInput, *, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> Created[ClientRow]:
        """Add a client.

        Raises:
            Conflict: the phone number belongs to another client, or the request id to another request.
        """
        await lock_clients(tx, exclusive=False)
        if (answer := await first_answer(tx, request)) is not None:
            return Created(CLIENT.answered({**answer, **_private(client)}), replayed=True)
        row, tally = await _insert(tx, client, now_us), Tally()
        await note_clients(tx, came=[row])
        await follow_clients(tx, now_us, tally, new=[row.id])
        await add_audit(tx, by, "client.create", "client", row.id, _shown(client), now_us)
        await keep_answer(tx, request, _public(row), now_us)
        await tally.write(tx)
        return Created(row, replayed=False)

    @read(Lane.API)
    async def would_create_client(self, tx: Tx, client: ClientInput, *, now_us: int) -> ClientRow:
        """What ``create_client`` would make, with the id 0; stores nothing.

        Raises:
            Conflict: the phone number belongs to another client.
        """
        await _check_free(tx, client, 0)
        return _row(0, client, now_us, now_us)

    @transaction(Lane.API)
    async def created_client(self, tx: Tx, request: RequestKey) -> ClientRow | None:
        """What a create with this request id has made, as it was then; ``None``: there was none, or its client is gone:
        the answer was stored without its number.

        Raises:
            Conflict: the request id was used for another request.
        """
        answer = await first_answer(tx, request)
        if answer is None:
            return None
        row = await tx.row(f"SELECT {', '.join(_PRIVATE)} FROM client WHERE id = ?", answer["id"])
        return None if row is None else CLIENT.answered({**answer, **dict(zip(_PRIVATE, row, strict=True))})

    @look_up(Lane.API)
    async def get_client(self, tx: Tx, client_id: int) -> ClientRow:
        """Read one client; ``NotFound`` when there is none."""
        return await stored_client(tx, client_id)

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

        row, has_left = await self._update_client(client_id, change, by, now_us)
        if has_left:
            self.on_number_gone()
        return row

    @transaction(Lane.API)
    async def _update_client(
        self, tx: Tx, client_id: int, change: Callable[[ClientRow], ClientInput], by: Actor, now_us: int
    ) -> tuple[ClientRow, bool]:
        """The client afterwards, and whether it has left its number."""
        await lock_clients(tx, exclusive=False)
        old = await stored_client(tx, client_id, lock=True)
        new = change(old)
        if new == _input(old):
            return old, False
        has_left, tally = new.phone_number != old.phone_number, Tally()
        await _update(tx, client_id, new, now_us)
        await note_clients(tx, came=[new], gone=[old])
        if has_left:  # first, because it locks all of the client's messages
            await leave(tx, {client_id: old.phone_number}, now_us)
        await keep_groups(tx, {client_id: old} if counts_elsewhere(old, new) else {}, [client_id], tally)
        if has_left:
            await mask_number(tx, client_id, old.phone_number)
            await come_back(tx, client_id, new.phone_number)
        await follow_clients(tx, now_us, tally, changed=[client_id])
        await add_audit(tx, by, "client.update", "client", client_id, _changes(_input(old), new), now_us)
        elsewhere = await claimed_elsewhere(self, tx, [client_id])
        await tally.write(tx)
        await tell_owners(self, tx, elsewhere)
        return _replaced(old, new, now_us), has_left

    @read(Lane.API)
    async def would_update_client(
        self, tx: Tx, client_id: int, change: Callable[[ClientRow], ClientInput], *, now_us: int
    ) -> ClientRow:
        """What ``update_client`` would make; stores nothing, and raises what that would raise."""
        old = await stored_client(tx, client_id)
        new = change(old)
        await _check_free(tx, new, client_id)
        return old if new == _input(old) else _replaced(old, new, now_us)

    async def delete_client(self, client_id: int, *, by: Actor, now_us: int) -> None:
        """Remove a client: pending messages go, claimed ones when their engine gives them back, final ones
        stay without it. ``NotFound`` when there is none."""
        await self._delete_client(client_id, by, now_us)
        self.on_number_gone()

    @transaction(Lane.API)
    async def _delete_client(self, tx: Tx, client_id: int, by: Actor, now_us: int) -> None:
        await lock_clients(tx, exclusive=False)
        client = await stored_client(tx, client_id, lock=True)
        tally = Tally()
        elsewhere = await remove_clients(self, tx, [client], tally, now_us)
        await add_audit(tx, by, "client.delete", "client", client_id, {}, now_us)
        await tally.write(tx)
        await tell_owners(self, tx, elsewhere)

    @alone_if_overtaken(Lane.API)
    async def import_clients(
        self,
        tx: Tx,
        clients: Sequence[ClientInput | ClientPatch],
        *,
        by: Actor,
        now_us: int,
        silent: bool = False,
        event_id: int | None = None,
    ) -> ImportResult:
        """Add or update clients by phone number, in one transaction: 1,000 to 5,000 at a time. What a ``ClientPatch``
        does not say stays as it is. Of two rows with one number the later one is laid over the earlier one.
        ``silent``: see ``follow_clients``. ``event_id``: the audit list's entry of earlier batches of this import."""
        await lock_clients(tx, exclusive=False)
        stored = await by_phone(tx, clients)
        rows = Sorted(stored)
        for client in clients:
            rows.add(client)
        new, changed = rows.new, rows.changed
        new_ids = await _import_new(tx, new, now_us)
        changed_ids, tally = [stored[client.phone_number][0] for client in changed], Tally()
        await _import_changed(tx, changed, now_us)
        await note_clients(tx, came=[*new, *changed], gone=[stored[client.phone_number][1] for client in changed])
        moved = [stored[each.phone_number] for each in changed if counts_elsewhere(stored[each.phone_number][1], each)]
        await keep_groups(tx, dict(moved), changed_ids, tally)
        await follow_clients(tx, now_us, tally, new=new_ids, changed=changed_ids, silent=silent)
        result = ImportResult(tuple(rows.outcomes), (*new_ids, *changed_ids), rows.refused, event_id)
        if result.changed_ids or event_id is not None:
            counts = {outcome.value: result.count(outcome) for outcome in Imported}
            result = replace(result, event_id=await count_audit(tx, event_id, by, "client.import", counts, now_us))
        elsewhere = await claimed_elsewhere(self, tx, changed_ids)
        await tally.write(tx)
        await tell_owners(self, tx, elsewhere)
        return result


def _private(client: ClientInput) -> dict[str, object]:
    return {name: getattr(client, name) for name in _PRIVATE}


def _public(row: ClientRow) -> dict[str, object]:
    """What is kept to answer a repeated create. A kept answer outlives the client, so it has neither a phone number nor
    attributes, one of which may be a number: the repeated request names them itself."""
    return {name: value for name, value in shallow(row).items() if name not in _PRIVATE}


def _input(row: ClientRow) -> ClientInput:
    """What the API has said of a client."""
    return ClientInput(**{name: getattr(row, name) for name in _INPUT.columns})


def _row(client_id: int, client: ClientInput, create_us: int, update_us: int) -> ClientRow:
    return ClientRow(id=client_id, **shallow(client), create_us=create_us, update_us=update_us)


def _shown(client: ClientInput) -> dict[str, object]:
    """What the audit list keeps: it outlives the client, so no phone number, and of attributes, one of which may be a
    number, the names."""
    shown: dict[str, object] = {name: value for name, value in shallow(client).items() if name not in _PRIVATE}
    names = names_of(client.attributes)
    return {**shown, FIELD: names} if names else shown


def _changes(old: ClientInput, new: ClientInput) -> dict[str, object]:
    """What the audit list keeps of an update; of attributes the names alone."""
    public = [name for name in _INPUT.columns if name not in _PRIVATE]
    changes = differences(*({name: getattr(client, name) for name in public} for client in (old, new)))
    names = changed_names(old.attributes, new.attributes)
    return {**changes, FIELD: names} if names else changes


def _taken(client: ClientInput) -> Conflict:
    return Conflict(ErrorCode.PHONE_NUMBER_TAKEN.format(phone_number=client.phone_number), field="phone_number")


async def _insert(tx: Tx, client: ClientInput, now_us: int) -> ClientRow:
    values = {**_INPUT.values(client), "create_us": now_us, "update_us": now_us}
    client_id = await tx.value(
        f"{insert_of('client', values)} ON CONFLICT (phone_number) DO NOTHING RETURNING id", *values.values()
    )
    if client_id is None:
        raise _taken(client)
    return _row(client_id, client, now_us, now_us)


async def _check_free(tx: Tx, client: ClientInput, client_id: int) -> None:
    other = await tx.row("SELECT 1 FROM client WHERE phone_number = ? AND id <> ?", client.phone_number, client_id)
    if other is not None:
        raise _taken(client)


def _replaced(old: ClientRow, new: ClientInput, now_us: int) -> ClientRow:
    return _row(old.id, new, old.create_us, now_us)


async def _update(tx: Tx, client_id: int, client: ClientInput, now_us: int) -> None:
    await _check_free(tx, client, client_id)
    values = {**_INPUT.values(client), "update_us": now_us}
    await tx.run(f"UPDATE client SET {sets_of(values)} WHERE id = ?", *values.values(), client_id)


async def by_phone(
    tx: Tx, clients: Sequence[ClientInput | ClientPatch], *, lock: bool = True
) -> dict[int, tuple[int, ClientInput]]:
    """Ids and clients that are stored, by the numbers of these rows."""
    columns = f"{_INPUT.sql}, id"
    rows = await tx.table(
        columns,
        f"SELECT {columns} FROM client"
        f" WHERE phone_number {tx.dialect.in_list()} ORDER BY id LIMIT {len(clients) + 1}"
        f" {tx.dialect.lock() if lock else ''}",
        tx.dialect.list_arg(sorted({client.phone_number for client in clients})),
    )
    found = [(row[-1], _INPUT.read(row)) for row in rows]
    return {client.phone_number: (client_id, client) for client_id, client in found}


class Sorted:
    """What happens to each row of an import, and what follows for the clients, each of them once."""

    def __init__(self, stored: dict[int, tuple[int, ClientInput]]) -> None:
        self._stored = stored
        self._known = {phone: client for phone, (_, client) in stored.items()}
        self.outcomes: list[Imported] = []
        self.refused: dict[int, int] = {}

    def add(self, row: ClientInput | ClientPatch) -> None:
        """The next row."""
        old = self._known.get(row.phone_number)
        client = row.over(old) if isinstance(row, ClientPatch) else row
        if old is None:
            self.outcomes.append(Imported.CREATED)
        elif (count := _too_many(old, client)) > 0:
            self.refused[len(self.outcomes)] = count
            self.outcomes.append(Imported.REFUSED)
            return
        else:
            self.outcomes.append(Imported.UNCHANGED if old == client else Imported.UPDATED)
        self._known[client.phone_number] = client

    @property
    def new(self) -> list[ClientInput]:
        """Clients that nobody was before."""
        return [client for phone, client in self._known.items() if phone not in self._stored]

    @property
    def changed(self) -> list[ClientInput]:
        """Clients that are stored otherwise."""
        both = self._known.items()
        return [client for phone, client in both if phone in self._stored and self._stored[phone][1] != client]


def _too_many(old: ClientInput, new: ClientInput) -> int:
    """How many attributes a row makes of those that stay and its own, if it is more than a client may have; else 0."""
    count = len(names_of(new.attributes)) if old.attributes != new.attributes else 0
    return count if count > ENTRIES_MAX else 0


def _import_rows(tx: Tx, clients: Sequence[ClientInput]) -> list[Any]:
    rows = map(_INPUT.write, sorted(clients, key=attrgetter("phone_number")))
    return tx.dialect.rows_args(list(rows), len(_INPUT.columns))


async def _import_new(tx: Tx, clients: Sequence[ClientInput], now_us: int) -> list[int]:
    if not clients:
        return []
    made = await tx.run(
        f"INSERT INTO client ({_INPUT.sql}, create_us, update_us)"
        f" SELECT {_INPUT.sql}, CAST(? AS bigint), CAST(? AS bigint)"
        f" FROM {tx.dialect.rows_table(**_INPUT.kinds)} WHERE TRUE ORDER BY phone_number"
        " ON CONFLICT (phone_number) DO NOTHING",
        now_us,
        now_us,
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
        sets = ", ".join(f"{name} = r.{name}" for name in _INPUT.columns if name != "phone_number")
        await tx.run(
            f"UPDATE client SET {sets}, update_us = ? FROM {tx.dialect.rows_table(**_INPUT.kinds)}"
            " WHERE client.phone_number = r.phone_number",
            now_us,
            *_import_rows(tx, clients),
        )
