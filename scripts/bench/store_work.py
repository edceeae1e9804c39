"""What a store does for a message, without anybody who calls a provider: claims and outcomes."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

from engine.domain.message import Event
from engine.store.store import Store

CLAIMED_AT_ONCE: Final = 1_000
RECORDED_AT_ONCE: Final = 500
_LEASE_US: Final = 60_000_000
_HTTP_OK: Final = 200


class Work(NamedTuple):
    """So many messages, and how long they took."""

    messages: int
    claim_seconds: float
    record_seconds: float


async def work(store: Store, mailing_id: int, messages: int) -> Work:
    """Claim up to so many messages that are due, and store that they were sent, group by group."""
    now_us = _now_us()
    owner = await store.register_engine("bench", 1, now_us, now_us)
    done, claim_seconds, record_seconds = 0, 0.0, 0.0
    while done < messages:
        now_us, began = _now_us(), time.perf_counter()
        limit = min(CLAIMED_AT_ONCE, messages - done)
        claims = await store.claim(mailing_id, limit, owner=owner, now_us=now_us, lease_until_us=now_us + _LEASE_US)
        claim_seconds += time.perf_counter() - began
        if not claims:
            break
        records = [claim.ended(Event.ACCEPT, now_us, now_us + 1, _HTTP_OK, "", 0, 1) for claim in claims]
        began = time.perf_counter()
        for first in range(0, len(records), RECORDED_AT_ONCE):
            await store.record(records[first : first + RECORDED_AT_ONCE], owner=owner, now_us=_now_us())
        record_seconds += time.perf_counter() - began
        done += len(claims)
    return Work(done, claim_seconds, record_seconds)


def _now_us() -> int:
    return time.time_ns() // 1_000
