"""What the sandbox saw and what a rule needs to know of the engine, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc

from engine.clock import SystemClock
from engine.domain.breaker import Breaker
from mailing.v1 import engine_pb2, engine_service_pb2, mailing_pb2, message_pb2, message_service_pb2
from tests.rules.rig import Rig

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US = 1_000_000

PENDING = message_pb2.MESSAGE_STATUS_PENDING
SENT = message_pb2.MESSAGE_STATUS_SENT
NOT_SENT = message_pb2.MESSAGE_STATUS_NOT_SENT
EXPIRED = message_pb2.NOT_SENT_REASON_EXPIRED
REJECTED = message_pb2.NOT_SENT_REASON_REJECTED
CANCELLED = message_pb2.NOT_SENT_REASON_CANCELLED
UNCERTAIN = message_pb2.NOT_SENT_REASON_UNCERTAIN


def us(moment: Timestamp | datetime) -> int:
    """Microseconds since the epoch."""
    if isinstance(moment, Timestamp):
        return moment.ToMicroseconds()
    return (moment - EPOCH) // timedelta(microseconds=1)


def message_ids(messages: Iterable[message_pb2.Message]) -> set[int]:
    """Their ids."""
    return {message.id for message in messages}


def arrivals(rig: Rig, messages: Iterable[message_pb2.Message]) -> list[int]:
    """When the calls for these messages arrived at the sandbox, in order."""
    return sorted(call.at_us for message in messages for call in rig.sandbox.calls(message.id))


def timeline(rig: Rig, messages: Iterable[message_pb2.Message]) -> list[tuple[int, int]]:
    """(arrival, mailing) of each call for these messages, in order."""
    return sorted((call.at_us, m.mailing_id) for m in messages for call in rig.sandbox.calls(m.id))


def pauses(rig: Rig, message: message_pb2.Message) -> list[float]:
    """Seconds from each call for a message to the next."""
    times = arrivals(rig, [message])
    return [(after - before) / SECOND_US for before, after in pairwise(times)]


def use_breaker(rig: Rig, breaker: Breaker) -> None:
    """Give the engine another breaker, before it has called anybody: the usual pauses are too long for a test."""
    assert rig.service.delivery is not None
    rig.service.delivery.state.lines[0].gate.breaker = breaker


def without_breaker(rig: Rig) -> None:
    """Give the engine a breaker that never opens."""
    use_breaker(rig, Breaker(failure_threshold=10**9))


async def status(rig: Rig) -> engine_pb2.EngineStatus:
    """What the engine says of itself."""
    return await rig.engine.GetStatus(engine_service_pb2.GetStatusRequest())


async def health(rig: Rig, service: str) -> str:
    """What grpc.health.v1 says of a service."""
    request = health_pb2.HealthCheckRequest(service=service)
    answer = await health_pb2_grpc.HealthStub(rig.channel).Check(request)  # type: ignore[attr-defined]
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def message(rig: Rig, message_id: int) -> message_pb2.Message:
    """One message with its attempts."""
    return await rig.messages.GetMessage(message_service_pb2.GetMessageRequest(message_id=message_id))


async def receivers(rig: Rig, mailing: mailing_pb2.Mailing) -> list[int]:
    """The clients that have a message of the mailing, one for each of its (at most 1,000) messages."""
    return sorted(message.client_id for message in await rig.list_messages(mailing.id))


class ShiftedClock(SystemClock):
    """Real time, but it began at another instant."""

    def __init__(self, begin: datetime) -> None:
        self.ahead_us = us(begin) - super().now_us()

    def now_us(self) -> int:
        """Microseconds since the epoch, shifted."""
        return super().now_us() + self.ahead_us

    def now(self) -> datetime:
        """The same as a datetime."""
        return EPOCH + timedelta(microseconds=self.now_us())
