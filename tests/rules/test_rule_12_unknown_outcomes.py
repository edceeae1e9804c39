"""Rules 6 and 12: a provider is understood however it says yes, and what nobody can know is called uncertain."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from mailing.v1 import mailing_pb2, mailing_service_pb2
from tests.patience import undisturbed
from tests.rules.evidence import CANCELLED, EXPIRED, NOT_SENT, PENDING, UNCERTAIN, health, message, status
from tests.rules.odd_provider import accepted, odd_provider
from tests.rules.rig import Rig, running, until
from tests.rules.test_rule_06_answers import ready

QUIETLY = {"provider_timeout_seconds": 0.2, "retry_base_seconds": 0.01, "retry_max_seconds": 0.05}


def page() -> web.Response:
    """Somebody's error page, said with "all right"."""
    return web.Response(text="<html>Parked domain</html>", content_type="text/html")


NO_ANSWER: dict[str, Callable[[], web.Response | None]] = {
    "a provider slower than the time-out": lambda: None,
    "a page of HTML": page,
    "a gateway that waited in vain": lambda: web.Response(status=504),
    "a bad gateway": lambda: web.Response(status=502),
    "a time-out on the way": lambda: web.Response(status=408),
}


@pytest.mark.parametrize("what", NO_ANSWER)
async def test_rule_12_with_not_sent_nobody_is_called_after_an_unknown_outcome(tmp_path: Path, what: str) -> None:
    async with (
        odd_provider(lambda _phone, _nth: NO_ANSWER[what]()) as provider,
        running(tmp_path, provider, **QUIETLY) as rig,  # type: ignore[arg-type]
    ):
        await rig.add_clients(8)
        mailing = await rig.register(on_uncertain="ON_UNCERTAIN_NOT_SENT")
        assert await rig.finished(mailing.id) == (0, 0, 8)
        assert {m.reason for m in await rig.list_messages(mailing.id)} == {UNCERTAIN}
        assert set(provider.calls().values()) == {1}


@pytest.mark.parametrize("policy", ["ON_UNCERTAIN_RESEND", "ON_UNCERTAIN_NOT_SENT"])
async def test_rule_12_what_certainly_was_not_sent_is_tried_again_whatever_the_policy(
    tmp_path: Path, policy: str
) -> None:
    def reply(_phone: int, nth: int) -> web.Response:
        failed = [web.Response(status=503), web.Response(status=500), web.json_response({"code": 5}), accepted()]
        return failed[min(nth, 4) - 1]

    async with odd_provider(reply) as provider, running(tmp_path, provider, **QUIETLY) as rig:  # type: ignore[arg-type]
        await rig.add_clients(3)
        mailing = await rig.register(on_uncertain=policy)
        assert await rig.finished(mailing.id) == (0, 3, 0)
        assert set(provider.calls().values()) == {4}


async def test_rule_12_with_resend_an_end_after_an_unknown_outcome_is_uncertain(tmp_path: Path) -> None:
    """Beside it, one that was only refused is cancelled as ever."""

    def reply(phone: int, _nth: int) -> web.Response | None:
        return None if phone % 2 else web.Response(status=503)

    async with odd_provider(reply) as provider, running(tmp_path, provider, **QUIETLY) as rig:  # type: ignore[arg-type]
        await rig.add_clients(2)
        mailing = await rig.register()
        await until(lambda: len(provider.calls()) == 2)
        await until(lambda: answered(rig, mailing, 2))
        await rig.mailings.CancelMailing(mailing_service_pb2.CancelMailingRequest(mailing_id=mailing.id))
        assert await rig.finished(mailing.id) == (0, 0, 2)
        reasons = {m.phone_number[-1]: m.reason for m in await rig.list_messages(mailing.id)}
        assert reasons["1"] == UNCERTAIN
        assert reasons["0"] == CANCELLED


async def answered(rig: Rig, mailing: mailing_pb2.Mailing, number: int) -> bool:
    messages = await rig.list_messages(mailing.id)
    return sum(bool(m.last_error.detail) for m in messages) == number


async def test_rule_06_a_page_of_html_is_no_provider_and_status_and_health_say_so(tmp_path: Path) -> None:
    here = {"page": True}
    async with (
        odd_provider(lambda _phone, _nth: page() if here["page"] else accepted()) as provider,
        running(tmp_path, provider, retry_base_seconds=0.05) as rig,  # type: ignore[arg-type]
    ):
        assert (await ready(rig))[0] == 200
        await rig.add_clients(1)
        mailing = await rig.register()
        await until(lambda: says_wrong_address(rig))
        await until(lambda: last_error_says_it(rig, mailing.id))  # stored a moment after the breaker knows
        await until(lambda: provider_is(rig, "NOT_SERVING"))
        code, shown = await ready(rig)
        assert (code, "address is probably wrong" in shown["components"]["provider"]) == (503, True)
        here["page"] = False
        assert await rig.finished(mailing.id) == (0, 1, 0)
        await until(lambda: provider_is(rig, "SERVING"))


async def says_wrong_address(rig: Rig) -> bool:
    return "address is probably wrong" in (await status(rig)).breaker.detail


async def last_error_says_it(rig: Rig, mailing_id: int) -> bool:
    (m,) = await rig.list_messages(mailing_id)
    return m.status == PENDING and "address is probably wrong" in m.last_error.detail


async def provider_is(rig: Rig, wanted: str) -> bool:
    return await health(rig, "provider") == wanted


OK = '{"code":0,"message":"Принято"}'
ODD_BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "a byte order mark": (b"\xef\xbb\xbf" + OK.encode(), {}),
    "half of a surrogate pair": (b'{"code":0,"message":"\\ud83d"}', {}),
    "Windows-1251 with its charset": (OK.encode("cp1251"), {"Content-Type": "application/json; charset=windows-1251"}),
    "compressed though nobody asked": (gzip.compress(OK.encode()), {"Content-Encoding": "gzip"}),
    "zero bytes at the end": (OK.encode() + b"\0\0", {}),
    "empty": (b"", {}),
}


@pytest.mark.parametrize("what", ODD_BODIES)
async def test_rule_06_one_text_to_one_phone_however_oddly_the_provider_says_yes(tmp_path: Path, what: str) -> None:
    body, headers = ODD_BODIES[what]
    async with (
        odd_provider(lambda _phone, _nth: web.Response(body=body, headers=headers)) as provider,
        running(tmp_path, provider) as rig,  # type: ignore[arg-type]
    ):
        await rig.add_clients(2)
        mailing = await rig.register()
        assert await rig.finished(mailing.id) == (0, 2, 0)
        assert set(provider.calls().values()) == {1}
        for m in await rig.list_messages(mailing.id):
            assert len((await message(rig, m.id)).attempt_history) == 1


@undisturbed
async def test_rule_06_a_number_that_is_no_zero_is_no_success(tmp_path: Path) -> None:
    async with (
        odd_provider(lambda _phone, _nth: web.json_response({"code": 17, "message": "no money"})) as provider,
        running(tmp_path, provider, **QUIETLY) as rig,  # type: ignore[arg-type]
    ):
        await rig.add_clients(1)
        mailing = await rig.register(end_seconds=1.0)
        assert await rig.finished(mailing.id) == (0, 0, 1)
        (m,) = await rig.list_messages(mailing.id)
        assert (m.status, m.reason) == (NOT_SENT, EXPIRED)
        assert "code 17" in m.last_error.detail
        assert provider.calls()[79_160_000_000] > 1
