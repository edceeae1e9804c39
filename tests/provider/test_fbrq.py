"""What ``FbrqProvider`` refuses when it is made, and how it treats its time-out."""

from __future__ import annotations

import time

import pytest

from engine.domain.outcome import Answer
from engine.ports import Provider, Request
from engine.provider.fbrq import FbrqProvider
from tests.patience import PATIENT_SECONDS
from tests.provider.raw_server import ACCEPTED, hang, raw_server, reply


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/v1", "should look like https://host/path"),
        ("host/v1", "should look like"),
        ("https:///v1", "should look like"),
        ("https://me:secret@host/v1", "neither user name nor password"),
        ("https://host/v1?x=1", "query"),
    ],
)
def test_bad_urls(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        FbrqProvider(url, "token")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["two\nlines", "ключ"])
def test_bad_tokens_are_not_repeated(token: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        FbrqProvider("http://host/v1", token)
    assert token not in str(caught.value)


async def test_no_token_no_header_and_a_slash_at_the_end() -> None:
    async with raw_server(reply(ACCEPTED)) as server:
        provider: Provider = FbrqProvider(f"{server.url}/", "")
        assert await provider.send(Request(5, 79161234567, "x", PATIENT_SECONDS)) == Answer(200, True, "")
        await provider.close()
        assert server.heads[0].startswith(b"POST /v1/send/5 ")
        assert b"authorization" not in server.heads[0].lower()


@pytest.mark.parametrize("timeout_seconds", [0.0, -1.0])
async def test_no_time_left_means_no_call(timeout_seconds: float) -> None:
    async with raw_server(reply(ACCEPTED)) as server:
        provider = FbrqProvider(server.url, "t")
        assert await provider.send(Request(5, 79161234567, "x", timeout_seconds)) == Answer(
            None, False, "not called: no time was left", arrived=False
        )
        assert server.bodies == []
        await provider.close()


async def test_time_out_may_differ_from_call_to_call() -> None:
    async with raw_server(hang) as server:
        provider = FbrqProvider(server.url, "t")
        for timeout_seconds in (0.05, 0.2, 0.1):
            started = time.monotonic()
            answer = await provider.send(Request(5, 79161234567, "x", timeout_seconds))
            assert answer.detail == f"timed out after {timeout_seconds} s"
            assert timeout_seconds <= time.monotonic() - started + 0.005
        await provider.close()


async def test_environment_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with raw_server(reply(ACCEPTED)) as server:
        provider = FbrqProvider(server.url, "t")
        assert (await provider.send(Request(5, 79161234567, "x", PATIENT_SECONDS))).http_status == 200
        await provider.close()


async def test_machine_without_ca_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    monkeypatch.setenv("SSL_CERT_DIR", "/nonexistent")
    with pytest.raises(ValueError, match="are CA certificates installed"):
        FbrqProvider("https://host/v1", "t")
    async with raw_server(reply(ACCEPTED)) as server:  # plain HTTP, like the sandbox's, needs none
        provider = FbrqProvider(server.url, "t")
        assert (await provider.send(Request(5, 79161234567, "x", PATIENT_SECONDS))).http_status == 200
        await provider.close()


async def test_server_that_speaks_no_tls() -> None:
    async with raw_server(hang) as server:
        provider = FbrqProvider(server.url.replace("http:", "HTTPS:"), "t")
        answer = await provider.send(Request(5, 79161234567, "x", 0.2))
        assert (answer.http_status, answer.valid) == (None, False)
        await provider.close()


@pytest.mark.parametrize(
    "url", ["http://host:99999/v1", "http://host:x/v1", "http://[::1/v1", "http://ho st/v1", "http://host:0"]
)
def test_addresses_that_no_client_takes(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        FbrqProvider(url, "t")
