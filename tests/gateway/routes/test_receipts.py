"""POST /receipts: one receipt or a list, by whoever may; and in a provider's own form."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from scripts.sandbox import Sandbox
from tests.gateway.rig import Answer, Gateway, serving
from tests.gateway.routes.test_mailings import registered
from tests.patience import PATIENT_SECONDS
from tests.rules.rig import until

TIME = "2026-01-31T06:00:02Z"


def receipt(id: int, **more: Any) -> dict[str, Any]:
    return {"id": id, "status": "delivered", "time": TIME, **more}


async def sent(gateway: Gateway, number: int, **fields: Any) -> list[int]:
    """So many messages that are sent."""
    for n in range(number):
        await gateway.post("/clients", {"phone_number": f"7916000000{n}"})
    made = await registered(gateway, **fields)
    path = f"/mailings/{made['id']}/messages"

    async def done() -> bool:
        return bool((await gateway.get(f"{path}?status=sent")).json["total_size"] == number)

    await until(done)
    return [each["id"] for each in (await gateway.get(path)).json["messages"]]


async def test_one_or_a_list_is_counted_and_shown(gateway: Gateway) -> None:
    first, second = await sent(gateway, 2)
    one = await gateway.post("/receipts", receipt(first, code="000", detail="ok"))
    assert (one.status, one.json) == (200, {"accepted": 1, "duplicate": 0, "unknown": 0})
    many = [receipt(first), receipt(second, status="undelivered", code=None), receipt(2**62)]
    assert (await gateway.post("/receipts", many)).json == {"accepted": 1, "duplicate": 1, "unknown": 1}
    shown = (await gateway.get(f"/messages/{first}")).json
    assert shown["delivery"] == {
        "status": "delivered",
        "time": "2026-01-31T06:00:02.000000Z",
        "code": "000",
        "detail": "ok",
    }
    assert (shown["provider"], shown["provider_message_id"], shown["status"]) == ("fbrq", None, "sent")
    listed = (await gateway.get("/messages?delivery=undelivered")).json
    assert [each["id"] for each in listed["messages"]] == [second]
    assert listed["messages"][0]["delivery"]["code"] is None
    stats = (await gateway.get(f"/mailings/{shown['mailing_id']}/stats")).json
    assert {**stats["delivery"], "seconds": None} == {"delivered": 1, "undelivered": 1, "none": 0, "seconds": None}
    assert sum(point["delivered"] for point in stats["timeline"]) == 1
    rows = (await gateway.ask("GET", "/messages/export", headers={"Accept": "text/csv"})).raw.decode().splitlines()
    columns = [line.split(",") for line in rows]
    place = columns[0].index("delivery")
    assert [line[place] for line in columns[1:]] == ["delivered", "undelivered"]


async def test_what_is_bad_is_named_by_place_and_field(gateway: Gateway) -> None:
    bad = {**receipt(0), "status": "lost", "colour": "red"}
    del bad["time"]
    for body, root in ((bad, ""), ([receipt(1), bad], "/1")):
        refused = await gateway.post("/receipts", body)
        assert refused.status == 422
        assert {each["pointer"] for each in refused.json["errors"]} == {
            f"{root}/{name}" for name in ("id", "status", "time", "colour")
        }
    late = await gateway.post("/receipts", [receipt(1), receipt(1, time="9999-01-01T00:00:00Z")])
    assert [(each["pointer"], each["code"]) for each in late.json["errors"]] == [("/1/time", "TOO_FAR_AHEAD")]
    nameless = await gateway.post("/receipts", {"status": "delivered", "time": TIME})
    assert [(each["pointer"], each["code"]) for each in nameless.json["errors"]] == [("/id", "REQUIRED")]


@pytest.mark.parametrize("body", [[], [receipt(1)] * 1001, [[receipt(1)]], 5, "receipt", [None]])
async def test_neither_a_receipt_nor_a_list_of_some(gateway: Gateway, body: Any) -> None:
    refused = await gateway.post("/receipts", body)
    assert refused.status == 422
    assert refused.json["errors"][0]["pointer"] in ("", "/0")


async def test_who_may_hand_them_in(gateway: Gateway) -> None:
    for role, status in (("provider", 200), ("viewer", 403), ("operator", 403), ("admin", 200)):
        made = (await gateway.post("/tokens", {"name": role, "role": role})).json["secret"]
        answer = await gateway.post("/receipts", receipt(2**62), token=made)
        assert answer.status == status
        if status == 403:
            expected = f"this needs the role provider or admin; {role} has the role {role}"
            assert (answer.json["code"], answer.json["detail"]) == ("PERMISSION_DENIED", expected)


async def test_a_key_gets_the_first_answer_again(gateway: Gateway) -> None:
    (only,) = await sent(gateway, 1)
    key = {"Idempotency-Key": "k"}
    answers = [(await gateway.post("/receipts", [receipt(only)], headers=key)).json for _ in range(2)]
    assert answers == [{"accepted": 1, "duplicate": 0, "unknown": 0}] * 2
    assert (await gateway.post("/receipts", receipt(only + 1), headers=key)).status == 422


DESCRIBED = """
[[provider]]
name = "main"
kind = "fbrq"
url = "{url}"
secrets = {{ token = "MAIN_TOKEN" }}

