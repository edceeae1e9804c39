"""The described providers of docs/providers, each against a stand-in that answers as that API's documentation says."""

from __future__ import annotations

import re
import textwrap
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from engine.domain.outcome import Outcome, Verdict, classify
from engine.ports import Abilities, Provider, Request
from engine.provider.file import read_providers
from engine.provider.receipts import ProviderReceipt, Receiver
from tests.provider.stand_ins import SECRETS, Sinch, Smsc, StandIn, Twilio, basic
from tests.style.tree import ROOT

EXAMPLES: Final = ROOT / "docs" / "providers"
TEXT: Final = 'Скидка 20 % & "подарок" + 😀\nhttps://a.b/?c=d#e {id} 100%s'
_HOST: Final = re.compile(r'^url = "https://[^/"]+', re.MULTILINE)


class Api(NamedTuple):
    """An example at work."""

    provider: Provider
    receiver: Receiver
    stand_in: StandIn


@asynccontextmanager
async def pointed(stand_in: StandIn, folder: Path) -> AsyncIterator[Path]:
    """The file of the example that is called like the class of its stand-in, with the stand-in's address."""
    async with AsyncExitStack() as stack:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", stand_in.handle)
        server = await stack.enter_async_context(TestServer(app))
        name = f"{type(stand_in).__name__.lower()}.toml"
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        changed, count = _HOST.subn(f'url = "http://127.0.0.1:{server.port}', text)
        assert count == 1
        file = folder / name
        file.write_text(changed, encoding="utf-8")
        yield file


@asynccontextmanager
async def opened(stand_in: StandIn, folder: Path) -> AsyncIterator[Api]:
    """That example, calling its stand-in instead of the API."""
    async with AsyncExitStack() as stack:
        file = await stack.enter_async_context(pointed(stand_in, folder))
        configured = read_providers(file, SECRETS)[0]
        provider, receiver = configured.make(), configured.receiver
        stack.push_async_callback(provider.close)
        assert receiver is not None
        yield Api(provider, receiver, stand_in)


def request(
    message_id: int = 7, phone_number: int = 79161234567, *, sender: str = "", valid_seconds: float = 0
) -> Request:
    return Request(message_id, phone_number, TEXT, 5.0, sender, valid_seconds)


async def outcome(api: Api, sent: Request) -> Outcome:
    answer = await api.provider.send(sent)
    for secret in (*SECRETS.values(), str(sent.phone_number), TEXT):
        assert secret not in answer.detail
    return classify(answer, 0)


def test_every_example_has_a_stand_in() -> None:
    stand_ins = {kind.__name__.lower() for kind in (Sinch, Twilio, Smsc)}
    assert {path.stem for path in EXAMPLES.glob("*.toml")} == stand_ins


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_is_whole_as_it_is(path: Path) -> None:
    (configured,) = read_providers(path, SECRETS)
    assert configured.spec.name == path.stem
    assert configured.make().abilities == Abilities(validity=True, sender=True, receipts=True)


def test_the_guide_builds_a_whole_file(tmp_path: Path) -> None:
    """Its steps, one below the other, are a description that works: each key that it shows is one."""
    guide = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```toml\n(.*?)^ *```$", guide, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    file = tmp_path / "acme.toml"
    file.write_text("\n".join(map(textwrap.dedent, blocks)), encoding="utf-8")
    (configured,) = read_providers(file, {"ACME_TOKEN": "a-token", "ACME_RECEIPTS_SECRET": "a-secret"})
    assert configured.make().abilities == Abilities(validity=True, sender=True, receipts=True)
    receiver = configured.receiver
    assert receiver is not None
    entry = b'{"results": [{"ref": "7", "id": "a", "status": "DELIVRD", "done_at": "2026-11-29T12:00:00"}]}'
    assert receiver.parse("", "", entry).receipts == [ProviderReceipt(7, "a", True, 1795942800 * 10**6, "", "")]


# -- Sinch ------------------------------------------------------------------------------------------------------------


