"""The document says what it said: all of it but its words is compared with a file.

A change of REST that is meant: ``python -m tests.gateway.document.test_golden`` writes the file anew, and the commit
shows what changed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import orjson
from grpc import aio

from gateway.app import make_app
from gateway.document.openapi import DOCUMENT
from gateway.settings import Settings

GOLDEN: Final = Path(__file__).with_name("golden.json")
_WORDS: Final = ("description", "summary")
_OPTIONS: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


async def structure() -> dict[str, Any]:
    """The document without its words, and with parameters and required names in the order of the alphabet."""
    async with aio.insecure_channel("127.0.0.1:1") as channel:
        found: dict[str, Any] = _bare(make_app(Settings(admin_secret="a secret of the tests"), channel)[DOCUMENT])
    return found


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if not isinstance(value, dict):
        return value
    # A text with this key is a description; an object is a property that happens to have the name.
    found = {key: _bare(each) for key, each in value.items() if key not in _WORDS or not isinstance(each, str)}
    if "parameters" in found:
        found["parameters"].sort(key=lambda parameter: (parameter["in"], parameter["name"]))
    if "required" in found and isinstance(found["required"], list):
        found["required"].sort()
    if "allOf" in found and len(found) == len(found["allOf"]) == 1:  # how apispec writes a reference with a description
        return found["allOf"][0]
    if "anyOf" in found:
        found["anyOf"].sort(key=orjson.dumps)
    return found


async def test_nothing_but_words_has_changed() -> None:
    assert await structure() == orjson.loads(GOLDEN.read_bytes())


if __name__ == "__main__":
    GOLDEN.write_bytes(orjson.dumps(asyncio.run(structure()), option=_OPTIONS))
