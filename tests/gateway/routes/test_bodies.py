"""How bodies come over the wire: when they are asked for, how they are encoded, and those that are refused unread."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest

from scripts.token_channel import API_TOKEN
from tests.gateway.http.test_connections import answer_to, connect
from tests.gateway.rig import Gateway
from tests.patience import PATIENT_SECONDS

BODY = b'{"phone_number": "79160000001"}'
ROWS = b"phone_number\n79160000001\n79160000002\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


def head(*lines: str, path: str = "/clients", kind: str = "application/json", length: int = len(BODY)) -> bytes:
    """The header of a POST that wants no other request after it."""
    fixed = (f"Host: x\r\nConnection: close\r\nAuthorization: Bearer {API_TOKEN}\r\nContent-Type: {kind}\r\n").encode()
    more = "".join(f"{line}\r\n" for line in lines).encode()
    return b"POST /api/v1%s HTTP/1.1\r\n%sContent-Length: %d\r\n%s\r\n" % (path.encode(), fixed, length, more)


async def test_who_asks_whether_to_go_on_is_told_when_the_body_is_read(gateway: Gateway) -> None:
    reader, writer = await connect(gateway.url)
    writer.write(head("Expect: 100-continue"))
    assert await asyncio.wait_for(reader.readexactly(len(GO_ON)), PATIENT_SECONDS) == GO_ON
    writer.write(BODY)
    assert (await asyncio.wait_for(reader.read(), PATIENT_SECONDS)).startswith(b"HTTP/1.1 201 ")
    writer.close()


async def test_who_is_refused_anyway_need_not_send_the_body(gateway: Gateway) -> None:
    for sent, status in (
        (head("Expect: 100-continue", kind="text/plain"), b"415"),
        (head("Expect: 100-continue", length=2_000_000), b"413"),
        (head("Expect: 100-continue", "Idempotency-Key: two words"), b"422"),
        (head("Expect: 100-continue", "Content-Encoding: br"), b"415"),
        (head("Expect: 100-continue", path="/clients/import"), b"415"),
        (head(length=2_000_000), b"413"),
    ):
        reader, writer = await connect(gateway.url)
        writer.write(sent)
        first = await asyncio.wait_for(reader.readline(), PATIENT_SECONDS)
        assert first.split(b" ")[1] == status, sent
        writer.close()


async def test_another_expectation_is_no_reason_to_refuse(gateway: Gateway) -> None:
    got, _ = await answer_to(gateway.url, head("Expect: magic") + BODY)
    assert got.startswith(b"HTTP/1.1 201 ")


async def test_encoded_bodies(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    raw_deflate = zlib.compressobj(wbits=-15)
    raw = raw_deflate.compress(ROWS) + raw_deflate.flush()
    for encoding, body, is_import, status in (
        ("Identity", BODY, False, 201),
        ("gzip", gzip.compress(BODY), False, 415),  # JSON comes as it is
        ("deflate", zlib.compress(BODY), False, 415),
        ("br", BODY, False, 415),
        ("gzip", gzip.compress(ROWS), True, 200),
        ("GZip", gzip.compress(ROWS[:20]) + gzip.compress(b"") + gzip.compress(ROWS[20:]), True, 200),
        ("deflate", zlib.compress(ROWS), True, 200),
        ("deflate", raw, True, 200),
        ("gzip", ROWS, True, 400),
        ("gzip", gzip.compress(ROWS)[:-9], True, 400),
        ("gzip", gzip.compress(ROWS) + b"more", True, 400),
        ("gzip", gzip.compress(b"phone_number\n" + b"\n" * 3_000_000), True, 413),
        ("br", ROWS, True, 415),
        ("compress", ROWS, True, 415),
        ("gzip, gzip", gzip.compress(gzip.compress(ROWS)), True, 415),
        ("gzip\r\nContent-Encoding: gzip", gzip.compress(gzip.compress(ROWS)), True, 415),
    ):
        to = {"path": "/clients/import", "kind": "text/csv"} if is_import else {}
        got, _ = await answer_to(gateway.url, head(f"Content-Encoding: {encoding}", length=len(body), **to) + body)
        assert int(got.split(b" ")[1]) == status, (encoding, status, got)
        assert (b"application/problem+json" in got) is (status >= 400)
        taken = b"Accept-Encoding: gzip, deflate\r" if is_import else b"Accept-Encoding: identity\r"
        assert (taken in got) is (status == 415)
        await asyncio.sleep(0)  # what follows an answer
    # What aiohttp would log as an error of ours: a body that can't be read is its sender's.
    assert [record for record in caplog.records if record.message == "Unhandled exception"] == []


async def test_an_import_may_be_compressed(gateway: Gateway) -> None:
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    answer = await gateway.post("/clients/import", data=gzip.compress(ROWS), headers=headers)
    assert (answer.status, answer.json["created"]) == (200, 2)


async def test_where_nothing_is_asked_for_nothing_may_be_said(gateway: Gateway) -> None:
    for body, kind, status in (
        (b"", None, 404),
        (b"{}", "application/json", 404),
        (b'{"until": 5}', "application/json", 422),
        (b"null", "application/json", 422),
        (b"{", "application/json", 400),
        (b"until=5", "text/plain", 415),
    ):
        headers = {} if kind is None else {"Content-Type": kind}
        answer = await gateway.ask("POST", "/mailings/1/pause", data=body, headers=headers)
        assert answer.status == status, body
