"""kill -9, again and again, in the middle of a mailing; then count.

INVARIANT. Whenever the engine dies: no message is lost, each ends final, the counters equal the rows, the file is
whole, and
  resend     every message is sent, and the provider sees a message twice only if it was in flight at a kill
  not_sent   no message is called twice; those in flight at a kill, and only those, end as uncertain
  stop list  before each kill some numbers are put on the list: none of them is called after the answer has come; what
             was not sent by then ends as suppressed, or as uncertain when an engine had it at a kill
In flight are at most as many messages as there are slots, which without ``--slots`` are as many as workers.

Real processes, a real file, real HTTP: what the simulation can't have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc

from mailing.v1 import (
    client_service_pb2,
    client_service_pb2_grpc,
    mailing_pb2,
    mailing_service_pb2,
    mailing_service_pb2_grpc,
    suppression_service_pb2,
    suppression_service_pb2_grpc,
)
from scripts.token_channel import with_token
from tests.crash.processes import Engine, Provider, sandbox

__all__ = ["POLICIES", "Engine", "Kill", "Report", "describe", "finished", "register", "run", "spread"]

POLICIES = {"resend": mailing_pb2.ON_UNCERTAIN_RESEND, "not_sent": mailing_pb2.ON_UNCERTAIN_NOT_SENT}
FIRST = 79160000000
LISTED_EACH = 20
"""Of so many numbers one is put on the stop list on the way."""
_REACHED = 0.9
"""Of all: who is listed on the way is not."""
STEP_SECONDS = 120
"""Between two kills, at most."""
LAST_SECONDS = 600
"""After the last one, on a machine that has much else to do."""


@dataclass(slots=True)
class Kill:
    """The state of things when an engine was killed."""

    sent: int
    """Stored as sent by then."""
    claimed: frozenset[int]
    """An engine had it, called or not."""
    in_flight: frozenset[int]
    """Called by the engine that died, their outcomes not stored: what the provider and the file say together."""
    marked: frozenset[int]
    damage: str
    restart_seconds: float = 0.0


@dataclass(slots=True)
class Report:
    """What a campaign found."""

    messages: int
    slots: int
    on_uncertain: str
    kills: list[Kill] = field(default_factory=list)
    counted: tuple[int, int, int] = (0, 0, 0)
    """Pending, sent, not sent, as the API counts them in the end."""
    sent: frozenset[int] = frozenset()
    uncertain: frozenset[int] = frozenset()
    suppressed: frozenset[int] = frozenset()
    others: frozenset[int] = frozenset()
    listed: dict[int, int] = field(default_factory=dict)
    """How often each message of a listed number had been called when it was listed, by message id."""
    called_late: int = 0
    """Messages that were called more often than that in the end."""
    accepted: int = 0
    """Messages that the provider knows."""
    repeated: int = 0
    """Messages that it was called with more than once."""
    repeated_in_flight: int = 0
    damage: str = ""
    check: str = ""
    seconds: float = 0.0

    @property
    def in_flight(self) -> frozenset[int]:
        """All that were in flight at one of the kills."""
        return frozenset().union(*(kill.in_flight for kill in self.kills))

    @property
    def marked(self) -> frozenset[int]:
        """All that were marked at one of the kills."""
        return frozenset().union(*(kill.marked for kill in self.kills))

    def faults(self) -> list[str]:
        """Violations of the invariant, in words."""
        return [*self._lost(), *self._repeats(), *(self._not_sent() if self.on_uncertain == "not_sent" else ())]

    def _lost(self) -> Iterator[str]:
        sent, uncertain, suppressed = len(self.sent), len(self.uncertain), len(self.suppressed)
        if self.others or sent + uncertain + suppressed != self.messages:
            found = f"{sent} sent, {uncertain} uncertain, {suppressed} suppressed"
            yield f"{self.messages} messages: {found}, {len(self.others)} none of these"
        if self.counted != (0, sent, uncertain + suppressed):
            yield f"the counters say {self.counted}, the rows (0, {sent}, {uncertain + suppressed})"
        if self.on_uncertain == "resend" and (wrong := self.uncertain - self.listed.keys()):
            yield f"{len(wrong)} messages are uncertain, but were to be sent again"
        if strangers := self.suppressed - self.listed.keys():
            yield f"{len(strangers)} messages are suppressed whose number was on no list"
        if self.called_late:
            yield f"{self.called_late} messages were called when their number was on the stop list"
        known = sent + len(self.uncertain & self.in_flight)
        if self.accepted != known:
            yield f"the provider knows {self.accepted} messages, not {known}"
        if self.check:
            yield f"check: {self.check}"
        for damage in (*(kill.damage for kill in self.kills), self.damage):
            if damage:
                yield f"the file is damaged: {damage}"

    def _repeats(self) -> Iterator[str]:
        if strangers := self.repeated - self.repeated_in_flight:
            yield f"{strangers} messages were called twice without having been in flight at a kill"
        for number, kill in enumerate(self.kills, 1):
            if len(kill.in_flight) > self.slots:
                yield f"kill {number}: {len(kill.in_flight)} messages were in flight, of {self.slots} slots"

    def _not_sent(self) -> Iterator[str]:
        if self.repeated:
            yield f"{self.repeated} messages were called twice, which must never be"
        if unmarked := self.in_flight - self.marked:
            yield f"{len(unmarked)} messages were called before their mark was stored"
        if self.uncertain != self.marked:
            yield f"uncertain are {len(self.uncertain)} messages; marked at a kill were {len(self.marked)} (others)"
        for number, kill in enumerate(self.kills, 1):
            if len(kill.marked) > self.slots:
                yield f"kill {number}: {len(kill.marked)} messages were marked, of {self.slots} slots"


def spread(number: int, kills: int, messages: int, reached: float) -> int:
    """How many texts have been accepted when a kill comes, the first being number 1. ``reached``: at least this share
    of them will be, or the last kills would wait for ever."""
    return int(number * messages * reached) // (kills + 1)


async def run(
    folder: Path,
    *,
    messages: int,
    kills: int,
    workers: int = 32,
    slots: int = 0,
    on_uncertain: str = "resend",
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Register one mailing for ``messages`` clients; kill the engine ``kills`` times on the way."""
    report, began = Report(messages, max(workers, slots), on_uncertain), time.monotonic()
    async with sandbox("--latency-seconds", "0.002-0.02", "--keep", str(messages)) as provider:
        engine = Engine(folder, f"{provider.url}/v1", workers, slots)
        await engine.start()
        try:
            mailing_id = await register(engine.target, messages, on_uncertain)
            known: dict[int, int] = {}
            for number in range(1, kills + 1):
                async with asyncio.timeout(STEP_SECONDS):
                    await provider.accepted(spread(number, kills, messages, _REACHED))
                    numbers = [
                        FIRST + messages - 1 - place for place in range(number - 1, messages, LISTED_EACH * kills)
                    ]
                    await suppress(engine.target, numbers)
                    report.kills.append(await kill(engine, provider, known))
                    ids = engine.message_ids()
                    for phone_number in numbers:
                        report.listed[ids[phone_number]] = await provider.calls(ids[phone_number])
                tell(f"kill {number}: {describe(report.kills[-1])}")
            async with asyncio.timeout(LAST_SECONDS):
                report.counted = await finished(engine.target, mailing_id)
        finally:
            await engine.stop()
        await _count(report, engine, provider)
    report.seconds = time.monotonic() - began
    return report


