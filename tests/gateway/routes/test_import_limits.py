"""What an import may take: places, time, size once inflated, turns of the event loop, errors, and its kept answer."""

from __future__ import annotations

import asyncio
import gc
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.inflate import inflated
from gateway.http.limits import ImportPlaces
from gateway.http.problems import Problem
from gateway.tables.csv_rows import RowReader
from gateway.tables.import_stream import SLICE_BYTES
from tests.gateway.rig import Answer, Gateway, serving
from tests.patience import PATIENT_SECONDS, undisturbed

CSV = {"Content-Type": "text/csv"}
GZIP = {**CSV, "Content-Encoding": "gzip"}
HEADER = b"phone_number,tag,time_zone\n"


async def send(gateway: Gateway, data: Any, headers: dict[str, str] = CSV, **more: Any) -> Answer:
    return await gateway.post("/clients/import", data=data, headers=headers, **more)


async def endless(over: asyncio.Event) -> AsyncIterator[bytes]:
    """A file that has no end until it is over."""
    yield HEADER
    number = 0
    while not over.is_set():
        yield b"".join(b"7916%07d,,\n" % each for each in range(number, number + 500))
        number += 500
        await asyncio.sleep(0.01)


async def test_a_caller_has_few_places_and_all_have_some(tmp_path: Path) -> None:
    async with serving(tmp_path, gateway={"http_imports": 3, "http_caller_imports": 2}) as gateway:
        made = await gateway.post("/tokens", {"name": "another", "role": "operator"})
        other, over = made.json["secret"], asyncio.Event()
        running = [asyncio.create_task(send(gateway, endless(over))) for _ in range(2)]
        refused = await until_status(gateway, 429)
        assert int(refused.headers["retry-after"]) > 0
        running.append(asyncio.create_task(send(gateway, endless(over), token=other)))
        third = await gateway.post("/tokens", {"name": "third", "role": "operator"})
        await until_status(gateway, 503, token=third.json["secret"])
        over.set()
        assert [(await each).status for each in running] == [200] * 3
        assert (await send(gateway, HEADER)).status == 200


async def until_status(gateway: Gateway, status: int, **options: Any) -> Answer:
    """The imports that take the places may not have begun yet."""
    async with asyncio.timeout(PATIENT_SECONDS):
        while (answer := await send(gateway, HEADER, **options)).status != status:
            await asyncio.sleep(0.02)
    return answer


def test_places_are_given_back_whatever_ends_an_import() -> None:
    places = ImportPlaces(2, 1)
    with places.hold("a"), pytest.raises(Problem, match="429"), places.hold("a"):
        pass
    with places.hold("a"), places.hold("b"), pytest.raises(Problem, match="503"), places.hold("c"):
        pass
    with suppress(KeyError), places.hold("a"):
        raise KeyError
    with places.hold("a"), places.hold("b"):
        assert places._taken.total() == 2
    assert not places._taken


async def test_an_import_ends_after_its_time_and_keeps_what_it_stored(tmp_path: Path) -> None:
    async with serving(tmp_path, gateway={"http_import_seconds": 0.7}) as gateway:
        answer = await send(gateway, endless(asyncio.Event()))
        assert (answer.status, "0.7 seconds" in answer.json["detail"]) == (408, True)
        assert (await send(gateway, HEADER + b"79160000001,,\n")).status == 200


async def test_the_size_counts_once_inflated(tmp_path: Path) -> None:
    rows = HEADER + b"".join(b"7916%07d,,\n" % n for n in range(10_000))
    async with serving(tmp_path, gateway={"http_import_bytes": len(rows) - 1}) as gateway:
        answer = await send(gateway, gzip.compress(rows), GZIP)
        assert (answer.status, "larger than" in answer.json["detail"]) == (413, True)
        assert (await send(gateway, gzip.compress(rows[:-12]), GZIP)).status == 200


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


async def whole(data: bytes, size: int, encoding: str = "gzip") -> bytes:
    found = b""
    async for piece in inflated(pieces(data, size), encoding):
        assert len(piece) <= 64 * 1024
        found += piece
    return found


@settings(deadline=None, max_examples=40)
@given(members=st.lists(st.binary(max_size=300), max_size=5), repeats=st.integers(1, 800), size=st.integers(1, 70_000))
async def test_what_was_compressed_comes_back(members: list[bytes], repeats: int, size: int) -> None:
    """In files of any number of members, which come in pieces of any size."""
    data = [each * repeats for each in members]
    assert await whole(b"".join(map(gzip.compress, data)), max(size, repeats)) == b"".join(data)


