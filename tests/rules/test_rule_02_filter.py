"""Rule 2: the tag is in the first list and the operator code in the second; an empty list does not restrict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from mailing.v1 import client_pb2, client_service_pb2, mailing_pb2, mailing_service_pb2, message_pb2
from tests.rules.evidence import receivers
from tests.rules.rig import Rig, running

TAGS = ("vip", "new", "VIP", "")
CODES = ("916", "926", "9161")


class Case(NamedTuple):
    tags: tuple[str, ...]
    codes: tuple[str, ...]

    def matches(self, client: client_pb2.Client) -> bool:
        return (not self.tags or client.tag in self.tags) and (not self.codes or client.phone_code in self.codes)

    def filter(self) -> mailing_pb2.AudienceFilter:
        return mailing_pb2.AudienceFilter(tags=self.tags, phone_codes=self.codes)


CASES = (
    Case((), ()),
    Case(("vip",), ()),
    Case(("vip", "new"), ()),
    Case((), ("916",)),
    Case((), ("916", "926")),
    Case(("vip",), ("926",)),
    Case(("vip", "new"), ("916", "9161")),
    Case(("nobody",), ()),
    Case(("vip",), ("999",)),
    Case(("%", "vi_", "vip', 'new"), ()),
)


async def add_each_kind(rig: Rig, first: int) -> list[client_pb2.Client]:
    kinds = [(tag, code) for tag in TAGS for code in CODES]
    return [await rig.add_client(number, tag=tag, phone_code=code) for number, (tag, code) in enumerate(kinds, first)]


async def test_rule_02_a_mailing_for_those_who_did_not_get_another_one(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.add_clients(6)
        rig.sandbox.set_faults(share_400=1)
        first = await rig.register()
        assert await rig.finished(first.id) == (0, 0, 6)
        rig.sandbox.clear_faults()
        await rig.add_clients(2, first=10)
        assert await rig.finished(first.id) == (0, 2, 6)
        messages = mailing_pb2.MessageCondition(
            mailing_id=first.id,
            statuses=[message_pb2.MESSAGE_STATUS_NOT_SENT],
            reasons=[message_pb2.NOT_SENT_REASON_REJECTED],
        )
        second = await rig.register(filter=mailing_pb2.AudienceFilter(messages=messages))
        await rig.add_clients(1, first=20)
        assert await rig.finished(second.id) == (0, 6, 0)


async def test_rule_02_both_lists_must_match_and_empty_ones_do_not_restrict(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        clients = await add_each_kind(rig, 0)
        mailings = [await rig.register(filter=case.filter()) for case in CASES]
        for case, mailing in zip(CASES, mailings, strict=True):
            wanted = [client.id for client in clients if case.matches(client)]
            assert await rig.finished(mailing.id) == (0, len(wanted), 0), case
            assert await receivers(rig, mailing) == wanted, case
            preview = mailing_service_pb2.PreviewMailingRequest(mailing=mailing)
            assert (await rig.mailings.PreviewMailing(preview)).audience == len(wanted), case

        # Clients that come later are matched by another way through the code; the rule is the same.
        clients += await add_each_kind(rig, 100)
        imported = [client_service_pb2.ImportClientsRow(phone_number=str(79260000000 + n)) for n in range(3)]
        imported[0].tag = "vip"

        async def pages() -> AsyncIterator[client_service_pb2.ImportClientsRequest]:
            yield client_service_pb2.ImportClientsRequest(rows=imported)

        await rig.clients.ImportClients(pages())
        clients = list((await rig.clients.ListClients(client_service_pb2.ListClientsRequest(page_size=1000))).clients)
        assert len(clients) == 2 * len(TAGS) * len(CODES) + 3
        for case, mailing in zip(CASES, mailings, strict=True):
            wanted = sorted(client.id for client in clients if case.matches(client))
            assert await rig.finished(mailing.id) == (0, len(wanted), 0), case
            assert await receivers(rig, mailing) == wanted, case

        called = sum(case.matches(client) for case in CASES for client in clients)
        assert rig.sandbox.accepted == rig.sandbox.requests == called
