"""Connections: kept, bounded, given back after cancellation, and never a reason for a second send."""

from __future__ import annotations

import asyncio

import orjson

from engine.domain.outcome import Answer
from engine.ports import Request
from engine.provider.fbrq import FbrqProvider
from tests.patience import PATIENT_SECONDS, until
from tests.provider.conftest import MakeProvider
from tests.provider.raw_server import ACCEPTED, hang, raw_server, reply

PHONE = 79161234567
ACCEPTED_ANSWER = Answer(200, True, "")


async def test_one_connection_serves_calls_one_after_another(make_provider: MakeProvider) -> None:
    async with raw_server(reply(ACCEPTED)) as server:
        provider = make_provider(server.url)
        for message_id in range(20):
            assert await provider.send(Request(message_id, PHONE, "x", PATIENT_SECONDS)) == ACCEPTED_ANSWER
        assert server.connections == 1


async def test_sockets_are_bounded_by_calls_in_flight(make_provider: MakeProvider) -> None:
    async with raw_server(reply(ACCEPTED)) as server:
        provider = make_provider(server.url)
        ids = iter(range(1000))

        async def worker() -> None:
            for message_id in ids:
                assert await provider.send(Request(message_id, PHONE, "x", PATIENT_SECONDS)) == ACCEPTED_ANSWER

        await asyncio.gather(*(worker() for _ in range(20)))
        assert server.connections <= 2 * 20  # a call may begin to connect and then find a free connection
        assert len(server.bodies) == 1000


async def test_idle_connections_are_closed(make_provider: MakeProvider) -> None:
    async with raw_server(reply(ACCEPTED)) as server:
        provider = make_provider(server.url, idle_seconds=0.1)
        await asyncio.gather(*(provider.send(Request(i, PHONE, "x", PATIENT_SECONDS)) for i in range(5)))
        await until(lambda: server.open == 0)


async def test_close_closes_connections(make_provider: MakeProvider) -> None:
    async with raw_server(reply(ACCEPTED)) as server:
        provider = make_provider(server.url)
        await provider.send(Request(1, PHONE, "x", PATIENT_SECONDS))
        assert server.open == 1
        await provider.close()
        await until(lambda: server.open == 0)


async def test_two_thousand_calls_at_once(make_provider: MakeProvider) -> None:
    arrived = asyncio.Event()

    async def together(writer: asyncio.StreamWriter) -> None:
        if len(server.bodies) == 2000:
            arrived.set()
        await arrived.wait()
        writer.write(ACCEPTED)

    async with raw_server(together) as server:
        provider = make_provider(server.url)
        answers = await asyncio.gather(*(provider.send(Request(i, PHONE, "x", PATIENT_SECONDS)) for i in range(2000)))
        assert set(answers) == {ACCEPTED_ANSWER}
        assert {orjson.loads(body)["id"] for body in server.bodies} == set(range(2000))


async def test_cancelled_calls_end_at_once_and_leak_no_socket(make_provider: MakeProvider) -> None:
    async with raw_server(hang) as server:
        provider = make_provider(server.url)
        # Time enough for all to be there before the first one's time-out, on a busy machine too.
        calls = [asyncio.ensure_future(provider.send(Request(i, PHONE, "x", 4))) for i in range(100)]
        await until(lambda: len(server.bodies) == 100)
        for call in calls:
            call.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert all(call.cancelled() for call in calls)
        # The client lets a cancelled request run on in the background, but only to its time-out.
        await until(lambda: server.open == 0)
        server.behave = reply(ACCEPTED)
        assert await provider.send(Request(1, PHONE, "x", PATIENT_SECONDS)) == ACCEPTED_ANSWER


async def test_cancelling_at_any_moment_harms_no_other_call(make_provider: MakeProvider) -> None:
    async with raw_server(reply(ACCEPTED)) as server:
        provider = make_provider(server.url)
        for round_ in range(60):
            requests = [Request(round_ * 10 + i, PHONE, "x", PATIENT_SECONDS) for i in range(10)]
            calls = [asyncio.ensure_future(provider.send(request)) for request in requests]
            await asyncio.sleep(round_ / 30_000)
            for call in calls[::2]:
                call.cancel()
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert set(results[1::2]) == {ACCEPTED_ANSWER}
        # A whole answer each time: no connection was given back with an answer of another call in it.
        ids = [orjson.loads(body)["id"] for body in server.bodies]
        assert len(ids) == len(set(ids))


async def test_connections_closed_by_the_server_while_idle_cost_nothing(make_provider: MakeProvider) -> None:
    """As nginx and Node do after their keep-alive time-out: neither a failure storm nor a second send."""
    async with raw_server(reply(ACCEPTED)) as server:
        provider = make_provider(server.url)
        await asyncio.gather(*(provider.send(Request(i, PHONE, "x", PATIENT_SECONDS)) for i in range(50)))
        server.hang_up()
        await until(lambda: server.open == 0)
        requests = [Request(i, PHONE, "x", PATIENT_SECONDS) for i in range(50, 100)]
        answers = await asyncio.gather(*map(provider.send, requests))
        assert set(answers) == {ACCEPTED_ANSWER}
        assert len(server.bodies) == 100


async def test_a_call_cut_off_on_a_kept_connection_is_not_sent_again_by_the_client(make_provider: MakeProvider) -> None:
    """The race that can't be won: the server closes just as the request arrives. Whether to send again is
    the engine's decision (the same message id, later), never the client's."""
    async with raw_server(reply(ACCEPTED)) as server:
        provider = make_provider(server.url)
        await provider.send(Request(1, PHONE, "x", PATIENT_SECONDS))
        server.behave = reply(b"", then_close=True)
        answer = await provider.send(Request(2, PHONE, "x", PATIENT_SECONDS))
        assert (answer.http_status, answer.valid) == (None, False)
        assert [orjson.loads(body)["id"] for body in server.bodies] == [1, 2]


async def test_max_connections_bounds_sockets_of_cancelled_calls_too() -> None:
    async with raw_server(hang) as server:
        provider = FbrqProvider(server.url, "token", max_connections=10)
        for _ in range(5):
            # None times out before the end, however busy the machine is: its socket would make room for another.
            calls = [asyncio.ensure_future(provider.send(Request(i, PHONE, "x", PATIENT_SECONDS))) for i in range(10)]
            await asyncio.sleep(0.01)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        answer = await provider.send(Request(1, PHONE, "x", 0.1))
        assert answer == Answer(None, False, "no connection was free in time", arrived=False)
        assert server.connections <= 10
        await provider.close()


async def test_close_answers_calls_in_flight_and_later_ones() -> None:
    async with raw_server(hang) as server:
        provider = FbrqProvider(server.url, "token")
        call = asyncio.ensure_future(provider.send(Request(1, PHONE, "x", PATIENT_SECONDS)))
        await until(lambda: len(server.bodies) == 1)
        await provider.close()
        closed = Answer(None, False, "the client was closed")
        assert await call == closed
        assert await provider.send(Request(2, PHONE, "x", PATIENT_SECONDS)) == closed
        await provider.close()  # twice does no harm
