"""kill -9, again and again, in a mailing through two providers whose receipts flow; then count.

INVARIANT. Whenever the engine dies, and however receipts come (early, twice, reordered, while no engine is there):
  lost      each message ends, and the counters equal the rows
  one       no message is called at another provider after a call whose outcome may be unknown, or that was accepted
  receipts  of those of a message that were answered 200 the latest is in its row, or a later one whose answer was lost
  heard     no message is called any more after a receipt of it was answered
  resend    every message is sent
  not_sent  none is called after an outcome that is unknown; who is uncertain had such a one, or was in flight at a kill

The sandbox hands its receipts in at a desk of this process, which passes them on to the engine and notes what was
answered: so what a provider was told is known, whatever becomes of the engine.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
from aiohttp import web

from engine.domain.message import Reason, Status
from engine.domain.receipt import Delivery
from mailing.v1 import message_pb2, receipt_service_pb2, receipt_service_pb2_grpc
from scripts.sandbox_file import write_providers
from scripts.sandbox_names import NAMES, base_of
from scripts.token_channel import with_token
from tests.crash.campaign import LAST_SECONDS, STEP_SECONDS, finished, register, spread
from tests.crash.processes import Engine, Provider, sandbox

PROVIDERS: Final = 2
FAULTS: Final = (
    {"share_5xx": 0.15, "share_unanswered": 0.1, "share_reset": 0.05, "latency_seconds": [0.002, 0.02]},
    {"share_5xx": 0.05, "share_unanswered": 0.1, "latency_seconds": [0.002, 0.05]},
)
RECEIPTS: Final = {
    "enabled": True,
    "delay_seconds": [0, 0.5],
    "share_undelivered": 0.2,
    "share_lost": 0.1,
    "share_repeated": 0.2,
    "share_reordered": 0.2,
}
_REACHED: Final = 0.7
"""Of all: what is refused, or ends as uncertain, is not."""
RETRY_SECONDS: Final = "1"
"""So that a receipt may come before the next call."""
ACCEPTED: Final = "200"
NOT_TAKEN: Final = frozenset({"400", "401", "403", "429", "500", "503"})
"""Answers after which it is certain that the provider has not taken the text."""
LATE_US: Final = 3_000_000
"""A call that had begun takes so long to be noted, on a machine with much else to do."""
_AT_ONCE: Final = 16
_WORDS: Final = {
    "delivered": message_pb2.DELIVERY_STATUS_DELIVERED,
    "undelivered": message_pb2.DELIVERY_STATUS_UNDELIVERED,
}


class Said(NamedTuple):
    """What a receipt says."""

    time_us: int
    delivery: int


class Call(NamedTuple):
    """A call, as the sandbox knows it."""

    at_us: int
    provider: str
    answer: str


class Row(NamedTuple):
    """A message in the end."""

    id: int
    status: int
    reason: int | None
    delivery: int | None
    delivery_us: int | None


@dataclass(slots=True)
class Desk:
    """Takes the sandbox's receipts."""

    target: str = ""
    """Of the engine that runs."""
    tried: defaultdict[int, set[Said]] = field(default_factory=lambda: defaultdict(set))
    answered: defaultdict[int, set[Said]] = field(default_factory=lambda: defaultdict(set))
    answered_us: dict[int, int] = field(default_factory=dict)
    """When the first receipt of a message was answered."""
    refused: int = 0
    """Calls that no engine answered."""

    async def take(self, request: web.Request) -> web.Response:
        """Pass a list on; 200 when the engine has answered."""
        said = [_said(each) for each in await request.json()]
        for id, word in said:
            self.tried[id].add(word)
        try:
            async with grpc.aio.insecure_channel(self.target) as plain:
                stub = receipt_service_pb2_grpc.ReceiptServiceStub(with_token(plain))
                answer = await stub.RecordReceipts(_request(said))
        except grpc.aio.AioRpcError as error:
            self.refused += 1
            return web.json_response({"detail": error.details()}, status=503)
        now_us = time.time_ns() // 1000
        for id, word in said:
            self.answered[id].add(word)
            self.answered_us.setdefault(id, now_us)
        return web.json_response(
            {"accepted": answer.accepted, "duplicate": answer.duplicate, "unknown": answer.unknown}
        )


