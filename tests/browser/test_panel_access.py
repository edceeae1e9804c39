"""Accounts, API tokens, one's own password and the audit list in the panel, used as a person uses them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from engine.service import Service
from engine.settings import load
from tests.admin.test_words import all_words
from tests.browser.browser import fits
from tests.browser.panel import account, go, rest, service, sign_in, signed_in, turn_to
from tests.gateway.rig import Gateway
from tests.rules.rig import QUICK

OTHER_PASSWORD = "battery staple correct"


def row(page: Page, text: str) -> Locator:
    """The row of a list that has this text."""
    return page.locator("tbody tr").filter(has_text=text)


async def test_an_account_is_made_used_and_revoked(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, "/accounts", expected=[409, 422]) as watched:
        page = watched.page
        await page.get_by_role("button", name="Add account").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill("Мария")
        await dialog.get_by_label("Password").fill("short")
        await expect(dialog).to_contain_text("3 more characters are needed.")
        await dialog.get_by_role("button", name="Add account").click()
        await expect(dialog.get_by_role("alert")).to_have_text(
            ["Must be 1 to 64 Latin letters, digits or the signs . _ @ -.", "Must have 8 to 256 characters; it has 5."]
        )
        await dialog.get_by_label("Name").fill("admin")
        await dialog.get_by_role("button", name="Generate").click()
        await dialog.get_by_role("button", name="Add account").click()
        await expect(dialog.get_by_role("alert")).to_have_text("There is an account named admin already.")
        await dialog.get_by_label("Name").fill("maria")
        await dialog.get_by_role("button", name="Add account").click()
        await expect(dialog).to_contain_text("Account maria is ready")
        await expect(dialog.get_by_label("Password")).to_have_value(re.compile(r"^([a-z2-9]{5}-){3}[a-z2-9]{5}$"))
        password = await dialog.get_by_label("Password").input_value()
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        await expect(dialog).to_contain_text("Account maria is ready")  # the password is shown only now: it stays
        await dialog.get_by_role("button", name="I have saved the password").click()
        await expect(row(page, "maria")).to_contain_text("Viewer")

        # She sees what a viewer may see, and nothing else.
        async with signed_in(gateway, name="maria", password=password) as hers:
            menu = hers.page.get_by_role("menu").first
            await expect(menu.get_by_role("menuitem", name="Audit")).to_be_visible()
            await expect(menu.get_by_role("menuitem", name="Accounts")).to_have_count(0)
            await expect(menu.get_by_role("menuitem", name="API tokens")).to_have_count(0)

            await expect(row(page, "admin").get_by_role("button")).to_have_count(0)  # nobody locks himself out
            hers.expected_statuses.add(401)  # from now on her page may learn it at any moment
            await row(page, "maria").get_by_role("button", name="Revoke").click()
            await dialog.get_by_role("button", name="Revoke").click()
            await expect(row(page, "maria")).to_contain_text("Revoked")

            await turn_to(hers.page, "/messages")
            await expect(hers.page.get_by_label("Password", exact=True)).to_be_visible()
        await rest(page)


async def test_an_account_is_revoked_with_the_tokens_that_it_has_made(tmp_path: Path) -> None:
    """The audit list tells a token from an account of the same name."""
    async with service(tmp_path) as gateway:
        made = (await gateway.post("/accounts", {"name": "maria", "role": "admin", "password": OTHER_PASSWORD})).json
        signed = (await gateway.post("/session", {"name": "maria", "password": OTHER_PASSWORD}, token="")).json
        tokens = [
            (await gateway.post("/tokens", {"name": "maria", "role": "operator"}, token=signed["secret"])).json
            for _ in range(3)
        ]
        await gateway.post("/clients", {"phone_number": "79161234567"}, token=tokens[0]["secret"])
        async with signed_in(gateway, "/accounts") as watched:
            page, dialog = watched.page, watched.page.get_by_role("dialog")
            await row(page, "maria").get_by_role("button", name="Revoke").click()
            await dialog.get_by_label("Revoke the 3 API tokens made with this account, too").uncheck()
            await dialog.get_by_role("button", name="Revoke").click()
            await expect(row(page, "maria")).to_contain_text("Revoked")
            assert (await gateway.get("/session", token=tokens[0]["secret"])).status == 200
            await row(page, "maria").get_by_role("button", name="Revoke its 3 tokens").click()
            await expect(dialog).to_contain_text("Revoke the API tokens made by maria?")
            await dialog.get_by_role("button", name="Revoke its 3 tokens").click()
            await expect(row(page, "maria").get_by_role("button")).to_have_count(0)
            assert (await gateway.get("/session", token=tokens[0]["secret"])).status == 401

            await turn_to(page, "/audit")
            await expect(row(page, "Added a client")).to_contain_text(f"API token {tokens[0]['token']['id']}")
            await expect(row(page, "Signed in").filter(has_text="maria")).to_contain_text(f"Account {made['id']}")
            await page.get_by_label("Kind of caller").select_option("API token")
            await expect(row(page, "Signed in")).to_have_count(0)
            await expect(row(page, "Added a client")).to_have_count(1)
            await rest(page)


async def test_a_token_is_shown_once_works_and_is_revoked(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, "/tokens") as watched:
        page = watched.page
        await page.get_by_role("button", name="Create token").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("What is it for?").fill("it's <b>CRM</b>")
        await dialog.get_by_label("Operator").check()
        await dialog.get_by_label("Expires").select_option("On a date…")
        await dialog.get_by_label("Last day").fill("2099-12-31")
        await expect(dialog).to_contain_text("Works until 31 Dec 2099, 23:59 (Europe/Moscow).")
        await dialog.get_by_role("button", name="Create token").click()
        secret = await dialog.get_by_label("Token", exact=True).input_value()
        curl = f"curl -H 'Authorization: Bearer {secret}' {gateway.url}/api/v1/mailings"
        await expect(dialog.get_by_label("Command to try it")).to_have_value(curl)
        assert (await gateway.get("/mailings", token=secret)).status == 200
        assert (await gateway.get("/accounts", token=secret)).status == 403
        await dialog.get_by_role("button", name="I have saved the token").click()

        line = row(page, "it's <b>CRM</b>")
        await expect(line).to_contain_text("Operator")
        await expect(line).to_contain_text("31 Dec 2099, 23:59")
        assert secret not in await page.content()
        await line.get_by_role("button", name="Revoke").click()
        await dialog.get_by_role("button", name="Revoke").click()
        await expect(line).to_contain_text("Revoked")
        assert (await gateway.get("/mailings", token=secret)).status == 401
        await rest(page)


async def test_a_person_changes_the_own_password_in_russian(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await account(gateway, "ivan", "viewer")
        async with signed_in(gateway, name="ivan", width=390, locale="ru-RU", expected=[422]) as watched:
            page = watched.page
            await page.get_by_role("button", name="Сменить пароль").click()
            dialog = page.get_by_role("dialog")
            await dialog.get_by_label("Текущий пароль").fill("not this one")
            await dialog.get_by_label("Новый пароль").fill(OTHER_PASSWORD)
            await dialog.get_by_role("button", name="Сменить пароль").click()
            await expect(dialog.get_by_role("alert")).to_have_text("Это не текущий пароль.")
            await dialog.get_by_label("Текущий пароль").fill("correct horse battery")
            await dialog.get_by_role("button", name="Сменить пароль").click()
            await expect(page.get_by_text("Пароль изменён.")).to_be_visible()
            await go(page, "/audit")  # still signed in here
            await expect(row(page, "Смена пароля")).to_contain_text("ivan")

            await page.get_by_role("button", name="Профиль").click()
            await page.get_by_role("menuitem", name="Выйти").click()
            await sign_in(page, "ivan", OTHER_PASSWORD)
            await rest(page)


async def test_the_audit_list_says_who_did_what(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await _some_changes(gateway)
        async with signed_in(gateway, "/audit") as watched:
            page = watched.page
            lines = page.locator("tbody tr")
            await expect(lines.first).to_contain_text("Signed in")
            await expect(lines.first).to_contain_text("127.0.0.1")
            await expect(row(page, "Changed a client").get_by_role("link")).to_have_attribute(
                "href", "#/clients/2/show"
            )
            await expect(row(page, "Changed the engine")).to_contain_text("MAILING_API_TOKEN")

            await fits(page)
            added = row(page, "Added a client").filter(has_text="Client 1")
            await added.get_by_role("button", name="Details").click()
            await expect(page.get_by_label("Details", exact=True)).to_contain_text("Attributescity, name")
            await added.get_by_role("button", name="Close").click()
            changed = row(page, "Changed a client")
            await expect(changed).to_contain_text("Tag: — → new")
            details = row(page, "Made a mailing").get_by_role("button", name="Details")
            await details.focus()
            await page.keyboard.press("Enter")
            detail = page.get_by_label("Details", exact=True)
            await expect(detail).to_contain_text("TextВесенняя распродажа: it's <b>here</b>")
            await expect(detail).to_contain_text("Start1 Mar 2099, 12:00:00")
            await expect(detail).to_contain_text("Hours of the day09:00–21:00")

            await page.keyboard.press("Enter")
            await expect(detail).to_have_count(0)
            refused = row(page, "Was refused at the sign-in")
            await expect(refused.filter(has_text="Account admin")).to_have_count(1)

            await rest(page)


ROWS_IN_PAGE = """async details => {
  const base = document.querySelector("link[rel=stylesheet]").href;
  const { objectOf, rowsOf } = await import(new URL("pages/audit/words.js", base).href);
  const types = ["mailing", "client", "account", "engine", "of another engine"];
  return details.map(detail => [
    ...rowsOf(detail).map(row => [row.key, row.value, row.label]),
    ...types.map(object_type => [object_type, objectOf({ object_type, object_id: 1, detail }).words, ""]),
  ]);
}"""
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    10**15,
    "",
    "text",
    [],
    ["city"],
    [None],
    [[1]],
    [{"name": "city"}],
    {},
    {"a": [1]},
)


async def test_an_event_of_any_shape_is_shown_as_words(tmp_path: Path) -> None:
    """Of another engine, older or newer: whatever it holds, a row is a text, and none takes the page away."""
    known = {key.removeprefix("audit.detail.") for key in all_words("en") if key.startswith("audit.detail.")}
    names = [
        *sorted(known),
        "attributes",
        "filter",
        "before",
        "unknown",
        "constructor",
        "toString",
        "end_us",
        "actor_id",
    ]
    shapes = [{name: odd} for name in names for odd in ODD]
    changes = [{**shape, "before": {name: other}} for shape in shapes for name in shape for other in ("x", None, [1])]
    details = [*ODD, *shapes, *changes]
    async with service(tmp_path) as gateway, signed_in(gateway, "/audit") as watched:
        found = await watched.page.evaluate(ROWS_IN_PAGE, details)
        strange = [row for rows in found for row in rows if not all(isinstance(each, str) for each in row)]
        assert not strange
        [[_, names_alone, _], *_] = found[details.index({"attributes": ["city"]})]
        assert names_alone == "city"


async def test_the_audit_list_is_filtered_by_date_action_person_and_object(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await _some_changes(gateway)
        async with signed_in(gateway, "/audit") as watched:
            page = watched.page
            lines = page.locator("tbody tr")
            await page.get_by_label("Object", exact=True).select_option("Client")
            await expect(lines).to_have_count(4)
            # The one that is deleted has no page any more.
            await expect(row(page, "Client 2").get_by_role("link")).to_have_count(2)
            await expect(row(page, "Client 1").get_by_role("link")).to_have_count(0)
            await page.get_by_label("What").select_option("Changed a client")
            await expect(lines).to_have_count(1)
            await page.get_by_label("Who").fill("nobody")
            await expect(page.get_by_text("There is nothing to show.")).to_be_visible()
            # What is filtered is in the address and to be seen; another visit begins without it.
            assert "who=nobody" in page.url
            await page.get_by_role("menuitem", name="Dashboard").click()
            await page.get_by_role("menuitem", name="Audit").click()
            await expect(page.get_by_label("Who")).to_have_value("")
            await page.get_by_label("To the day").fill("2020-01-01")
            await expect(page.get_by_text("There is nothing to show.")).to_be_visible()
            await page.get_by_role("button", name="Reset filters").click()
            await expect(lines.first).to_be_visible()
            await page.get_by_label("Number of the object").fill("two")
            await expect(page.get_by_text("A number, please: this is not one.")).to_be_visible()
            await rest(page)


async def _some_changes(gateway: Gateway) -> None:
    hours = {"from": "09:00", "to": "21:00"}
    text = "Весенняя распродажа: it's <b>here</b>"
    times = {"start_time": "2099-03-01T12:00:00+03:00", "end_time": "2099-03-02T12:00:00+03:00"}
    vip = {"phone_number": "79161234567", "tag": "vip", "attributes": {"city": "Omsk", "name": "Ann"}}
    assert (await gateway.post("/clients", vip)).status == 201
    assert (await gateway.post("/mailings", {"text": text, **times, "local_hours": hours})).status == 201
    assert (await gateway.ask("PATCH", "/engine", json={"workers": 8})).status == 200
    assert (await gateway.ask("DELETE", "/clients/1")).status == 204
    assert (await gateway.post("/clients", {"phone_number": "79161234568"})).status == 201
    assert (await gateway.ask("PATCH", "/clients/2", json={"tag": "new"})).status == 200
    assert (await gateway.post("/session", {"name": "admin", "password": "a wrong one"})).status == 401


async def test_without_its_engine_a_list_says_so_and_mends_itself(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, "/tokens", expected=[503]) as watched:
        page = watched.page
        await expect(row(page, "MAILING_API_TOKEN")).to_be_visible()
        port = gateway.engine.service.grpc_port
        await gateway.engine.service.stop()
        await go(page, "/accounts")
        away = "The engine does not answer. This page tries again by itself."
        await expect(page.get_by_text(away)).to_be_visible()
        await expect(page.get_by_role("alert").filter(has_text="Something went wrong")).to_be_visible()
        again = Service(load({**QUICK, **_own(gateway, tmp_path), "grpc_listen": f"127.0.0.1:{port}"}, {}, None))
        try:
            await again.start()
            await expect(row(page, "admin")).to_be_visible()
            await expect(page.get_by_text("Something went wrong")).to_have_count(0)
            await rest(page)
        finally:
            await again.stop()
        # react-query tells the console of each failure.
        watched.faults[:] = [each for each in watched.faults if away not in each]


def _own(gateway: Gateway, folder: Path) -> dict[str, Any]:
    sandbox = gateway.engine.sandbox
    database = f"sqlite://{folder / 'mailing.db'}"
    return {"database_url": database, "provider_url": sandbox.url, "fbrq_token": sandbox.token}
