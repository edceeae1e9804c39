"""The centre over TLS: certificates of throwaway authorities, of which the system trusts one."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from engine.domain.outcome import Verdict
from engine.ports import Request
from engine.provider.smpp.provider import Manners, SmppProvider
from engine.provider.smpp.session import Link
from tests.cli.test_tls import Authority
from tests.patience import PATIENT_SECONDS
from tests.provider.smpp.smsc import Smsc


def _context(folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


@pytest.mark.parametrize(
    ("host", "authority", "detail"),
    [
        ("localhost", "trusted", ""),
        ("localhost", "stranger", "invalid peer certificate: UnknownIssuer"),
        ("127.0.0.1", "trusted", "invalid peer certificate: certificate not valid for name"),
    ],
)
async def test_the_certificate_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, authority: str, detail: str
) -> None:
    authorities = {name: Authority(tmp_path, name) for name in ("trusted", "stranger")}
    authorities[authority].issue("centre")
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities["trusted"].path))
    async with Smsc(_context(tmp_path, "centre")) as smsc:
        provider = SmppProvider(Link(host, smsc.port, "me", "secret", tls=True), Manners())
        answer = await provider.send(Request(1, 79990000001, "hi", PATIENT_SECONDS))
        await provider.close()
    assert answer.verdict is (Verdict.RETRY if detail else Verdict.SENT)
    assert detail in answer.detail
    assert len(smsc.submits) == (not detail)


async def test_a_centre_without_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path, "trusted").path))
    async with Smsc() as smsc:
        provider = SmppProvider(Link("localhost", smsc.port, "me", "secret", tls=True), Manners())
        answer = await provider.send(Request(1, 79990000001, "hi", PATIENT_SECONDS))
        await provider.close()
    assert (answer.verdict, answer.arrived, smsc.binds) == (Verdict.RETRY, False, [])