async def test_a_body_that_grows_beyond_reason_is_refused_soon() -> None:
    bomb = gzip.compress(bytes(1 << 26))
    sizes: list[int] = []

    async def take() -> None:
        async for piece in inflated(pieces(bomb, 65_536), "gzip"):
            sizes.append(len(piece))

    with pytest.raises(Problem, match="413: the body inflates to more than 200 times"):
        await take()
    assert sum(sizes) < 1024 * 1024 + 201 * 65_536
    assert len(await whole(gzip.compress(bytes(1 << 19)), 65_536)) == 1 << 19  # a small file may be of equal rows


HOSTILE = {
    "rows of one cell": b"x\n" * 40_000,
    "bad rows, compressed": b"12,new,Mars/Phobos\n" * 10_000,
    "empty lines": b"\n" * 80_000,
    "open quotes": b'"a\n' * 20_000,
    "lines of quotes": (b'"\n' + (b'""' * 30_000 + b"\n") * 3) * 3,
    "many files of nothing": b"",
}


@pytest.mark.alone
@pytest.mark.parametrize("name", HOSTILE)
@undisturbed
async def test_others_are_answered_between_the_slices_of_an_import(gateway: Gateway, name: str) -> None:
    rows = gzip.compress(HEADER + HOSTILE[name])
    rows += gzip.compress(b"") * (20_000 if not HOSTILE[name] else 0)
    gc.collect()
    gc.freeze()  # what the tests before have left: a service has no such heap
    work, waits = asyncio.create_task(send(gateway, rows, GZIP)), []
    while not work.done():
        began = time.perf_counter()
        async with gateway.http.get(f"{gateway.url}/healthz") as answer:
            assert answer.status == 200
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0)
    gc.unfreeze()
    assert (await work).status == 200
    assert max(waits) < 0.5
    assert len(waits) > 3


@pytest.mark.alone
@pytest.mark.parametrize("name", [name for name in HOSTILE if HOSTILE[name]])
def test_a_slice_is_short(name: str) -> None:
    """What the reader makes of 4 KiB; the best of some, for the machine may be busy."""
    longest = 0.0
    gc.collect()
    gc.freeze()
    for _ in range(3):
        reader, data, slices = RowReader("csv"), HEADER + HOSTILE[name], []
        for begin in range(0, len(data), SLICE_BYTES):
            started = time.process_time()
            reader.feed(data[begin : begin + SLICE_BYTES])
            slices.append(time.process_time() - started)
        longest = max(slices) if not longest else min(longest, max(slices))
    gc.unfreeze()
    assert longest < 0.03


async def test_what_is_kept_for_a_repeat_is_small(gateway: Gateway) -> None:
    """2 KB of gzip made 6 MB of it, for 7 days."""
    rows = gzip.compress(HEADER + b"".join(b"%d,%s,Mars\n" % (n, b"t" * 65) for n in range(20_000)))
    headers = {**GZIP, "Idempotency-Key": "i-1"}
    first = await send(gateway, rows, headers)
    assert (first.json["rejected"], len(first.json["errors"])) == (20_000, 1_000)
    assert (await send(gateway, rows, headers)).json == first.json
    different = b"".join(b"%s,,\n" % (b"9" * n) for n in range(1, 1_200))
    assert (await send(gateway, HEADER + different, {**CSV, "Idempotency-Key": "i-2"})).status == 200
    assert 0 < await kept_bytes(gateway) < 2 * 160 * 1024


async def kept_bytes(gateway: Gateway) -> int:
    """All stored answers."""

    async def work(tx: Any) -> int:
        rows = await tx.rows("SELECT response FROM request")
        return sum(len(str(row[0]).encode()) for row in rows)

    found: int = await gateway.engine.service.store._db.read(work)
    return found


async def test_a_line_of_many_unknown_keys_is_a_few_errors(gateway: Gateway) -> None:
    line = b"{" + b",".join(b'"k%d":1' % n for n in range(5_000)) + b"}\n"
    answer = await send(gateway, line * 20, {"Content-Type": "application/x-ndjson"})
    assert (answer.json["rejected"], len(answer.json["errors"])) == (20, 20 * 11)
    assert answer.json["errors"][10]["message"] == "and 4990 more unknown fields"
