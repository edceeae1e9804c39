"""What arrived at the sandbox and when."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mailing.v1 import message_pb2, message_service_pb2
from scripts.sandbox import Sandbox
from tests.rules.rig import Rig, until

SECOND_US = 1_000_000


def now_us() -> int:
    """The time, as the sandbox takes it."""
    return time.time_ns() // 1000


async def all_messages(rig: Rig, mailing_id: int) -> list[message_pb2.Message]:
    """Every message of a mailing, page by page."""
    found: list[message_pb2.Message] = []
    token = ""
    while True:
        page = await rig.messages.ListMessages(
            message_service_pb2.ListMessagesRequest(mailing_id=mailing_id, page_size=1000, page_token=token)
        )
        found += page.messages
        token = page.next_page_token
        if not token:
            return found


async def message_ids(rig: Rig, mailing_id: int) -> list[int]:
    """The ids of all messages of a mailing."""
    return [message.id for message in await all_messages(rig, mailing_id)]


def arrivals(ids: Iterable[int], *sandboxes: Sandbox) -> list[int]:
    """When each call for one of these messages arrived, oldest first."""
    known = list(ids)
    return sorted(call.at_us for sandbox in sandboxes for each in known for call in sandbox.calls(each))


async def grown(count: Callable[[], int], by: int) -> None:
    """Wait until ``count()`` is that much more than now."""
    enough = count() + by
    await until(lambda: count() >= enough)


@dataclass(frozen=True)
class Phase:
    """A rate that was in force: from when it was asked for until its successor's call had returned."""

    asked_us: int
    returned_us: int
    rate: float


@dataclass
class Phases:
    """Rates, one after the other."""

    phases: list[Phase] = field(default_factory=list)

    def add(self, asked_us: int, rate: float) -> None:
        """The call that asked for this rate has just returned."""
        self.phases.append(Phase(asked_us, now_us(), rate))

    def excesses(self, times: Sequence[int], begun_us: int = 50_000) -> list[str]:
        """Seconds with more calls than any rate in force allows; a call that began before a change may
        arrive ``begun_us`` after it."""
        found = []
        ends = [phase.returned_us + begun_us for phase in self.phases[1:]] + [2**63]
        for first, at_us in enumerate(times):
            calls = bisect_left(times, at_us + SECOND_US) - first
            allowed = max(
                phase.rate
                for phase, end_us in zip(self.phases, ends, strict=True)
                if phase.asked_us < at_us + SECOND_US and end_us > at_us
            )
            if calls > allowed:
                found.append(f"{calls} calls in the second from {at_us}, allowed are {allowed:g}")
        return found
