"""What the network and a provider gone mad can do to a call: always an ``Answer``, within the time
given, after exactly one request, with nothing secret in the words."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import quote

import orjson
import pytest

from engine.domain.outcome import Answer
from engine.ports import Request
from engine.provider.described import DescribedProvider
from engine.provider.description import Answers, RequestTable
from engine.provider.fbrq import FbrqProvider
from engine.provider.placeholders import parse
from tests.patience import PATIENT_SECONDS, until
from tests.ports import held_port
from tests.provider.conftest import TOKEN, MakeProvider
from tests.provider.raw_server import ACCEPTED, HEAD, Behaviour, drip, endless, hang, raw_server, reply, reset_after

PHONE = 79161234567
TEXT = "Привет, скидка 20 %"
OVER_64_KIB = b" " * 70_000


def response(status: int, body: bytes, *headers: bytes) -> Behaviour:
    """A well-formed answer."""
    lines = [b"HTTP/1.1 %d Whatever" % status, b"Content-Length: %d" % len(body), *headers]
    return reply(b"\r\n".join(lines) + b"\r\n\r\n" + body)


SHORT_SECONDS = 0.25
TIMED_OUT = f"timed out after {SHORT_SECONDS} s"
NO_ANSWER: dict[str, tuple[Behaviour, str]] = {
    "hang": (hang, TIMED_OUT),
    "slow drip of the head": (drip(ACCEPTED, 0.05), TIMED_OUT),
    "slow drip of the body": (drip(b"{" * 1000, 0.02, HEAD + b"Content-Length: 1000\r\n\r\n"), TIMED_OUT),
    "reset at once": (reset_after(), "reset"),
    "reset in the head": (reset_after(b"HTTP/1.1 200 O"), "reset"),
    "reset in the body": (reset_after(ACCEPTED[:-5]), "reset"),
    "closed at once": (reply(b"", then_close=True), "closed before"),
    "closed in the head": (reply(b"HTTP/1.1 200 O", then_close=True), "closed before"),
    "closed in the body": (reply(ACCEPTED[:-5], then_close=True), "closed before"),
    "closed in a chunk": (
        reply(HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"c', then_close=True),
        "closed before",
    ),
    "a bad chunk": (reply(HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}", then_close=True), "not valid HTTP"),
    "another protocol": (reply(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", then_close=True), "not HTTP"),
    "binary garbage": (reply(bytes(range(256)) + b"\r\n\r\n", then_close=True), "not HTTP"),
    "garbage headers": (reply(HEAD + b"no colon \x01\x00\r\n\r\n", then_close=True), "not valid HTTP"),
    "a length beyond 64 bits": (reply(HEAD + b"Content-Length: %d\r\n\r\n{}" % 10**30), "not valid HTTP"),
    "a negative length": (reply(HEAD + b"Content-Length: -5\r\n\r\n{}"), "not valid HTTP"),
    "two lengths": (reply(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), "not valid HTTP"),
    "an endless head": (reply(HEAD + b"X: y\r\n" * 200_000), "not valid HTTP"),
}


@pytest.mark.parametrize("case", NO_ANSWER)
async def test_no_http_answer(case: str, make_provider: MakeProvider) -> None:
    behave, words = NO_ANSWER[case]
    seconds = SHORT_SECONDS if words == TIMED_OUT else PATIENT_SECONDS
    async with raw_server(reply(ACCEPTED)) as server:
        provider = make_provider(server.url)
        await provider.send(Request(4, PHONE, TEXT, PATIENT_SECONDS))  # now there is a connection
        server.behave = behave
        answer = await asyncio.wait_for(provider.send(Request(5, PHONE, TEXT, seconds)), PATIENT_SECONDS / 2)
        assert (answer.http_status, answer.valid, answer.arrived) == (None, False, True)
        assert words in answer.detail
        await until(lambda: len(server.bodies) > 1)
        assert len(server.bodies) == 2


NOT_JSON = "HTTP 200 with a body that is not JSON (the provider's address is probably wrong)"
HTTP_ANSWERS: dict[str, tuple[Behaviour, Answer]] = {
    "accepted": (reply(ACCEPTED), Answer(200, True, "")),
    "other JSON": (response(200, b'{"code": 0}'), Answer(200, True, "")),
    "202, nothing in it": (response(202, b""), Answer(202, True, "")),
    "204 with a lying length": (
        reply(b"HTTP/1.1 204 No\r\nContent-Length: 99999999999999\r\n\r\n"),
        Answer(204, True, ""),
    ),
    "HTTP/1.0": (reply(b"HTTP/1.0 200 OK\r\n\r\n{}", then_close=True), Answer(200, True, "")),
    "100 first": (reply(b"HTTP/1.1 100 Continue\r\n\r\n" + ACCEPTED), Answer(200, True, "")),
    "just small enough": (response(200, b"{}" + b" " * 65_533), Answer(200, True, "")),
    "not JSON": (response(200, b"<html>hi"), Answer(200, False, f"{NOT_JSON}: <html>hi")),
    "too large": (response(200, OVER_64_KIB), Answer(200, False, "HTTP 200: the body is larger than 64 KiB")),
    "endless": (endless, Answer(200, False, "HTTP 200: the body is larger than 64 KiB")),
    "rejected": (
        response(400, b'{"message": "bad\n number"}'),
        Answer(400, True, 'HTTP 400: {"message": "bad number"}'),
    ),
    "busy": (response(429, b"", b"Retry-After: 7"), Answer(429, True, "HTTP 429", "7")),
    "down": (
        response(503, b"later", b"Retry-After: Fri, 31 Dec 2027 23:59:59 GMT"),
        Answer(503, True, "HTTP 503: later", "Fri, 31 Dec 2027 23:59:59 GMT"),
    ),
    "Retry-After in bytes": (response(503, b"", b"Retry-After: \xff\xfe"), Answer(503, True, "HTTP 503")),
    "too large 500": (response(500, OVER_64_KIB), Answer(500, False, "HTTP 500: the body is larger than 64 KiB")),
}


FBRQ_ANSWERS: dict[str, tuple[Behaviour, Answer]] = {
    "a code that is no success": (
        response(200, b'{"code": 17, "message": "no money"}'),
        Answer(200, True, 'HTTP 200 with code 17: {"code": 17, "message": "no money"}', code=17),
    ),
    "a code that is no number": (response(200, b'{"code": "OK"}'), Answer(200, True, "")),
    "JSON, no object": (response(200, b"[1]"), Answer(200, False, f"{NOT_JSON}: [1]")),
}
"""What only the contract of fbrq says so."""


@pytest.mark.parametrize("case", FBRQ_ANSWERS)
async def test_answer_of_fbrq(case: str) -> None:
    behave, expected = FBRQ_ANSWERS[case]
    async with raw_server(behave) as server:
        provider = FbrqProvider(server.url, TOKEN)
        assert await provider.send(Request(5, PHONE, TEXT, PATIENT_SECONDS)) == expected
        await provider.close()


@pytest.mark.parametrize("case", HTTP_ANSWERS)
async def test_http_answer(case: str, make_provider: MakeProvider) -> None:
    behave, expected = HTTP_ANSWERS[case]
    async with raw_server(behave) as server:
        assert await make_provider(server.url).send(Request(5, PHONE, TEXT, PATIENT_SECONDS)) == expected
        assert len(server.bodies) == 1


async def test_request_is_the_contract_of_spec_3(make_provider: MakeProvider) -> None:
    async with raw_server(reply(ACCEPTED)) as server:
        await make_provider(server.url).send(Request(2**63 - 1, PHONE, TEXT, PATIENT_SECONDS))
        head = server.heads[0].decode().lower()
        assert head.startswith(f"post /v1/send/{2**63 - 1} http/1.1\r\n")
        assert f"\r\nauthorization: bearer {TOKEN}\r\n" in head
        assert "\r\ncontent-type: application/json\r\n" in head
        assert orjson.loads(server.bodies[0]) == {"id": 2**63 - 1, "phone": PHONE, "text": TEXT}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int, make_provider: MakeProvider) -> None:
    async with raw_server(response(status, b"", b"Location: /v1/send/6")) as server:
        answer = await make_provider(server.url).send(Request(5, PHONE, TEXT, PATIENT_SECONDS))
        assert answer.http_status == status
        assert len(server.bodies) == 1


ODD_BUT_ACCEPTED: dict[str, tuple[bytes, bytes]] = {
    "a byte order mark": (b"\xef\xbb\xbf" + b'{"code":0}', b"application/json"),
    "UTF-16": ('{"code":0,"message":"Принято"}'.encode("utf-16"), b"application/json"),
    "half of a surrogate pair": (b'{"code":0,"message":"\\ud83d"}', b"application/json"),
    "half of a surrogate pair as bytes": (b'{"code":0,"message":"\xed\xa0\xbd"}', b"application/json"),
    "a charset that is declared": (
        '{"code":0,"message":"Принято"}'.encode("cp1251"),
        b"text/json; charset=windows-1251",
    ),
    "a charset that is not declared": ('{"code":0,"message":"Принято"}'.encode("cp1251"), b"application/json"),
    "a charset that nobody knows": (b'{"code":0}', b'application/json; charset="no such"'),
    "a charset that is no text": (b'{"code":0}', b"application/json; charset=base64"),
    "zero bytes at the end": (b'{"code":0}\0\0\r\n', b"application/json"),
    "a line break in a text": (b'{"code":0,"message":"a\nb"}', b"application/json"),
    "white space alone": (b" \r\n", b"text/plain"),
}


@pytest.mark.parametrize("case", ODD_BUT_ACCEPTED)
async def test_an_odd_success_is_one(case: str, make_provider: MakeProvider) -> None:
    body, kind = ODD_BUT_ACCEPTED[case]
    async with raw_server(response(200, body, b"Content-Type: " + kind)) as server:
        assert await make_provider(server.url).send(Request(5, PHONE, TEXT, PATIENT_SECONDS)) == Answer(200, True, "")


@pytest.mark.parametrize(("encoding", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
async def test_a_compressed_success_is_one_though_nobody_asked_for_it(
    encoding: bytes, pack: Callable[[bytes], bytes], make_provider: MakeProvider
) -> None:
    packed = pack(b'{"code": 0, "message": "OK"}')
    async with raw_server(response(200, packed, b"Content-Encoding: " + encoding)) as server:
        assert await make_provider(server.url).send(Request(5, PHONE, TEXT, PATIENT_SECONDS)) == Answer(200, True, "")
        assert b"accept-encoding: identity" in server.heads[0].lower()


async def test_a_compressed_answer_is_unpacked_only_as_far_as_it_is_read(make_provider: MakeProvider) -> None:
    bomb = gzip.compress(b" " * 20_000_000)
    async with raw_server(response(200, bomb, b"Content-Encoding: gzip")) as server:
        answer = await make_provider(server.url).send(Request(5, PHONE, TEXT, PATIENT_SECONDS))
        assert answer == Answer(200, False, "HTTP 200: the body is larger than 64 KiB")


NEVER_LEFT = {
    "refused": ("http://127.0.0.1:{port}/v1", "connection refused"),
    "no such host": ("http://nowhere.invalid/v1", "the provider's host name could not be resolved"),
    "no TLS there": ("https://127.0.0.1:{plain}/v1", "the provider does not speak TLS at this address"),
}


@pytest.mark.parametrize("case", NEVER_LEFT)
async def test_what_goes_wrong_before_the_request_leaves_is_known(case: str, make_provider: MakeProvider) -> None:
    url, words = NEVER_LEFT[case]
    greeter = await asyncio.start_server(_greet, "127.0.0.1", 0)
    async with greeter:
        with held_port() as port:
            plain = greeter.sockets[0].getsockname()[1]
            provider = make_provider(url.format(port=port, plain=plain))
            answer = await provider.send(Request(5, PHONE, TEXT, PATIENT_SECONDS))
    assert answer == Answer(None, False, words, arrived=False)


async def _greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Not TLS."""
    writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")
    await writer.drain()
    writer.close()


