"""The whole engine with a message centre as its provider."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from mailing.v1 import mailing_service_pb2 as mailings
from tests.provider.smpp import smsc as centre
from tests.provider.smpp.smsc import Pdu, Session, Smsc, Submit
from tests.rules.rig import Rig, running, until

CLIENTS = 60
LONG = "Привет 😀! " * 10


@pytest.fixture
def providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the providers' file is to be; its secret is set."""
    monkeypatch.setenv("CENTRE_PASSWORD", "s3cret")
    return tmp_path / "providers.toml"


def _write(providers: Path, smsc: Smsc) -> None:
    secrets = 'secrets = { password = "CENTRE_PASSWORD" }'
    lines = [
        'name = "centre"',
        'kind = "smpp"',
        'host = "127.0.0.1"',
        f"port = {smsc.port}",
        'system_id = "me"',
        secrets,
    ]
    providers.write_text("\n".join(["[[provider]]", 'senders = ["Shop"]', *lines]), encoding="utf-8")


async def _funnel(rig: Rig, mailing_id: int) -> tuple[int, int, int]:
    """Delivered, undelivered and none."""
    stats = await rig.mailings.GetMailingStats(mailings.GetMailingStatsRequest(mailing_id=mailing_id))
    assert await rig.service.store.check() == []
    return stats.delivery.delivered, stats.delivery.undelivered, stats.delivery.none


async def test_texts_go_out_in_parts_and_their_receipts_come_back(tmp_path: Path, providers: Path) -> None:
    """Some receipts are quicker than the outcome is stored, and each number gets its text once."""
    asked: set[asyncio.Task[Pdu]] = set()
    busy: Counter[str] = Counter()

    def take(session: Session, pdu: Pdu) -> None:
        submit = Submit.of(pdu.body)
        busy[submit.destination] += 1
        if submit.destination.endswith("7") and busy[submit.destination] == 1:
            session.send(pdu.answered(centre.RTHROTTLED))
            return
        message_id = smsc.new_id()
        session.accept(pdu, message_id)
        if submit.registered_delivery:
            state = "UNDELIV" if submit.destination.endswith("3") else "DELIVRD"
            asked.add(asyncio.create_task(session.receipt(f"id:{message_id} stat:{state}")))

    async with Smsc() as smsc:
        smsc.on_submit = take
        _write(providers, smsc)
        async with running(tmp_path, providers=providers) as rig:
            await rig.add_clients(CLIENTS)
            mailing = await rig.register(text=LONG)
            assert await rig.finished(mailing.id) == (0, CLIENTS, 0)
            assert {pdu.status for pdu in await asyncio.gather(*asked)} == {centre.ROK}
            tenth = CLIENTS // 10
            wanted = (CLIENTS - tenth, tenth, 0)

            async def told() -> bool:
                return await _funnel(rig, mailing.id) == wanted

            await until(told)
            found = await rig.list_messages(mailing.id)
            assert {message.provider for message in found} == {"centre"}
            assert all(message.provider_message_id for message in found)
    texts = Counter(submit.destination for submit in smsc.submits)
    assert set(texts.values()) <= {2, 3}
    assert len(texts) == CLIENTS


async def test_receipts_come_after_a_restart_and_none_is_lost_by_a_stop(tmp_path: Path, providers: Path) -> None:
    async with Smsc() as smsc:
        _write(providers, smsc)
        async with running(tmp_path, providers=providers) as rig:
            await rig.add_clients(CLIENTS)
            mailing = await rig.register()
            assert await rig.finished(mailing.id) == (0, CLIENTS, 0)
        async with running(tmp_path, providers=providers) as rig:
            await until(lambda: smsc.sessions)
            for number in range(1, CLIENTS + 1):
                assert (await smsc.sessions[0].receipt(f"id:{number} stat:DELIVRD")).status == centre.ROK
        async with running(tmp_path, providers=providers) as rig:
            assert await _funnel(rig, mailing.id) == (CLIENTS, 0, 0)
    assert len(smsc.submits) == CLIENTS
