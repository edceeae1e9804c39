"""What people answer goes to the service as a provider hands it in, and stands beside what they got."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from scripts.sandbox import Sandbox, Service
from scripts.sandbox.conversations import conversations as conversations_of
from scripts.sandbox.ledger import Ledger
from scripts.sandbox.replies import REPLIES_KEPT, Replies
from scripts.sandbox.service import NoService

PHONE = 79161234567


@asynccontextmanager
async def service(handler: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """Something that takes inbound texts."""
    app = web.Application()
    app.router.add_post("/api/v1/inbound", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("mlt_of_the_provider\n")
    return file


async def test_a_reply_is_handed_in_with_the_token_and_its_time(token: Path) -> None:
    taken: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        taken.append({"by": request.headers["Authorization"], **await request.json()})
        return web.json_response({"action": "suppressed"})

    async with service(take) as url, await Sandbox.start(service=Service(url, token)) as sandbox:
        body = {"phone": PHONE, "text": "STOP"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{sandbox.root_url}/sandbox/replies", json=body) as answer,
        ):
            assert (answer.status, (await answer.json())["action"]) == (200, "suppressed")
        [said] = taken
        assert datetime.fromisoformat(said.pop("time")) <= datetime.now(UTC)
        assert said == {"by": "Bearer mlt_of_the_provider", "phone_number": str(PHONE), "text": "STOP"}
        [conversation] = await conversations(sandbox)
        assert conversation["messages"] == []
        assert [(reply["text"], reply["action"]) for reply in conversation["replies"]] == [("STOP", "suppressed")]
        sandbox.reset()
        assert await conversations(sandbox) == []


async def conversations(sandbox: Sandbox, contains: str = "") -> list[dict[str, Any]]:
    url = f"{sandbox.root_url}/sandbox/conversations"
    async with aiohttp.ClientSession() as http, http.get(url, params={"contains": contains}) as answer:
        found: list[dict[str, Any]] = (await answer.json())["conversations"]
    return found


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (web.json_response({"detail": "no such call"}, status=404), "answered 404: no such call"),
        (web.Response(text="<html>"), "does not answer"),
        (web.json_response(["suppressed"]), "with something else"),
    ],
)
async def test_what_the_service_does_not_take_is_said(token: Path, answer: web.Response, words: str) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return answer

    async with service(refuse) as url:
        replies = Replies(Service(url, token), 10)
        reply = await replies.send(PHONE, "STOP")
    assert reply.action is None
    assert words in reply.problem
    reply = await replies.send(PHONE, "STOP")  # nobody is there any more
    assert reply.problem.startswith("the service does not answer: ")


async def test_nobody_to_hand_it_to(tmp_path: Path) -> None:
    with pytest.raises(NoService, match="--service-url"):
        await Replies(None, 10).send(PHONE, "STOP")
    with pytest.raises(NoService, match="should have one of the role provider"):
        await Replies(Service("http://127.0.0.1:1", tmp_path / "none"), 10).send(PHONE, "STOP")


@pytest.mark.parametrize(
    "body", [{"phone": str(PHONE), "text": "STOP"}, {"phone": PHONE, "text": " "}, {"phone": PHONE}, {"phone": 0}]
)
async def test_a_reply_is_checked(token: Path, body: dict[str, Any]) -> None:
    async with (
        await Sandbox.start(service=Service("http://127.0.0.1:1", token)) as sandbox,
        aiohttp.ClientSession() as http,
        http.post(f"{sandbox.root_url}/sandbox/replies", json=body) as answer,
    ):
        assert answer.status == 400


async def test_conversations_are_by_number_the_latest_first_and_bounded(token: Path) -> None:
    async def take(_: web.Request) -> web.Response:
        return web.json_response({"action": "ignored"})

    ledger = Ledger(keep=10)
    for message_id, phone in ((1, 71), (2, 72), (3, 71), (4, 73)):
        ledger.note(message_id, phone, f"text {message_id}", "200", True, message_id)
    async with service(take) as url:
        replies = Replies(Service(url, token), keep=1)
        for _ in range(REPLIES_KEPT + 1):
            await replies.send(72, "hm")
        found = conversations_of({"alpha": ledger}, replies.by_phone(), (), "", 2)
        assert [(each["phone"], len(list_of(each, "replies"))) for each in found] == [(72, REPLIES_KEPT), (73, 0)]
        [only] = conversations_of({"alpha": ledger}, replies.by_phone(), (), "71", 9)
        assert [each["id"] for each in list_of(only, "messages")] == [1, 3]
        await replies.send(71, "hm")
    found = conversations_of({"alpha": ledger}, replies.by_phone(), (), "", 9)
    assert [each["phone"] for each in found] == [71, 73, 72]  # 72's are forgotten


def list_of(conversation: dict[str, object], name: str) -> list[dict[str, Any]]:
    found = conversation[name]
    assert isinstance(found, list)
    return found