@dataclass(slots=True)
class ReceiptReport:
    """What a campaign found."""

    messages: int
    on_uncertain: str
    desk: Desk
    marked: set[int] = field(default_factory=set)
    """Messages that had their mark at a kill."""
    rows: list[Row] = field(default_factory=list)
    calls: dict[int, list[Call]] = field(default_factory=dict)
    counted: tuple[int, int, int] = (0, 0, 0)
    delivered: tuple[int, int] = (0, 0)
    """Delivered and undelivered, as the counters say."""
    complaints: list[str] = field(default_factory=list)
    """Of the file, and of ``python -m engine check``."""

    @property
    def sent(self) -> list[Row]:
        """Messages that are sent."""
        return [row for row in self.rows if row.status == Status.SENT]

    @property
    def confirmed(self) -> list[Row]:
        """Sent, though the engine never got an acceptance: a receipt told."""
        return [row for row in self.sent if all(call.answer != ACCEPTED for call in self.calls[row.id])]

    def faults(self) -> list[str]:
        """Violations of the invariant, in words."""
        checks = (self._lost, self._one, self._receipts, self._heard, self._uncertain)
        return [fault for check in checks for fault in check()] + self.complaints

    def _lost(self) -> Iterator[str]:
        uncertain = [row for row in self.rows if row.reason == Reason.UNCERTAIN]
        if len(self.rows) != self.messages or len(self.sent) + len(uncertain) != self.messages:
            yield f"{self.messages} messages: {len(self.rows)} rows, {len(self.sent)} sent, {len(uncertain)} uncertain"
        if self.counted != (0, len(self.sent), len(uncertain)):
            yield f"the counters say {self.counted}, the rows (0, {len(self.sent)}, {len(uncertain)})"
        told = tuple(sum(row.delivery == said for row in self.sent) for said in Delivery)
        if self.delivered != told:
            yield f"the counters say {self.delivered} delivered and not, the rows {told}"
        if self.on_uncertain == "resend" and uncertain:
            yield f"{len(uncertain)} messages are uncertain, but were to be sent again"

    def _one(self) -> Iterator[str]:
        for id, calls in self.calls.items():
            for place, call in enumerate(calls):
                others = {later.provider for later in calls[place + 1 :]} - {call.provider}
                if others and call.answer not in NOT_TAKEN:
                    yield f"message {id} may be at {call.provider} ({call.answer}), and was given to {min(others)}"

    def _receipts(self) -> Iterator[str]:
        for row in self.rows:
            tried, answered = self.desk.tried[row.id], self.desk.answered[row.id]
            latest_us = max((said.time_us for said in answered), default=0)
            shown = None if row.delivery is None or row.delivery_us is None else Said(row.delivery_us, row.delivery)
            possible = {said for said in tried if said.time_us >= latest_us} | (set() if answered else {None})
            if shown not in possible:
                yield f"message {row.id} shows {shown}, not one of {possible}"

    def _heard(self) -> Iterator[str]:
        for id, at_us in self.desk.answered_us.items():
            for call in self.calls.get(id, ()):
                if call.at_us > at_us + LATE_US:
                    yield f"message {id} was called {(call.at_us - at_us) / 1e6:.1f} s after its receipt was answered"

    def _uncertain(self) -> Iterator[str]:
        for row in self.rows if self.on_uncertain == "not_sent" else ():
            calls = self.calls[row.id]
            if any(call.answer not in NOT_TAKEN for call in calls[:-1]):
                yield f"message {row.id} was called again after an unknown outcome: {calls}"
            is_known = bool(calls) and calls[-1].answer in NOT_TAKEN | {ACCEPTED}
            if row.reason == Reason.UNCERTAIN and is_known and row.id not in self.marked:
                yield f"message {row.id} is uncertain, but its last call was answered {calls[-1].answer}"