[[provider]]
name = "acme"
kind = "http"
order = 0
url = "{url}/send/{{id}}"
secrets = {{ token = "MAIN_TOKEN", receipts = "ACME_RECEIPTS" }}
[provider.request]
headers = {{ Authorization = "Bearer {{secret.token}}" }}
[provider.request.json]
id = "{{id:number}}"
phone = "{{phone:number}}"
text = "{{text}}"
[provider.answers]
rules = [{{ means = "accepted", status = 200 }}]
[provider.receipts]
format = "form"
id = "ref"
status = "state"
delivered = ["OK"]
undelivered = ["NO"]
answer = {{ body = "thanks" }}
secret = {{ query = "key", value = "{{secret.receipts}}" }}
"""


def status_with(url: str, header: bytes) -> int:
    """Of receipts with a header as no well-behaved client writes it."""
    at = urlsplit(url)
    with socket.create_connection((str(at.hostname), int(at.port or 0)), timeout=PATIENT_SECONDS) as connection:
        head = f"POST /api/v1/receipts/acme HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Length: 0\r\n".encode()
        connection.sendall(head + header + b"\r\n\r\n")
        return int(connection.recv(1024).split()[1])


async def test_a_provider_hands_in_receipts_in_its_own_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with await Sandbox.start() as sandbox:
        monkeypatch.setenv("MAIN_TOKEN", sandbox.token)
        monkeypatch.setenv("ACME_RECEIPTS", "a long secret")
        file = tmp_path / "providers.toml"
        file.write_text(DESCRIBED.format(url=sandbox.url))
        async with serving(tmp_path, sandbox=sandbox, providers=str(file)) as gateway:
            first, second = await sent(gateway, 2)
            mains, _ = await sent(gateway, 2, provider="main")
            form = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "none"}

            async def post(body: str, key: str = "a%20long+secret", name: str = "acme") -> Answer:
                return await gateway.ask("POST", f"/receipts/{name}?key={key}", data=body.encode(), headers=form)

            for id, state in ((first, "OK"), (second, "NO"), (second, "WAIT"), (2**62, "OK"), (mains, "OK")):
                taken = await post(f"ref={id}&state={state}")
                assert (taken.status, taken.raw) == (200, b"thanks")
            shown = [(await gateway.get(f"/messages/{id}")).json for id in (first, second)]
            assert [each["delivery"]["status"] for each in shown] == ["delivered", "undelivered"]
            assert [each["provider"] for each in shown] == ["acme", "acme"]
            shown_of_main = (await gateway.get(f"/messages/{mains}")).json
            assert (shown_of_main["provider"], shown_of_main["delivery"]) == ("main", None)
            told = await gateway.post("/receipts", [receipt(mains, provider="acme"), receipt(mains)])
            assert told.json == {"accepted": 1, "duplicate": 0, "unknown": 1}
            assert (await post("ref=1&state=OK", key="wrong")).json["code"] == "RECEIPTS_SECRET"
            assert await asyncio.to_thread(status_with, str(gateway.url), b"X-Anything: \xe9") == 401
            assert (await post("x" * 70_000)).status == 413
            for name in ("main", "other"):
                assert (await post("", name=name)).status == 404
