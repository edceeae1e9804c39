"""What an import would do, without doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.domain.attributes import attributes_of
from engine.domain.audience import Candidate
from engine.domain.validate import ClientInput, ClientPatch
from engine.store.client_rows import Imported
from engine.store.clients import Sorted, by_phone
from engine.store.database import Lane, Tx
from engine.store.followers import open_mailings, unmet, without_message
from engine.store.mailing_rows import filter_of
from engine.store.told import would_be_left_out
from engine.store.verbs import Verbs, read


@dataclass(frozen=True, slots=True)
class WouldImport:
    """What an import of one batch would do."""

    outcomes: tuple[Imported, ...]
    """One for each row, in the order given."""
    after: Mapping[int, ClientInput]
    """Clients that it would add or change, as they would be, by their numbers."""
    mailings: Mapping[int, frozenset[int]]
    """Open mailings of which these clients would get a message, by the clients' numbers."""
    refused: Mapping[int, int]
    """See ``ImportResult``."""


class ClientCheckVerbs(Verbs):
    """What the API asks before it changes many clients."""

    @read(Lane.LONG)
    async def would_import_clients(
        self,
        tx: Tx,
        rows: Sequence[ClientInput | ClientPatch],
        earlier: Mapping[int, ClientInput],
        *,
        now_us: int,
    ) -> WouldImport:
        """What ``import_clients`` would do; stores nothing.

        Args:
            rows: the batch.
            earlier: clients as batches before this one would have left them, by their numbers.
            now_us: the time.
        """
        stored = await by_phone(tx, rows, lock=False)
        before = {row.phone_number: earlier[row.phone_number] for row in rows if row.phone_number in earlier}
        ids = {phone: id for phone, (id, _) in stored.items()}
        known = {**stored, **{phone: (ids.get(phone, 0), client) for phone, client in before.items()}}
        found = Sorted(known)
        for row in rows:
            found.add(row)
        after = {client.phone_number: client for client in (*found.new, *found.changed)}
        asked = {ids.get(phone, -number): client for number, (phone, client) in enumerate(after.items(), 1)}
        mailings: dict[int, set[int]] = {phone: set() for phone in after}
        for mailing_id, client_id in await _would_reach(tx, asked, now_us):
            mailings[asked[client_id].phone_number].add(mailing_id)
        reached = {phone: frozenset(each) for phone, each in mailings.items()}
        return WouldImport(tuple(found.outcomes), after, reached, found.refused)


async def _would_reach(tx: Tx, clients: Mapping[int, ClientInput], now_us: int) -> set[tuple[int, int]]:
    """(mailing, client) for each message that would be made if these were written now. Clients are given by their ids;
    those that are not stored yet have any below 0."""
    phones = {id: client.phone_number for id, client in clients.items()}
    stopped = await tx.rows(
        f"SELECT phone_number FROM suppression WHERE phone_number {tx.dialect.in_list()}",
        tx.dialect.list_arg(sorted(phones.values())),
    )
    listed = {row[0] for row in stopped}
    looked_at = [
        Candidate(id, client.tag, client.phone_code, attributes_of(client.attributes))
        for id, client in clients.items()
        if client.phone_number not in listed
    ]
    live = [row for row in await open_mailings(tx, now_us) if not row[3]]
    filters = {row[0]: filter_of(row[1]) for row in live}
    pairs = {(mailing_id, each.id) for mailing_id, filter in filters.items() for each in filter.among(looked_at)}
    pairs -= await unmet(tx, live, pairs)
    return await without_message(tx, pairs - await would_be_left_out(tx, pairs, phones))