@contextmanager
def _deaf() -> Iterator[str]:
    """The URL of a listener whose queue is full: it answers no SYN, so nothing arrives there."""
    with socket.socket() as deaf, ExitStack() as filling:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):
            waiting = filling.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        yield f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"


async def test_a_connection_that_takes_too_long_is_no_call(make_provider: MakeProvider) -> None:
    with _deaf() as url:
        provider = make_provider(url, connect_seconds=0.1)
        answer = await provider.send(Request(5, PHONE, TEXT, PATIENT_SECONDS))
    assert answer == Answer(None, False, "the connection could not be made in time", arrived=False)


async def test_where_nothing_could_connect_the_last_moments_of_a_window_leave_no_doubt(
    make_provider: MakeProvider,
) -> None:
    """Less time than a connection may take: it timed out as a whole, and counted as perhaps arrived."""
    with _deaf() as url:
        provider = make_provider(url, connect_seconds=0.2)
        await provider.send(Request(5, PHONE, TEXT, PATIENT_SECONDS))
        answer = await provider.send(Request(5, PHONE, TEXT, 0.1))
    assert not answer.arrived
    assert answer.detail == "not called: too little time was left to make a connection"


async def test_where_calls_go_through_a_short_time_is_used(make_provider: MakeProvider) -> None:
    async with raw_server(reply(ACCEPTED)) as server:
        provider = make_provider(server.url, connect_seconds=5)
        assert [(await provider.send(Request(5, PHONE, TEXT, seconds))).valid for seconds in (5, 4, 3)] == [True] * 3


