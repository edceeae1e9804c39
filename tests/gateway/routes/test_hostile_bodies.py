"""What a refused request costs, however it is made up: a table of bodies and queries, with processor and memory."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from typing import Any, Final

import orjson
import pytest

from common.error_codes import ErrorCode
from gateway.http.problems import invalid
from gateway.shapes import Use, schema_of
from gateway.shapes.fields import ERRORS_MAX
from mailing.v1.mailing_pb2 import Mailing
from tests.gateway.rig import Answer, Gateway

MIB: Final = 1024 * 1024
CPU_SECONDS_MAX: Final = 0.025
"""Of gateway, engine and this caller together, which share a process here: 1 to 9 ms on a machine that is not busy."""
MEMORY_MAX: Final = 5 * MIB
"""Of all three; a dict of 17,000 keys has 4 MiB."""
PARSER_BYTES: Final = 14
"""What orjson takes a byte of a body while it parses, and gives back at once; with the body itself."""
_TAGS: Final = b'{"filter":{"tags":[' + b",".join([b"1"] * 520_000) + b"]}}"
_CLIENT: Final = "/clients"


def _keys(count: int) -> bytes:
    return orjson.dumps({f"k{number}": 1 for number in range(count)})


def _mailing(**fields: Any) -> bytes:
    return orjson.dumps({"text": "Hi", "start_time": "now", "end_time": "now", **fields})


BODIES: Final[dict[str, tuple[str, bytes, int]]] = {
    "520,000 bad tags": ("/mailings", _TAGS, 400),
    "17,000 bad tags": ("/mailings", _mailing(filter={"tags": [1] * 17_000}), 422),
    "1,000 bad tags and codes": ("/mailings", _mailing(filter={"tags": [1] * 1000, "phone_codes": [1] * 1000}), 422),
    "17,000 preview tags": ("/mailings/preview", _mailing(filter={"tags": ["x" * 40] * 17_000}), 422),
    "90,000 unknown keys": (_CLIENT, _keys(90_000), 400),
    "17,000 unknown keys": (_CLIENT, _keys(17_000), 422),
    "100 unknown keys": (_CLIENT, _keys(100), 422),
    "keys of 5,000 letters": (_CLIENT, orjson.dumps({f"{n}" + "k" * 5000: 1 for n in range(100)}), 422),
    "a key of a megabyte": (_CLIENT, b'{"' + b"k" * (MIB - 100) + b'":1}', 422),
    "lists in lists": (_CLIENT, b"[" * (MIB - 100), 400),
    "objects in objects": (_CLIENT, b'{"a":' * 150_000, 400),
    "5,000 empty lists": (_CLIENT, b"[" + b",".join([b"[]"] * 5_000) + b"]", 422),
    "17,000 empty lists": (_CLIENT, b"[" + b",".join([b"[]"] * 17_000) + b"]", 400),
    "a huge number": (_CLIENT, b'{"phone_number":' + b"9" * (MIB - 100) + b"}", 400),
    "a huge exponent": ("/mailings", _mailing(rate_limit=1).replace(b":1}", b":1e309}"), 400),
    "a long phone number": (_CLIENT, orjson.dumps({"phone_number": "7" * (MIB - 100)}), 422),
    "a long tag": (_CLIENT, orjson.dumps({"phone_number": "79160000001", "tag": "t" * (MIB - 100)}), 422),
    "a long zone": (_CLIENT, orjson.dumps({"phone_number": "79160000001", "time_zone": "z" * (MIB - 100)}), 422),
    "a long text": ("/mailings", _mailing(text="x" * (MIB - 200)), 422),
    "a long time": ("/mailings", _mailing(start_time="2" * (MIB - 200)), 422),
    "blanks": (_CLIENT, b" " * (MIB - 1), 400),
}


def parameters(body: tuple[str, bytes, int]) -> tuple[str, dict[str, Any]]:
    return body[0], {"data": body[1], "headers": {"Content-Type": "application/json"}}


@pytest.mark.alone
async def test_a_refusal_costs_little_processor(gateway: Gateway) -> None:
    wrong = []
    for name, each in BODIES.items():
        path, options = parameters(each)
        answer, costs = await gateway.ask("POST", path, **options), []
        for _ in range(2):
            began = time.process_time()
            await gateway.ask("POST", path, **options)
            costs.append(time.process_time() - began)
        if answer.status != each[2] or min(costs) > CPU_SECONDS_MAX or not is_short(answer):
            wrong.append((name, answer.status, round(min(costs), 4), len(answer.raw)))
    assert wrong == []


async def test_a_refusal_costs_little_memory(gateway: Gateway) -> None:
    wrong = []
    tracemalloc.start()
    try:
        for name, each in BODIES.items():
            path, options = parameters(each)
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            await gateway.ask("POST", path, **options)
            used = tracemalloc.get_traced_memory()[1] - before
            if used > MEMORY_MAX + PARSER_BYTES * len(each[1]):
                wrong.append((name, f"{used / MIB:.1f} MiB"))
    finally:
        tracemalloc.stop()
    assert wrong == []


def is_short(answer: Answer) -> bool:
    errors = answer.json["errors"]
    return len(errors) <= ERRORS_MAX + 1 and all(len(each["pointer"]) <= 200 for each in errors)


async def test_nobody_has_a_body_inflated_or_read_without_a_token(gateway: Gateway) -> None:
    bomb = gzip.compress(_TAGS)
    for headers in ({"Content-Encoding": "gzip"}, {}):
        answer = await gateway.ask(
            "POST", "/mailings", data=bomb, headers={"Content-Type": "application/json", **headers}, token="mlt_none"
        )
        assert (answer.status, answer.headers["connection"]) == (401, "close")


async def test_many_parameters_are_one_error(gateway: Gateway) -> None:
    for path in ("/clients", "/mailings", "/clients/1"):
        answer = await gateway.get(f"{path}?{'&'.join(f'k{n}=1' for n in range(1_001))}")
        assert (answer.status, len(answer.json["errors"])) == (422, 0)
        assert "1000 parameters" in answer.json["detail"]
    answer = await gateway.get("/clients?" + "&".join(f"k{n}=1" for n in range(100)))
    assert (answer.status, len(answer.json["errors"])) == (422, 100)


LISTS: Final[list[tuple[list[Any], int]]] = [
    (["a"] * 1000, 0),
    (["a"] * 1001, 1),
    ([1] * 520_000, 1),
    ([1] * 99 + ["a"] * 901, 99),
    ([1] * 1000, ERRORS_MAX + 1),
]
"""Tags, and how many errors are found in them."""


@pytest.mark.parametrize(("tags", "errors"), LISTS, ids=["full", "too long", "far too long", "99 bad", "all bad"])
def test_lists_are_cut_and_checked_no_further_than_their_errors_are_told(tags: list[Any], errors: int) -> None:
    found: Any = schema_of(Mailing.DESCRIPTOR, Use.CREATE)().validate(
        {
            "text": "x",
            "start_time": "2030-01-01T00:00:00Z",
            "end_time": "2030-01-01T01:00:00Z",
            "filter": {"tags": tags},
        }
    )
    told = found.get("filter", {}).get("tags", {})
    assert len(told) == errors


def test_a_problem_names_a_hundred_and_says_how_many_more() -> None:
    fault = ErrorCode.BAD_SORT.format(choices="m" * 9999)
    many = invalid([(f"/{number}" + "k" * 999, fault) for number in range(250)]).body("/")["errors"]
    assert len(many) == 101
    more = {"code": "MORE_FIELDS", "arguments": {"count": "150"}}
    assert many[-1] == {"pointer": "", "message": "and 150 more fields are bad", **more}
    assert max(len(each["pointer"]) for each in many) == 200
    assert max(len(each["message"]) for each in many) == 1000
    assert max(len(each["arguments"].get("choices", "")) for each in many) == 1000
    assert len(invalid([("/a", fault)] * 100).errors) == 100
