"""A whole afternoon: from the spreadsheet to those who did not get it, as somebody does it who is new to the panel."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.panel import go, service, signed_in
from tests.browser.test_panel_clients import saved
from tests.gateway.rig import Gateway
from tests.gateway.tables.workbooks import workbook
from tests.rules.rig import until

OWN: Final = "79990000000"
"""The number of whoever writes the mailing."""
NAMES: Final = ("Анна", "Олег", "", "Ирина", "Пётр", "Мария", "Глеб", "Вера")
CRM: Final[list[list[Any]]] = [
    ["Мобильный", "Имя", "Группа", "Город", "Пояс", "Комментарий"],
    *(
        [f"8 (916) 123-00-{number:02}", name, "vip" if number % 2 else "", "Омск", "МСК+3", "звонить утром"]
        for number, name in enumerate(NAMES)
    ),
    ["+7 903 765 43 21", "Ян", "vip", "Тверь", "МСК", ""],
    [79037654322, "Лев", "", "Тула", "МСК", ""],
]
OMSK: Final = len(NAMES)
TEXT: Final = "Здравствуйте, {{name|друг}}! Завтра открываем магазин на Ленина, 5. Ждём вас!"
AGAIN: Final = "{{name|Друг}}, магазин на Ленина, 5 уже открыт."
SHARE_REFUSED: Final = 0.5
PICTURES: Final = os.environ.get("PICTURES")
"""A folder for the pictures of docs/admin."""
WORDS: Final = {
    "en": {
        "locale": "en-GB",
        "choose": "Choose a file",
        "column": "What “{}” is",
        "ignore": "ignore",
        "import": "Import 10 clients",
        "imported": "“crm.xlsx” is imported.",
        "text": "Text of the message",
        "name": "Name",
        "title": "January sale",
        "condition": "Add a condition",
        "attribute": "Attribute",
        "value": "Value",
        "later": "does not get it",
        "urgent": "Urgent: at any hour",
        "rate": "Messages per second, at most",
        "clients": "8 clients",
        "try": "Send it to me",
        "phone": "Phone number",
        "now": "Send now",
        "accepted": "The provider has accepted it",
        "close": "Close",
        "send": "Send to 8 clients now",
        "sure": "Send this now?",
        "pause": "Pause",
        "paused": "Paused",
        "resume": "Resume",
        "listed": "On the stop list",
        "refused": "Refused by the provider",
        "done": "Done",
        "export": "Export this list",
        "plain": "Plain CSV",
        "all": "All its messages",
        "status": "Status",
        "not_sent": "Not sent",
        "new": "New mailing for these",
        "those": "those whose message of “January sale” was not sent",
        "stopped": "1 more matches but is on the stop list",
        "duplicate": "Duplicate",
        "have_it": "“January sale” was sent to {} of these clients already",
    },
    "ru": {
        "locale": "ru-RU",
        "choose": "Выбрать файл",
        "column": "Что такое «{}»",
        "ignore": "не брать",
        "import": "Импортировать 10 клиентов",
        "imported": "Файл «crm.xlsx» импортирован.",
        "text": "Текст сообщения",
        "name": "Название",
        "title": "Январская распродажа",
        "condition": "Добавить условие",
        "attribute": "Признак",
        "value": "Значение",
        "later": "не получит",
        "urgent": "Срочно: в любое время суток",
        "rate": "Сообщений в секунду, не больше",
        "clients": "8 клиентов",
        "try": "Отправить себе",
        "phone": "Номер телефона",
        "now": "Отправить сейчас",
        "accepted": "Провайдер принял сообщение",
        "close": "Закрыть",
        "send": "Отправить сейчас: 8 клиентов",
        "sure": "Отправить сейчас?",
        "pause": "Приостановить",
        "paused": "На паузе",
        "resume": "Продолжить",
        "listed": "Номер в стоп-листе",
        "refused": "Отклонено провайдером",
        "done": "Готова",
        "export": "Экспорт этого списка",
        "plain": "Обычный CSV",
        "all": "Все сообщения",
        "status": "Статус",
        "not_sent": "Не отправлено",
        "new": "Новая рассылка для них",
        "those": "те, чьё сообщение из рассылки «Январская распродажа» не отправлено",
        "stopped": "Ещё 1 подходит, но в стоп-листе",
        "duplicate": "Дублировать",
        "have_it": "Из них {} клиент",
    },
}


class Afternoon:
    """The steps, one after the other, on one page."""

    def __init__(self, gateway: Gateway, page: Page, language: str) -> None:
        self.gateway, self.page, self.language = gateway, page, language
        self.words = WORDS[language]
        self.dialog = page.get_by_role("dialog")

    async def picture(self, name: str) -> None:
        if PICTURES:
            await self.page.screenshot(path=f"{PICTURES}/afternoon-{name}.png", animations="disabled", caret="hide")

    def texts(self) -> set[tuple[str, str]]:
        """What the provider was asked to send, as (phone number, text)."""
        return {(str(each["phone"]), str(each["text"])) for each in self.gateway.engine.sandbox.messages()}

    async def press(self, word: str, *, exact: bool = False) -> None:
        await self.page.get_by_role("button", name=self.words[word], exact=exact).click()

    async def import_file(self) -> None:
        page, words = self.page, self.words
        file = workbook(("Клиенты", CRM))
        await page.get_by_label(words["choose"]).set_input_files({"name": "crm.xlsx", "mimeType": "", "buffer": file})
        told = {"Мобильный": "phone_number", "Имя": "attributes.name", "Группа": "tag", "Город": "attributes.city"}
        for header, field in (told | {"Пояс": "time_zone"}).items():
            await expect(page.get_by_label(words["column"].format(header))).to_have_value(field)
        await page.get_by_label(words["column"].format("Комментарий")).select_option(words["ignore"])
        await self.picture("1-columns")
        await self.press("import")
        await expect(page.get_by_text(words["imported"])).to_be_visible()

    async def write(self) -> None:
        page, words = self.page, self.words
        await go(page, "/mailings/create")
        await page.get_by_label(words["text"]).fill(TEXT)
        await page.get_by_label(words["name"], exact=True).fill(words["title"])
        await self.press("condition")
        await page.get_by_role("combobox", name=words["attribute"], exact=True).click()
        await page.get_by_role("option", name="city").click()
        await page.get_by_role("combobox", name=words["value"], exact=True).click()
        await page.get_by_role("option", name="Омск").click()
        await page.keyboard.press("Escape")
        await expect(page.locator(".m-preview-audience strong")).to_have_text(words["clients"])
        await expect(page.locator(".m-preview .m-bubble")).to_contain_text("Здравствуйте, Анна!")
        await self.picture("2-segment")
        await page.get_by_label(words["later"]).check()
        await page.get_by_label(words["urgent"]).check()
        await page.get_by_label(words["rate"]).fill("0.02")  # nobody is so slow that all have it before the pause

    async def try_out(self) -> None:
        await expect(self.page.locator(".m-preview .m-bubble")).not_to_contain_text("{{")
        await self.press("try")
        await self.dialog.get_by_label(self.words["phone"]).fill(OWN)
        await self.dialog.get_by_role("button", name=self.words["now"]).click()
        await expect(self.dialog.get_by_text(self.words["accepted"])).to_be_visible()
        await self.picture("3-test-text")
        await self.dialog.get_by_role("button", name=self.words["close"]).click()
        assert self.texts() == {(OWN, TEXT.replace("{{name|друг}}", "Анна"))}

    async def send(self) -> None:
        await self.press("send")
        await expect(self.dialog).to_contain_text(self.words["sure"])
        await expect(self.dialog).to_contain_text("Здравствуйте, друг!")
        await self.picture("4-confirmation")
        await self.dialog.get_by_role("button", name=self.words["send"]).click()
        await expect(self.dialog).to_have_count(0)

    async def pause(self) -> None:
        await self.press("pause", exact=True)
        await self.dialog.get_by_role("button", name=self.words["pause"], exact=True).click()
        await expect(self.page.get_by_text(self.words["paused"], exact=True)).to_be_visible()
        await self.picture("5-paused")

    async def answer_stop(self) -> str:
        """One of those who wait answers STOP; the number."""
        provider = (await self.gateway.post("/tokens", {"name": "sms", "role": "provider"})).json["secret"]
        waiting = (await self.gateway.get("/messages?mailing_id=1&status=pending")).json["messages"]
        phone: str = waiting[-1]["phone_number"]
        answer = await self.gateway.post("/inbound", {"phone_number": phone, "text": "Стоп"}, token=provider)
        assert answer.json == {"action": "suppressed"}
        await expect(self.page.locator(".m-reasons")).to_contain_text(self.words["listed"])
        return phone

    async def send_the_rest(self) -> None:
        self.gateway.engine.sandbox.set_faults(share_400=SHARE_REFUSED)
        assert (await self.gateway.ask("PATCH", "/mailings/1", json={"rate_limit": 50})).status == 200
        await self.press("resume")
        await self.dialog.get_by_role("button", name=self.words["resume"]).click()
        await expect(self.page.locator(".m-state .chip")).to_have_text(self.words["done"])
        await expect(self.page.locator(".m-reasons")).to_contain_text(self.words["refused"])
        await self.picture("6-done")

    async def phones(self, **filters: str) -> set[str]:
        query = "&".join(f"{name}={value}" for name, value in {"mailing_id": "1", **filters}.items())
        found = (await self.gateway.get(f"/messages?{query}")).json["messages"]
        return {each["phone_number"] for each in found}

    async def exported(self, button: Locator) -> tuple[str, bytes]:
        """What a button of an export saves, for programs."""
        await button.click()
        return await saved(self.page, self.page.get_by_role("button", name=self.words["plain"]))

    async def export(self, stopped: str) -> set[str]:
        """Those whom the provider refused, out of the mailing's page and out of the list."""
        refused = await self.phones(reason="rejected")
        assert refused
        assert stopped not in refused
        reason = self.page.locator(".m-reasons > div").filter(has_text=self.words["refused"])
        name, content = await self.exported(reason.get_by_role("button"))
        assert name.startswith("messages-")
        assert column(content, "phone_number") == refused
        await self.page.get_by_role("link", name=self.words["all"]).click()
        await self.page.get_by_label(self.words["status"]).click()
        await self.page.get_by_role("option", name=self.words["not_sent"]).click()
        await expect(self.page.locator("tbody tr")).to_have_count(len(refused) + 1)
        await self.picture("7-not-sent")
        _, content = await self.exported(self.page.get_by_role("button", name=self.words["export"]))
        assert column(content, "phone_number") == {*refused, stopped}
        return refused

    async def write_to_them(self, refused: set[str]) -> None:
        page, words = self.page, self.words
        self.gateway.engine.sandbox.set_faults(share_400=0)
        before = self.texts()
        await page.get_by_role("link", name=words["new"]).click()
        await expect(page.get_by_text(words["those"])).to_be_visible()
        await page.get_by_label(words["text"]).fill(AGAIN)
        await page.get_by_label(words["urgent"]).check()
        await expect(page.get_by_text(words["stopped"])).to_be_visible()
        await expect(page.locator(".m-preview .m-bubble")).not_to_contain_text("{{")
        await page.evaluate("scrollTo(0, 0)")
        await self.picture("8-new-mailing")
        await page.locator(".m-form-buttons button[type=submit]").click()
        await expect(self.dialog).to_contain_text(words["those"])
        await self.dialog.locator("button.primary").click()
        await expect(page.locator(".m-facts-card")).to_contain_text(words["those"])
        await until(lambda: len(self.texts()) == len(before) + len(refused))
        assert {phone for phone, _ in self.texts() - before} == refused

    async def duplicate(self) -> None:
        sent = len(await self.phones(status="sent"))
        await go(self.page, "/mailings/1/show")
        await self.page.get_by_role("link", name=self.words["duplicate"]).click()
        await expect(self.page.locator(".m-form-side")).to_contain_text(self.words["have_it"].format(sent))
        await self.picture("9-duplicate")


def column(content: bytes, name: str) -> set[str]:
    return {row[name] for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))}


@pytest.mark.slow
@pytest.mark.parametrize("language", WORDS)
async def test_from_a_spreadsheet_to_those_who_did_not_get_it(tmp_path: Path, language: str) -> None:
    async with (
        service(tmp_path) as gateway,
        signed_in(gateway, "/clients/import", locale=WORDS[language]["locale"]) as watched,
    ):
        afternoon = Afternoon(gateway, watched.page, language)
        await afternoon.import_file()
        await afternoon.write()
        await afternoon.try_out()
        await afternoon.send()
        await afternoon.pause()
        stopped = await afternoon.answer_stop()
        await afternoon.send_the_rest()
        refused = await afternoon.export(stopped)
        assert stopped not in {phone for phone, _ in afternoon.texts()}
        await afternoon.write_to_them(refused)
        await afternoon.duplicate()