async def test_echo_gives_nothing_away(make_provider: MakeProvider) -> None:
    echo = orjson.dumps({"auth": TOKEN, "to": f"+{PHONE}", "as": "8 (916) 123-45-67", "text": TEXT, "id": 1234567890})
    async with raw_server(response(500, echo)) as server:
        detail = (await make_provider(server.url).send(Request(5, PHONE, TEXT, PATIENT_SECONDS))).detail
    for secret in (TOKEN, str(PHONE), "123-45-67", TEXT):
        assert secret not in detail
    assert "1234567890" in detail


async def test_an_echo_of_a_form_or_an_address_gives_nothing_away() -> None:
    """As its provider was sent them: percent-encoded, and behind basic authentication."""
    secrets = {"user": "an+account", "password": "pass word&more=1"}
    table = {
        "basic": {"user": "{secret.user}", "password": "{secret.password}"},
        "query": {"key": "{secret.password}"},
        "form": {"to": "+{phone}", "text": "{text}", "key": "{secret.password}"},
    }

    async def echo(writer: asyncio.StreamWriter) -> None:
        said = server.heads[-1] + b"\n" + server.bodies[-1]
        await response(400, b"\n".join(said.split(b"\r\n")[::-1]))(writer)

    async with raw_server(echo) as server:
        provider = DescribedProvider(
            parse(f"{server.url}/{{secret.user}}"),
            RequestTable.model_validate(table),
            Answers.model_validate({"format": "text", "rules": [{"means": "accepted", "pattern": "^OK$"}]}),
            secrets=secrets,
        )
        details = {(await provider.send(Request(5, PHONE, TEXT, PATIENT_SECONDS))).detail for _ in range(3)}
        await provider.close()
    assert server.bodies
    for secret in (*secrets.values(), "pass%20word", "pass+word", "an%2Baccount", str(PHONE), quote(TEXT, safe="")):
        assert not any(secret in detail for detail in details)