def describe(kill: Kill) -> str:
    """One line."""
    return (
        f"{kill.sent} sent, {len(kill.claimed)} claimed, {len(kill.in_flight)} in flight, {len(kill.marked)} marked;"
        f" working again after {kill.restart_seconds:.1f} s"
    )


async def kill(engine: Engine, provider: Provider, known: dict[int, int]) -> Kill:
    """Kill, see what was in flight, start again; ``known``: calls of each claimed message by earlier engines."""
    await engine.kill()
    rows, calls = engine.rows(), await provider.latest()
    in_flight = frozenset(id for id in rows.claimed if calls.get(id, 0) > known.get(id, 0))
    known.update((id, calls[id]) for id in in_flight)
    began = time.monotonic()
    await engine.start()
    seconds = time.monotonic() - began
    return Kill(len(rows.sent), rows.claimed, in_flight, rows.marked, rows.damage, seconds)


async def _count(report: Report, engine: Engine, provider: Provider) -> None:
    stats, rows = await provider.stats(), engine.rows()
    report.sent, report.uncertain, report.damage = rows.sent, rows.uncertain, rows.damage
    report.others, report.suppressed = rows.others | rows.claimed, rows.suppressed
    for message_id, calls in report.listed.items():
        report.called_late += await provider.calls(message_id) > calls
    report.accepted, report.repeated = stats["accepted_ids"], stats["repeated_ids"]
    for message_id in report.in_flight:
        report.repeated_in_flight += await provider.calls(message_id) > 1
    report.check = await engine.check()


async def register(target: str, messages: int, on_uncertain: str) -> int:
    """Import clients and register a mailing for all of them; returns its id."""

    def batches() -> Any:
        for first in range(0, messages, 1000):
            rows = [
                client_service_pb2.ImportClientsRow(phone_number=str(FIRST + i))
                for i in range(first, min(first + 1000, messages))
            ]
            yield client_service_pb2.ImportClientsRequest(rows=rows)

    async with grpc.aio.insecure_channel(target) as plain:
        channel = with_token(plain)
        await client_service_pb2_grpc.ClientServiceStub(channel).ImportClients(batches())
        now = datetime.now(UTC)
        mailing = mailing_pb2.Mailing(text="hello", on_uncertain=POLICIES[on_uncertain])
        mailing.start_time.FromDatetime(now - timedelta(seconds=1))
        mailing.end_time.FromDatetime(now + timedelta(hours=1))
        created = await mailing_service_pb2_grpc.MailingServiceStub(channel).CreateMailing(
            mailing_service_pb2.CreateMailingRequest(mailing=mailing)
        )
        return int(created.id)


async def suppress(target: str, numbers: list[int]) -> None:
    """Put numbers on the stop list; when it returns they are."""
    rows = [suppression_service_pb2.ImportSuppressionsRow(phone_number=str(number)) for number in numbers]
    page = suppression_service_pb2.ImportSuppressionsRequest(rows=rows)
    async with grpc.aio.insecure_channel(target) as plain:
        stub = suppression_service_pb2_grpc.SuppressionServiceStub(with_token(plain))
        answer = await stub.ImportSuppressions(iter([page]))
        assert answer.created == len(numbers)


async def finished(target: str, mailing_id: int) -> tuple[int, int, int]:
    """Wait until nothing is pending; returns pending, sent, not sent."""
    async with grpc.aio.insecure_channel(target) as plain:
        channel = with_token(plain)
        stub = mailing_service_pb2_grpc.MailingServiceStub(channel)
        while True:
            mailing = await stub.GetMailing(mailing_service_pb2.GetMailingRequest(mailing_id=mailing_id))
            counts = mailing.message_counts
            if mailing.audience_state == mailing_pb2.AUDIENCE_STATE_READY and not counts.pending:
                return int(counts.pending), int(counts.sent), int(counts.not_sent)
            await asyncio.sleep(0.05)
