"""What tests of the document's examples share: its operations in an order in which they can be tried, what each is to
answer, and people whom they must not touch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from engine.settings import load
from tests.gateway.rig import API, Gateway

MAKING: Final = {
    "createClient": "client_id",
    "createMailing": "mailing_id",
    "createAccount": "account_id",
    "createWebhook": "webhook_id",
}
"""These come first: what they make is what the changing operations are tried on, whose examples name no id."""
NUMBERED: Final = "createSuppression"
"""What it makes has no id: its number stands in the path."""
LAST: Final = (
    "cancelMailing",
    "deleteMailing",
    "eraseClient",
    "deleteClient",
    "deleteSuppression",
    "deleteWebhook",
    "revokeAccount",
    "revokeToken",
    "beginTotp",
    "confirmTotp",
    "renewRecoveryCodes",
    "disableTotp",
    "changePassword",
    "signOut",
)
AS_PERSON: Final = frozenset(
    {"getTotp", "beginTotp", "confirmTotp", "renewRecoveryCodes", "disableTotp", "changePassword", "signOut"}
)  # an API token has neither password nor session
NOT_TWICE: Final = {
    # There is one with that name or number by then; who loads the page again gets another example.
    "createClient": (201, 409),
    "createAccount": (201, 409),
    # A name and a password that are right are nobody else's business.
    "signIn": (401, 401),
    "changePassword": (422, 422),
    "beginTotp": (422, 422),
    # So nobody has a second step.
    "confirmTotp": (409, 409),
    "renewRecoveryCodes": (409, 409),
    "disableTotp": (409, 409),
    # Nobody has said to whom.
    "mailReport": (409, 409),
    # It is on the list by then.
    "createSuppression": (201, 200),
    # It is gone.
    "eraseClient": (200, 404),
    "deleteSuppression": (204, 404),
    "deleteWebhook": (204, 404),
    "deleteClient": (404, 404),  # erased before
    "deleteMailing": (204, 404),
    "signOut": (204, 401),
    # It is open.
    "archiveMailing": (409, 409),
    # No provider hands in receipts in a form of its own.
    "receiveReceipts": (404, 404),
}
ENGINE_DEFAULTS: Final = load({"provider_url": "http://127.0.0.1:9"}, {}, None)
"""To which the example sets the engine: what it is set to no document can know."""
PASSWORD: Final = "a password of the tests"


def order(operation: dict[str, Any]) -> int:
    name = operation["operationId"]
    return LAST.index(name) + 100 if name in LAST else -1 if name in (*MAKING, NUMBERED, "createToken") else 0


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    found = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        if path.startswith(API)
        for method, operation in methods.items()
    ]
    return sorted(found, key=lambda each: order(each[2]))


def examples(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What Swagger UI sends as a body, for each type that it offers; a file of bytes people choose themselves."""
    for kind, body in operation.get("requestBody", {"content": {"": {}}})["content"].items():
        if body.get("schema", {}).get("format") == "binary":
            continue
        example = body.get("example")
        data = {"data": example.encode() if isinstance(example, str) else orjson.dumps(example)} if kind else {}
        yield {"headers": {"Content-Type": kind} if kind else {}, **data}


async def document_of(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = (await gateway.get("/docs/swagger.json")).json
    return found


async def furnish(gateway: Gateway) -> str:
    """A person, an open mailing for everyone that has texted that person, an account, a token; gives a session."""
    await gateway.engine.add_client(tag="example", phone_code="000")
    await gateway.engine.finished((await gateway.engine.register()).id)
    account = {"name": "maria", "role": "admin", "password": PASSWORD}
    assert (await gateway.post("/accounts", account)).status == 201
    assert (await gateway.post("/tokens", {"name": "reports", "role": "viewer"})).status == 201
    return str((await gateway.post("/session", {"name": "maria", "password": PASSWORD})).json["secret"])


async def world(gateway: Gateway) -> list[Any]:
    """What belongs to others than the examples."""
    found = [(await gateway.get(path)).json for path in ("/clients/1", "/mailings/1", "/messages/1")]
    found[1].pop("message_counts")  # who is added comes to match
    for plural in ("accounts", "tokens"):
        found.append(
            [
                {**each, "last_used_time": 0, "live_token_count": 0}
                for each in (await gateway.get(f"/{plural}")).json[plural][:2]
            ]
        )
    engine = (await gateway.get("/engine")).json
    return [*found, *(engine[name] for name in ("workers", "rate_limit", "sending"))]


def noted(name: str, answer: dict[str, Any]) -> dict[str, int | str]:
    """The id of what an operation has made, by what paths call it."""
    if name == "createToken":
        return {"token_id": answer["token"]["id"]}
    if name == NUMBERED:
        return {"phone_number": answer["phone_number"]}
    return {MAKING[name]: answer["id"]} if name in MAKING else {}


def texted(gateway: Gateway) -> set[str]:
    """The numbers that got a text and may be somebody's: after +7 no operator's code begins with 0."""
    numbers = {str(text["phone"]) for text in gateway.engine.sandbox.messages()}
    return {number for number in numbers if not number.startswith("70")}
