"""U+0000 anywhere in a request: PostgreSQL's texts can't hold it, SQLite's can; no caller may notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.gateway.rig import API, Gateway, serving
from tests.store.conftest import postgres_url

__all__ = ["postgres_url"]

NULL = "a\0b"
TABLE: dict[str, Any] = {"data": b"phone_number\n79160000001\n", "headers": {"Content-Type": "text/csv"}}
Asked = tuple[str, str, dict[str, Any]]


async def document(gateway: Gateway) -> dict[str, Any]:
    async with gateway.http.get(f"{gateway.url}{API}/docs/swagger.json") as response:
        read: dict[str, Any] = orjson.loads(await response.read())
        return read


def requests(paths: dict[str, Any]) -> Iterator[Asked]:
    """Each parameter of a query and each text of a body's example in its turn."""
    for path, methods in paths.items():
        for method, operation in methods.items():
            if not path.startswith(API) or path.endswith("/events"):
                continue
            url = path.removeprefix(API).replace("{", "").replace("}", "")
            for name in ("client_id", "mailing_id", "message_id", "account_id", "token_id"):
                url = url.replace(name, "1")
            table = TABLE if "text/csv" in operation.get("requestBody", {}).get("content", {}) else {}
            for parameter in operation["parameters"]:
                if parameter["in"] == "query":
                    yield method, url, {"params": {parameter["name"]: NULL}, **table}
            media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for body in spoilt(media.get("example")):
                yield method, url, {"data": orjson.dumps(body), "headers": {"Content-Type": "application/json"}}


def spoilt(value: Any) -> Iterator[Any]:
    """The value with the character in one of its texts."""
    if isinstance(value, str):
        yield NULL
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: bad} for bad in spoilt(inner))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from ([*value[:at], bad, *value[at + 1 :]] for bad in spoilt(inner))


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_a_null_character_is_refused_or_found_nowhere(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url")() if kind == "postgres" else f"sqlite://{tmp_path / 'mailing.db'}"
    async with serving(tmp_path, database_url=url) as gateway:
        asked = list(requests((await document(gateway))["paths"]))
        wrong = []
        for method, path, options in asked:
            answer = await gateway.ask(method.upper(), path, **options)
            # 404: nothing is there to be changed. 401: nobody has such a name, or such a password.
            if answer.status not in (401, 404, 409, 422):
                wrong.append((method, path, options, answer.status))
        assert wrong == []
        assert len(asked) > 40
        table = await gateway.post("/clients/import", data=b"phone_number,tag\n79160000001,a\0b\n79160000002,\n")
        assert table.status == 415
        rows = b'{"phone_number": "79160000001", "tag": "a\\u0000b"}\n{"phone_number": "79160000002"}\n'
        table = await gateway.post("/clients/import", data=rows, headers={"Content-Type": "application/x-ndjson"})
        assert (table.json["created"], table.json["rejected"]) == (1, 1)