async def test_sinch_accepts(tmp_path: Path) -> None:
    async with opened(Sinch(), tmp_path) as api:
        answer = await api.provider.send(request(valid_seconds=3600.0, sender="Shop"))
        assert (answer.verdict, answer.http_status) == (Verdict.SENT, 201)
        assert answer.provider_message_id is not None
        batch = api.stand_in.taken[answer.provider_message_id]
        assert (batch["body"], batch["to"], batch["from"]) == (TEXT, ["+79161234567"], "Shop")
        assert (batch["client_reference"], batch["delivery_report"]) == ("7", "per_recipient")
        assert batch["expire_at"].endswith("Z")
        again = await api.provider.send(request(8))
        batch = api.stand_in.taken[again.provider_message_id or ""]
        assert batch["from"] == "MyBrand"  # the first of its senders
        assert "expire_at" not in batch


@pytest.mark.parametrize(
    ("ending", "verdict", "wait_seconds"),
    [
        (400, Verdict.REJECTED, None),
        (401, Verdict.BLOCKED, None),
        (403, Verdict.FORBIDDEN, None),
        (429, Verdict.BUSY, 3.0),
        (503, Verdict.BUSY, 3.0),
    ],
)
async def test_sinch_fails(ending: int, verdict: Verdict, wait_seconds: float | None, tmp_path: Path) -> None:
    async with opened(Sinch(), tmp_path) as api:
        found = await outcome(api, request(phone_number=79161230000 + ending))
        assert (found.verdict, found.retry_after_seconds) == (verdict, wait_seconds)
        assert not api.stand_in.taken


async def test_sinch_receipts(tmp_path: Path) -> None:
    api_of = Sinch()
    async with opened(api_of, tmp_path) as api:
        batch_id = (await api.provider.send(request(7))).provider_message_id or ""
    assert api.receiver.is_allowed({"authorization": basic("sinch", SECRETS["SINCH_RECEIPTS_PASSWORD"])}, "")
    assert not api.receiver.is_allowed({"authorization": basic("sinch", "another")}, "")
    assert not api.receiver.is_allowed({}, "")
    at, at_us = "2016-12-05T16:24:23.318Z", 1480955063318000
    delivered = api.receiver.parse(*_split(api_of.receipt(batch_id, "Delivered", at, 0)))
    assert delivered.receipts == [ProviderReceipt(7, batch_id, True, at_us, "0", "")]
    failed = api.receiver.parse(*_split(api_of.receipt(batch_id, "Failed", at, 11)))
    assert failed.receipts == [ProviderReceipt(7, batch_id, False, at_us, "11", "")]
    for on_the_way in ("Queued", "Dispatched", "Unknown"):
        parsed = api.receiver.parse(*_split(api_of.receipt(batch_id, on_the_way, at, 400)))
        assert (parsed.receipts, parsed.ignored) == ([], 1)


# -- Twilio -----------------------------------------------------------------------------------------------------------


async def test_twilio_accepts(tmp_path: Path) -> None:
    async with opened(Twilio(), tmp_path) as api:
        answer = await api.provider.send(request(valid_seconds=100_000.0))
        assert (answer.verdict, answer.http_status) == (Verdict.SENT, 201)
        sent = api.stand_in.taken[answer.provider_message_id or ""]
        assert sent == {
            "To": "+79161234567",
            "From": "+15017122661",
            "Body": TEXT,
            "ValidityPeriod": "36000",  # no longer than it takes
            "StatusCallback": SECRETS["TWILIO_RECEIPTS_URL"],
        }


@pytest.mark.parametrize(
    ("ending", "verdict", "words"),
    [
        (1211, Verdict.REJECTED, "HTTP 400: The 'To' number *** is not a valid phone number."),
        (1610, Verdict.REJECTED, "HTTP 400: Attempt to send to unsubscribed recipient"),
        (1606, Verdict.RETRY, "HTTP 400: The From phone number is not a valid"),
        (1611, Verdict.BUSY, "HTTP 400: This 'From' number has exceeded"),
        (3, Verdict.BLOCKED, "HTTP 401: Authenticate"),
        (429, Verdict.BUSY, "HTTP 429: Too Many Requests"),
        (500, Verdict.RETRY, "HTTP 500: Internal Server Error"),
    ],
)
async def test_twilio_fails(ending: int, verdict: Verdict, words: str, tmp_path: Path) -> None:
    async with opened(Twilio(), tmp_path) as api:
        found = await outcome(api, request(phone_number=79161230000 + ending))
        assert found.verdict is verdict
        assert found.detail.startswith(words)


