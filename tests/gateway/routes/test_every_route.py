"""Each operation of the document, with its example as written, through HTTP to a real engine."""

from __future__ import annotations

from typing import Any

import orjson

from tests.gateway.rig import API, Gateway
from tests.rules.rig import until

# What has to be there before, and what takes away, comes in this order; all else is in between. The example of a
# mailing has hours of the day: at night its message waits, and goes when its client changes; a cancelled one ends.
FIRST = (
    "createClient",
    "createMailing",
    "getMessage",
    "createAccount",
    "createToken",
    "signIn",
    "changePassword",
    "signOut",
)
LAST = ("cancelMailing", "watchMailing", "deleteMailing", "deleteClient", "revokeAccount", "revokeToken")
AS_PERSON = frozenset({"changePassword", "signOut"})  # an API token has neither password nor session


def order(operation: dict[str, Any]) -> int:
    name = operation["operationId"]
    return FIRST.index(name) - 100 if name in FIRST else LAST.index(name) + 100 if name in LAST else 0


def path_of(path: str, made: dict[str, int]) -> str:
    for name, value in made.items():
        path = path.replace("{" + name + "}", str(value))
    return path


async def test_every_example_is_executed_as_written(gateway: Gateway) -> None:
    async with gateway.http.get(f"{gateway.url}{API}/docs/swagger.json") as response:
        document = orjson.loads(await response.read())
    operations = sorted(
        (
            (method, path, operation)
            for path, methods in document["paths"].items()
            if path.startswith(API)
            for method, operation in methods.items()
        ),
        key=lambda each: order(each[2]),
    )
    assert len(operations) >= 36
    made = {"client_id": 1, "mailing_id": 1, "message_id": 1, "account_id": 2, "token_id": 2}
    secret = ""
    for method, path, operation in operations:
        name, success = operation["operationId"], min(map(int, operation["responses"]))
        bodies = operation.get("requestBody", {}).get("content") or {"": {"example": None}}
        for kind, body in bodies.items():
            options: dict[str, Any] = {"headers": {"Content-Type": kind} if kind else {}}
            if kind:
                example = body["example"]
                options["data"] = example.encode() if isinstance(example, str) else orjson.dumps(example)
            token = secret if name in AS_PERSON else None
            answer = await gateway.ask(method.upper(), path_of(path, made).removeprefix(API), token=token, **options)
            assert answer.status == success, (name, answer.status, answer.raw)
            assert_as_declared(operation["responses"][str(success)], answer.headers)
            secret = answer.json["secret"] if name == "signIn" else secret
        if name == "createMailing":
            await until(lambda: has_a_message(gateway))
    assert {each["operationId"] for _, _, each in operations} >= {*FIRST, *LAST}


async def has_a_message(gateway: Gateway) -> bool:
    return sum(await gateway.engine.counts(1)) == 1


def assert_as_declared(response: dict[str, Any], headers: dict[str, str]) -> None:
    if "content" not in response:
        assert "content-type" not in headers
    else:
        assert headers["content-type"].split(";")[0] in response["content"]
