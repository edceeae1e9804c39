"""Which HTTP client sends the most messages a second from one core.

    python scripts/bench/http_client.py --in-flight 100 1000

The sender runs on core 0, the mock provider on core 1. The candidates take turns in short rounds, so
that whatever else the machine does hits them alike; compare the ratios, not the absolute numbers. Seconds are those
of the sender's processor, so that a busy machine changes little.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import uvloop
from pyreqwest.client import ClientBuilder

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))  # run as a file, from any folder

from engine.ports import Provider, Request
from engine.provider.described import DescribedProvider
from engine.provider.description import Answers, RequestTable
from engine.provider.fbrq import FbrqProvider
from engine.provider.placeholders import parse
from scripts.bench.aiohttp_provider import AiohttpProvider

Send = Callable[[int], Awaitable[object]]
PHONE = 79161234567
TEXT = "Hello, this is a text of about fifty characters."


@contextmanager
def mock_provider(latency_seconds: float) -> Iterator[str]:
    """Run the mock on core 1; give its URL."""
    command = [sys.executable, str(Path(__file__).with_name("mock_provider.py")), "--core", "1"]
    with subprocess.Popen([*command, "--latency-seconds", str(latency_seconds)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.kill()


def bare(url: str) -> Send:
    """pyreqwest with nothing around it: what FbrqProvider itself costs."""
    client = ClientBuilder().default_headers({"authorization": "Bearer x", "content-type": "application/json"}).build()
    timeout = timedelta(seconds=10)

    async def send(message_id: int) -> None:
        body = orjson.dumps({"id": message_id, "phone": PHONE, "text": TEXT})
        response = await client.post(f"{url}/send/{message_id}").body_bytes(body).timeout(timeout).build().send()
        await response.bytes()

    return send


def described(url: str) -> DescribedProvider:
    """fbrq, described instead of programmed, with what a description costs at most: a pointer, and an id to keep."""
    request = RequestTable.model_validate(
        {
            "headers": {"Authorization": "Bearer {secret.token}"},
            "json": {"id": "{id:number}", "phone": "{phone:number}", "text": "{text}", "until": "{valid_until}"},
        }
    )
    rules = [{"means": "accepted", "pointer": "/code", "values": [0]}]
    answers = Answers.model_validate({"rules": rules, "provider_message_id": "/message"})
    return DescribedProvider(parse(url + "/send/{id}"), request, answers, secrets={"token": "x"})


def _through(provider: Provider) -> Send:
    async def send(message_id: int) -> None:
        answer = await provider.send(Request(message_id, PHONE, TEXT, 10.0, valid_seconds=600))
        if answer.http_status != 200:
            raise SystemExit(f"the mock provider answered: {answer}")

    return send


async def _rate_per_second(send: Send, first_id: int, messages: int, in_flight: int) -> float:
    ids = iter(range(first_id, first_id + messages))

    async def worker() -> None:
        for message_id in ids:
            await send(message_id)

    started = time.process_time()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return messages / (time.process_time() - started)


async def _measure(url: str, in_flight: int, messages: int, rounds: int) -> dict[str, list[float]]:
    providers: list[Provider] = [FbrqProvider(url, "x"), described(url), AiohttpProvider(url, "x")]
    candidates = {"pyreqwest, bare": bare(url), **{type(each).__name__: _through(each) for each in providers}}
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for round_ in range(rounds + 1):
        for name, send in candidates.items():
            rate = await _rate_per_second(send, 1 + round_ * messages, messages, in_flight)
            if round_ > 0:  # the first one only opens connections
                rates[name].append(rate)
    for each in providers:
        await each.close()
    return rates


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[100, 1000], help="calls at the same time")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="of the mock provider")
    parser.add_argument("--messages", type=int, default=10_000, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {0})
    for in_flight in arguments.in_flight:
        with mock_provider(arguments.latency_seconds) as url:
            rates = uvloop.run(_measure(url, in_flight, arguments.messages, arguments.rounds))
        base = statistics.median(rates["pyreqwest, bare"])
        print(f"{in_flight} in flight, latency {arguments.latency_seconds:g} s:")
        for name, values in rates.items():
            median = statistics.median(values)
            print(f"  {name:17} {median:7.0f}/s ({min(values):.0f} to {max(values):.0f}), ratio {median / base:.2f}")


if __name__ == "__main__":
    main()