async def test_twilio_receipts(tmp_path: Path) -> None:
    api_of = Twilio()
    async with opened(api_of, tmp_path) as api:
        sid = (await api.provider.send(request(7))).provider_message_id or ""
    assert api.receiver.is_allowed({"authorization": basic("twilio", SECRETS["TWILIO_RECEIPTS_PASSWORD"])}, "")
    assert not api.receiver.is_allowed({"authorization": basic("twilio", "")}, "")
    read = api.receiver.parse(*_split(api_of.receipt(sid, "delivered")))
    assert read.receipts == [ProviderReceipt(None, sid, True, None, "", "")]
    failed = api.receiver.parse(*_split(api_of.receipt(sid, "undelivered", 30003)))
    assert failed.receipts == [ProviderReceipt(None, sid, False, None, "30003", "")]
    for on_the_way in ("queued", "sending", "sent", "accepted"):
        assert api.receiver.parse(*_split(api_of.receipt(sid, on_the_way))).ignored == 1
    assert api.receiver.answer.status == 204


# -- SMSC.ru ----------------------------------------------------------------------------------------------------------


async def test_smsc_accepts(tmp_path: Path) -> None:
    async with opened(Smsc(), tmp_path) as api:
        answer = await api.provider.send(request(valid_seconds=5400.0))
        assert (answer.verdict, answer.provider_message_id) == (Verdict.SENT, "7")
        sent = api.stand_in.taken["7"]
        assert (sent["mes"], sent["phones"], sent["valid"]) == (TEXT, "79161234567", "01:30")
        assert "sender" not in sent  # none is known: the account's own


@pytest.mark.parametrize(
    ("ending", "verdict"),
    [
        (1, Verdict.RETRY),
        (2, Verdict.BLOCKED),
        (3, Verdict.BLOCKED),
        (4, Verdict.BUSY),
        (6, Verdict.REJECTED),
        (7, Verdict.REJECTED),
        (8, Verdict.REJECTED),
        (9, Verdict.BUSY),
    ],
)
async def test_smsc_fails(ending: int, verdict: Verdict, tmp_path: Path) -> None:
    async with opened(Smsc(), tmp_path) as api:
        found = await outcome(api, request(phone_number=79161230000 + ending))
        assert found.verdict is verdict
        assert f"ERROR = {ending}" in found.detail


async def test_smsc_receipts(tmp_path: Path) -> None:
    api_of = Smsc()
    async with opened(api_of, tmp_path) as api:
        await api.provider.send(request(7))
    assert api.receiver.is_allowed({}, f"key={SECRETS['SMSC_RECEIPTS_KEY']}")
    assert not api.receiver.is_allowed({}, "key=")
    assert not api.receiver.is_allowed({}, f"key=x&key={SECRETS['SMSC_RECEIPTS_KEY']}")
    delivered = api.receiver.parse(*_split(api_of.receipt("7", 1, 1795947000)))
    assert delivered.receipts == [ProviderReceipt(7, None, True, 1795947000 * 10**6, "0", "")]
    failed = api.receiver.parse(*_split(api_of.receipt("7", 20, 1795947000, 6)))
    assert failed.receipts == [ProviderReceipt(7, None, False, 1795947000 * 10**6, "6", "")]
    for on_the_way in (-1, 0):
        assert api.receiver.parse(*_split(api_of.receipt("7", on_the_way, 1795947000))).ignored == 1


@pytest.mark.parametrize("kind", [Sinch, Twilio, Smsc])
async def test_what_an_example_does_not_know_is_unknown(kind: type[StandIn], tmp_path: Path) -> None:
    """A page of a proxy with a 200, whatever the API."""

    class Proxy(kind):  # type: ignore[misc, valid-type]
        async def handle(self, _request: web.Request) -> web.Response:
            return web.Response(text="<html>Please sign in</html>", content_type="text/html")

    Proxy.__name__ = kind.__name__
    async with opened(Proxy(), tmp_path) as api:
        found = await outcome(api, request())
        assert found.verdict is Verdict.UNKNOWN
        assert found.is_misaddressed


def _split(receipt: tuple[str, bytes]) -> tuple[str, str, bytes]:
    content_type, body = receipt
    return content_type, "", body