async def run_receipts(
    folder: Path,
    *,
    messages: int,
    kills: int,
    workers: int = 32,
    on_uncertain: str = "resend",
    tell: Callable[[str], None] = lambda line: None,
) -> ReceiptReport:
    """Register one mailing for ``messages`` clients; kill the engine ``kills`` times on the way."""
    report = ReceiptReport(messages, on_uncertain, desk := Desk())
    async with _listening(desk) as url, sandbox(*_flags(url, messages)) as provider:
        providers = [Provider(f"{provider.url}{base_of(nth)}") for nth in range(PROVIDERS)]
        for each, faults in zip(providers, FAULTS, strict=True):
            await each.change("faults", faults)
            await each.change("receipts", RECEIPTS)
        file = folder / "providers.toml"
        environ = write_providers(file, provider.url, PROVIDERS, 0)
        file.write_text(file.read_text().replace("[[provider]]", f"[[provider]]\nworkers = {workers}"))
        flags = ("--retry-base-seconds", RETRY_SECONDS)
        engine = Engine(folder, f"{provider.url}/v1", workers, environ=environ, flags=flags)
        await engine.start()
        desk.target = engine.target
        try:
            mailing_id = await register(engine.target, messages, on_uncertain)
            for number in range(1, kills + 1):
                async with asyncio.timeout(STEP_SECONDS):
                    await _accepted(providers, spread(number, kills, messages, _REACHED))
                    await engine.kill()
                    rows = engine.rows()
                    report.marked |= rows.marked
                    report.complaints += [rows.damage] if rows.damage else []
                    await engine.start()
                    desk.target = engine.target
                tell(
                    f"kill {number}: {len(rows.sent)} sent, {len(rows.claimed)} claimed, {len(desk.answered)} heard of"
                )
            async with asyncio.timeout(LAST_SECONDS):
                report.counted = await finished(engine.target, mailing_id)
                await _all_told(providers)
        finally:
            await engine.stop()
        await _count(report, engine, providers)
    return report


def _flags(url: str, messages: int) -> Sequence[str]:
    return ("--providers", str(PROVIDERS), "--receipts-url", url, "--keep", str(2 * messages))


@asynccontextmanager
async def _listening(desk: Desk) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/receipts", desk.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/receipts"
    finally:
        await runner.cleanup()


def _said(each: dict[str, Any]) -> tuple[int, Said]:
    return int(each["id"]), Said(_micros(each["time"]), Delivery[each["status"].upper()])


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def _request(said: Sequence[tuple[int, Said]]) -> receipt_service_pb2.RecordReceiptsRequest:
    request = receipt_service_pb2.RecordReceiptsRequest()
    for id, word in said:
        receipt = request.receipts.add(id=id, status=_WORDS[Delivery(word.delivery).public])
        receipt.time.FromMicroseconds(word.time_us)
    return request


async def _accepted(providers: Sequence[Provider], count: int) -> None:
    while sum([(await each.stats())["accepted"] for each in providers]) < count:
        await asyncio.sleep(0.01)


async def _all_told(providers: Sequence[Provider]) -> None:
    while any([(await each.stats())["receipts"]["waiting"] for each in providers]):
        await asyncio.sleep(0.05)


async def _count(report: ReceiptReport, engine: Engine, providers: Sequence[Provider]) -> None:
    if damage := engine.rows().damage:
        report.complaints.append(damage)
    if check := await engine.check():
        report.complaints.append(check)
    with closing(sqlite3.connect(engine.database.with_name("copy.db"))) as connection:
        columns = ", ".join(Row._fields)
        report.rows = [Row(*row) for row in connection.execute(f"SELECT {columns} FROM message")]
        counters = connection.execute("SELECT sum(delivered), sum(undelivered) FROM mailing_counters").fetchone()
        report.delivered = tuple(counters)
    free = asyncio.Semaphore(_AT_ONCE)

    async def calls_of(id: int) -> list[Call]:
        async with free:
            found = [
                Call(_micros(call["time"]), name, call["answer"])
                for name, provider in zip(NAMES, providers, strict=False)
                for call in await provider.calls_of(id)
            ]
        return sorted(found)

    ids = [row.id for row in report.rows]
    report.calls = dict(zip(ids, await asyncio.gather(*map(calls_of, ids)), strict=True))
