"""Clients in the panel: found, changed one by one and by the dozen, imported and exported, as a person does it."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Any, Final

from playwright.async_api import FilePayload, Locator, Page, Route, expect

from gateway.tables.csv_rows import ImportRow, read_rows
from tests.browser.browser import fits
from tests.browser.panel import CSV, account, go, service, signed_in
from tests.gateway.rig import Gateway
from tests.gateway.tables.workbooks import workbook

TAG: Final = "Зима's <b>sale</b>"
OPEN: Final = {"text": TAG, "start_time": "2020-01-01T00:00:00Z", "end_time": "2099-01-01T00:00:00Z"}
LONG: Final = "".join(f"8916{number:07d};{TAG};Europe/Moscow\n" for number in range(100, 400))
FILE: Final = (
    "phone_number;tag;time_zone\n"
    f"+7 (916) 123-45-67;{TAG};Europe/Moscow\n"
    "8 903 765-43-21;;Asia/Omsk\n"
    "12345;vip;Europe/Moscow\n"
    "79160000001;vip;Mars\n"
    "79160000002;vip;UTC;x\n" + LONG
)


def csv_file(name: str, text: str, encoding: str = "utf-8") -> FilePayload:
    return {"name": name, "mimeType": "text/csv", "buffer": text.encode(encoding)}


async def add(gateway: Gateway, *rows: str) -> None:
    data = "\n".join(("phone_number,tag,time_zone", *rows)).encode()
    answer = await gateway.post("/clients/import", data=data, headers=CSV)
    assert answer.json["rejected"] == 0


async def saved(page: Page, button: Locator) -> tuple[str, bytes]:
    """What the browser saves when the button is pressed: the file's name and content."""
    async with page.expect_download() as waiting:
        await button.click()
    download = await waiting.value
    path = await download.path()
    return download.suggested_filename, await asyncio.to_thread(path.read_bytes)


async def pick(page: Page, label: str, typed: str, option: str) -> None:
    """Find a value of a picker by typing, and take it."""
    await page.get_by_role("combobox", name=label).fill(typed)
    await page.get_by_role("option", name=option).click()


def rows_of(preview: Locator) -> Locator:
    """The rows of a file as they will be stored, below their header."""
    return preview.locator(".import-rows").get_by_role("row")


def phones(page: Page) -> Locator:
    return page.locator("td.phone-number a")


async def test_a_file_is_previewed_imported_and_its_bad_lines_are_given_back(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, "/clients", expected=[400]) as watched:
        page = watched.page
        await page.get_by_role("link", name="Import").first.click()
        chooser = page.get_by_label("Choose a file")
        # A file that says nothing: what is expected, and one to begin with.
        await chooser.set_input_files(csv_file("contacts.csv", ""))
        await expect(page.get_by_role("alert")).to_contain_text("The file is empty")
        name, sample = await saved(page, page.get_by_role("button", name="Download a sample"))
        assert (name, len(list(read_rows([sample])))) == ("clients-sample.csv", 2)
        assert all(isinstance(each, ImportRow) for each in read_rows([sample]))
        # One from an old Excel: how it is read, before anything is stored.
        await chooser.set_input_files(csv_file("winter.csv", FILE, "windows-1251"))
        preview = page.get_by_role("region", name="winter.csv")
        for words in ("Windows-1251", "semicolons", "Will be added: 302, changed: 0, unchanged: 0, rejected: 3."):
            await expect(preview).to_contain_text(words)
        first = rows_of(preview).nth(1)
        await expect(first).to_contain_text(f"added+7 916 123-45-67{TAG}Europe/Moscow")
        await expect(rows_of(preview).nth(3)).to_contain_text("Phone number: must have 11 digits")
        await expect(rows_of(preview).nth(5)).to_contain_text("Has 4 cells, the header has 3")
        assert (await gateway.get("/clients")).json["total_size"] == 0
        await page.get_by_role("button", name="Import 302 clients").click()
        # What became of it.
        for label, count in (("Added", "302"), ("Changed", "0"), ("Rejected", "3")):
            stat = page.locator(".stat", has=page.get_by_text(label, exact=True))
            await expect(stat.locator(".stat-value")).to_have_text(count)
        rejected = page.get_by_role("region", name="Rejected lines")
        await expect(rejected.get_by_role("row")).to_have_count(4)
        await expect(rejected.get_by_role("row").nth(2)).to_contain_text("Time zone")
        name, content = await saved(page, page.get_by_role("button", name="Download the rejected rows"))
        assert name == "winter-rejected.csv"
        lines = list(csv.reader(content.decode("utf-8-sig").splitlines()))
        assert lines[0] == ["What is wrong", "phone_number", "tag", "time_zone"]
        assert [line[1:] for line in lines[1:]] == [
            ["12345", "vip", "Europe/Moscow"],
            ["79160000001", "vip", "Mars"],
            ["79160000002", "vip", "UTC", "x"],
        ]
        begin = ("Phone number: must have", "Time zone: must be", "Has 4 cells")
        assert all(row[0].startswith(words) for row, words in zip(lines[1:], begin, strict=True)), lines
        await page.get_by_role("link", name="To the clients").click()
        await expect(page.get_by_role("status").filter(has_text="302 clients")).to_be_visible()
        stored = (await gateway.get("/clients?phone_number=79161234567")).json["clients"][0]
        assert (stored["tag"], stored["time_zone"]) == (TAG, "Europe/Moscow")


CRM: Final[list[list[Any]]] = [
    ["Клиенты на декабрь"],
    ["Мобильный", "Имя", "Группа", "Город", "Пояс", "Комментарий"],
    [79161230001, "Анна", "vip", "Омск", "МСК+3", "звонить утром"],
    ["8 (916) 123-00-02", "Ян", "vip", "Тверь", "UTC+4", ""],
    ["7.91612E+10", "Олег", "vip", "Тула", "", ""],
]
WORDS: Final = {
    "column": "Что такое «{}»",
    "ignore": "не брать",
    "reach": "2 из них подходят открытой рассылке «Привет всем»",
    "may": "Рассылка «Привет всем» открыта: кто из них подходит, получит сообщение",
    "silent": "Не писать",
    "import": "Импортировать 2 клиентов",
    "last": "Импортировать 1 клиента",
    "again": "Импортировать другой файл",
    "download": "Скачать отклонённые строки",
    "reason": "Что не так;",
    "choose": "Выбрать файл",
    "called": "Имя признака в столбце «{}»",
    "zones": "По коду номера",
    "one": "Один на всех",
    "which": "Часовой пояс",
    "sheet": "Лист книги",
}


async def test_a_workbook_is_matched_imported_silently_and_its_bad_rows_are_corrected(tmp_path: Path) -> None:
    """In Russian: a file that is saved has semicolons then."""
    async with service(tmp_path) as gateway, signed_in(gateway, "/clients/import", locale="ru-RU") as watched:
        await gateway.post("/mailings", OPEN | {"text": "Привет всем"})
        page, file = watched.page, workbook(("Лист1", CRM), ("Итоги", [["2"]]))
        looked = await looking_is_held(page)
        await page.get_by_label(WORDS["choose"]).set_input_files({"name": "crm.xlsx", "mimeType": "", "buffer": file})
        column = {name: page.get_by_label(WORDS["column"].format(name)) for name in CRM[1]}
        told = {
            "Мобильный": "phone_number",
            "Имя": "attributes.name",
            "Группа": "tag",
            "Город": "attributes.city",
            "Пояс": "time_zone",
            "Комментарий": "attributes.kommentariy",
        }
        for name, field in told.items():
            await expect(column[name]).to_have_value(field)
        await column["Комментарий"].select_option(WORDS["ignore"])
        await expect(page.get_by_label(WORDS["sheet"])).to_have_value("Лист1")  # it is told that is read
        await called(page, WORDS["called"], column["Город"])
        # A long file may be imported before all of it was looked at: the question is there by then.
        await expect(page.get_by_text(WORDS["may"])).to_be_visible()
        await page.get_by_label(WORDS["silent"]).check()
        looked.set()
        await expect(page.get_by_text(WORDS["reach"])).to_be_visible()
        await expect(page.get_by_text(WORDS["may"])).to_have_count(0)
        await expect(page.locator("td.zone").nth(1)).to_have_text("UTC+4")  # the database's Etc/GMT-4
        await expect(page.get_by_label(WORDS["silent"])).to_be_checked()
        await page.get_by_role("button", name=WORDS["import"]).click()
        name, content = await saved(page, page.get_by_role("button", name=WORDS["download"]))
        assert name == "crm-rejected.csv"
        assert content.decode("utf-8-sig").startswith(WORDS["reason"])
        assert (await gateway.get("/messages")).json["total_size"] == 0
        stored = (await gateway.get("/clients?phone_number=79161230001")).json["clients"][0]
        assert (stored["tag"], stored["time_zone"]) == ("vip", "Asia/Omsk")
        assert stored["attributes"] == {"name": "Анна", "town": "Омск"}
        # The file comes back corrected; what its columns are is remembered.
        fixed = content.replace(b"7.91612E+10", b"73812230003")
        await page.get_by_role("button", name=WORDS["again"]).click()
        await page.get_by_label(WORDS["choose"]).set_input_files(
            {"name": "crm-rejected.csv", "mimeType": "text/csv", "buffer": fixed}
        )
        await expect(column["Комментарий"]).to_have_value("ignore")
        await expect(column["Город"]).to_have_value("attributes.town")
        await zone_is_chosen(page)
        await page.get_by_role("button", name=WORDS["last"]).click()
        await expect(page.get_by_role("button", name=WORDS["again"])).to_be_visible()
        assert (await gateway.get("/clients")).json["total_size"] == 3
        told = (await gateway.get("/clients?phone_number=73812230003")).json["clients"][0]
        assert told["time_zone"] == "Asia/Omsk"
        assert (await gateway.get("/messages")).json["total_size"] == 1


async def looking_is_held(page: Page) -> asyncio.Event:
    """Nobody looks at a whole file until the event is set."""
    looked = asyncio.Event()

    async def hold(route: Route) -> None:
        await looked.wait()
        await route.continue_()

    await page.route("**/admin/clients/import?key=*&validate_only=*", hold)
    return looked


async def zone_is_chosen(page: Page) -> None:
    """A row whose column of the time zone is empty gets one zone for all, or that of the number's code."""
    zone = page.get_by_role("row").filter(has_text="223-00-03").locator(".zone")
    await expect(zone).to_have_text("Europe/Moscow")  # where the person is
    await page.get_by_label(WORDS["one"]).check()
    picker = page.get_by_role("combobox", name=WORDS["which"], exact=True)
    await picker.fill("томск")
    await picker.press("Enter")
    await expect(zone).to_have_text("Asia/Tomsk")
    await page.get_by_label(WORDS["zones"]).check()
    await expect(zone).to_have_text("Asia/Omsk")


async def called(page: Page, label: str, choice: Locator) -> None:
    """An attribute gets another name than its column's; one that can't be is said, and changes nothing."""
    name = page.get_by_label(label.format("Город"))
    await expect(name).to_have_value("city")
    for bad in ("Город", "time_zone", "name"):
        await name.fill(bad)
        await name.press("Enter")
        await expect(name).to_have_attribute("aria-invalid", "true")
        await expect(choice).to_have_value("attributes.city")
    await name.fill("town")
    await name.press("Enter")
    await expect(choice).to_have_value("attributes.town")


async def test_an_encoding_that_is_in_doubt_is_chosen(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, "/clients/import", expected=[400]) as watched:
        page = watched.page
        chooser, encoding = page.get_by_label("Choose a file"), page.get_by_label("Encoding of the file")
        table = "phone_number;tag\n79161234567;Новые клиенты\n79161234568;Müller\n"
        await chooser.set_input_files(csv_file("plain.csv", table))
        preview = page.get_by_role("region", name="plain.csv")
        await expect(preview).to_contain_text("Müller")
        await expect(encoding).to_have_count(0)  # nothing is in doubt
        await page.get_by_role("button", name="Choose another file").click()
        # Bytes that Windows-1251 would turn into nonsense.
        await chooser.set_input_files(csv_file("old.csv", table.replace("ü", "u"), "koi8-r"))
        preview = page.get_by_role("region", name="old.csv")
        await expect(rows_of(preview).nth(1)).to_contain_text("is read as 'оПЧЩЕ', which looks wrong")
        await expect(preview).to_contain_text("read as Windows-1251")
        await expect(preview).to_contain_text("1 of these rows can't be stored")
        await expect(preview.get_by_role("button", name="Import 1 client")).to_be_enabled()
        await encoding.select_option("KOI8-R")
        await expect(rows_of(preview).nth(1)).to_contain_text("added+7 916 123-45-67Новые клиентыEurope/Moscow")
        await page.get_by_role("button", name="Import 2 clients").click()
        await page.get_by_role("button", name="Import another file").click()
        stored = (await gateway.get("/clients?phone_number=79161234567")).json["clients"][0]
        assert stored["tag"] == "Новые клиенты"
        await chooser.set_input_files(csv_file("all.csv", "phone_number;tag\n79161234567;Новые клиенты\n", "koi8-r"))
        preview = page.get_by_role("region", name="all.csv")
        await expect(preview).to_contain_text("None of these rows can be stored.")
        await expect(preview.get_by_role("button", name="Nothing to import")).to_be_disabled()
        await page.get_by_role("button", name="Choose another file").click()
        # Bytes that are nothing known: the same choice, and another one where it was wrong.
        await chooser.set_input_files(csv_file("mac.csv", table.replace("ü", "u"), "mac-cyrillic"))
        await expect(page.get_by_role("alert")).to_contain_text("neither UTF-8 nor Windows-1251 text. Choose")
        await encoding.select_option("UTF-8")
        await expect(page.get_by_role("alert")).to_contain_text("Line 2 is not text in UTF-8. Choose another encoding.")
        await encoding.select_option("Mac Cyrillic")
        preview = page.get_by_role("region", name="mac.csv")
        await expect(rows_of(preview).nth(1)).to_contain_text("unchanged+7 916 123-45-67Новые клиентыEurope/Moscow")


async def test_clients_are_found_and_changed_many_at_once(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway) as watched:
        page = watched.page
        await add(gateway, *(f"7903000{n:04d},{'vip' if n % 2 else ''},Asia/Omsk" for n in range(60)))
        await add(gateway, *(f"7916555{n:04d},{TAG},Europe/Moscow" for n in range(5)))
        await go(page, "/clients")
        await leafed(page)
        await searched(page)
        await tagged(page)
        await exported(page)
        await deleted(page)
        tags = [each["tag"] for each in (await gateway.get("/clients?phone_code=916")).json["clients"]]
        assert sorted(tags) == sorted([TAG] * 2 + ["it's <i>new</i>"] * 3)


def total(page: Page) -> Locator:
    return page.locator(".total")


async def leafed(page: Page) -> None:
    """Page numbers, and more rows on a page."""
    await expect(total(page)).to_have_text("65 clients")
    await expect(phones(page)).to_have_count(25)
    await page.get_by_role("button", name="3", exact=True).click()
    await expect(phones(page)).to_have_count(15)
    await page.get_by_role("combobox", name="Rows per page").select_option("100")
    await expect(phones(page)).to_have_count(65)


async def searched(page: Page) -> None:
    """A part of the number, as people type it; then tags and zones that there are, with their counts."""
    search = page.get_by_label("Part of the number")
    await search.press_sequentially("16")
    await expect(page.get_by_text("3 digits at least")).to_be_visible()
    await search.fill("(916) 555-00")
    await expect(total(page)).to_have_text("5 clients found")
    await page.get_by_role("button", name="Reset filters").click()
    await expect(total(page)).to_have_text("65 clients")
    await expect(search).to_have_value("")
    await pick(page, "Tag", "зима", f"{TAG} 5")
    await expect(total(page)).to_have_text("5 clients found")
    await expect(page.locator("td .tag").first).to_have_text(TAG)
    await expect(page.locator("td .tag b")).to_have_count(0)
    await pick(page, "Time zone", "omsk", "Asia/Omsk 60")
    await expect(page.get_by_text("No client matches.")).to_be_visible()
    await page.get_by_role("button", name="Clear: Time zone").click()
    await expect(total(page)).to_have_text("5 clients found")


async def tagged(page: Page) -> None:
    """A new tag for three of the five that are shown."""
    for n in range(3):
        await page.get_by_label(f"Choose +7 916 555-00-0{n}").check()
    await page.get_by_role("button", name="Set tag").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("combobox", name="Tag").fill("it's <i>new</i>")
    await expect(dialog).to_contain_text("3 clients get the tag “it's <i>new</i>”")
    await dialog.get_by_role("button", name="Set for 3 clients").click()
    await expect(page.get_by_text("Tag set for 3 clients.")).to_be_visible()
    await expect(total(page)).to_have_text("2 clients found")


async def exported(page: Page) -> None:
    """What is shown, as a file."""
    await page.get_by_role("button", name="Export").click()
    name, content = await saved(page, page.get_by_role("button", name="CSV for Excel"))
    assert name.startswith("clients-")
    rows = [(f"7916555000{n}", "916", TAG, "Europe/Moscow", "") for n in (3, 4)]
    assert [row.cells for row in read_rows([content]) if isinstance(row, ImportRow)] == rows


async def deleted(page: Page) -> None:
    """Three of all, for good."""
    await page.get_by_role("button", name="Reset filters").click()
    await expect(total(page)).to_have_text("65 clients")
    for n in range(3):
        await page.get_by_label(f"Choose +7 903 000-00-0{n}").check()
    await page.get_by_role("button", name="Delete", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("Delete 3 clients?")
    await page.get_by_role("button", name="Delete 3 clients").click()
    await expect(page.get_by_text("3 clients deleted.")).to_be_visible()
    await expect(total(page)).to_have_text("62 clients")


async def test_a_client_is_added_edited_and_deleted(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, expected=[409, 422, 503]) as watched:
        page = watched.page
        await add(gateway, "79161234567,vip,Europe/Moscow")
        await gateway.post("/mailings", OPEN)
        # The engine is away for a while: it is said, and the list comes by itself.
        await page.route("**/admin/clients/list?*", lambda route: route.fulfill(status=503))
        await go(page, "/clients")
        await expect(page.get_by_role("alert")).to_contain_text("The engine does not answer.")
        await page.unroute("**/admin/clients/list?*")
        await expect(phones(page)).to_have_count(1)
        await page.get_by_role("link", name="Add a client").click()
        phone = page.get_by_label("Phone number")
        await phone.fill("8916")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert")).to_contain_text("Must have 11 digits")
        await phone.fill("8 (916) 123-45-67")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert")).to_have_text("There is a client with this number already.")
        await expect(phone).to_have_attribute("aria-invalid", "true")
        await phone.fill("+7 (903) 765-43-21")
        await page.get_by_role("combobox", name="Tag").fill(TAG)
        await pick(page, "Time zone", "vladiv", "Asia/Vladivostok")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", name="+7 903 765-43-21", level=2)).to_be_visible()
        await expect(page.locator(".chip", has_text=TAG)).to_be_visible()
        await expect(page.get_by_text("Asia/Vladivostok")).to_be_visible()
        # Their messages: the open mailing has taken them in at once.
        await expect(page.get_by_role("heading", name="1 message")).to_be_visible()
        await expect(page.get_by_role("link", name=TAG)).to_have_attribute("href", "#/mailings/1/show")
        await expect(page.locator(".chip", has_text="Sent")).to_be_visible()
        await edited_and_deleted(page, gateway)


async def edited_and_deleted(page: Page, gateway: Gateway) -> None:
    """The client whose page this is, the second one of all."""
    await page.get_by_role("link", name="Edit").click()
    await page.get_by_role("button", name="Clear: Tag").click()
    await page.get_by_label("Operator code").fill("77")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("no tag")).to_be_visible()
    stored = (await gateway.get("/clients/2")).json
    assert (stored["phone_number"], stored["phone_code"], stored["tag"]) == ("79037654321", "77", "")
    await page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("No message waits to be sent.")
    await expect(dialog).to_contain_text("1 message of the past stays in the history, without the number")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(total(page)).to_have_text("1 client")
    assert (await gateway.get("/clients/2")).status == 404


async def test_a_viewer_only_looks_and_a_phone_stops_an_import_in_russian(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await account(gateway, "vera", "viewer")
        await add(gateway, f"79161234567,{TAG},Europe/Moscow")
        async with signed_in(gateway, "/clients", name="vera") as watched:
            page = watched.page
            await phones(page).click()
            await expect(page.get_by_role("heading", name="+7 916 123-45-67", level=2)).to_be_visible()
            for word in ("Edit", "Delete"):
                await expect(page.get_by_text(word, exact=True)).to_have_count(0)
            await go(page, "/clients")
            await expect(page.get_by_role("button", name="Export")).to_be_visible()
            for word in ("Import", "Add a client"):
                await expect(page.get_by_text(word, exact=True)).to_have_count(0)
            await expect(page.get_by_role("checkbox")).to_have_count(0)
        async with signed_in(gateway, "/clients/import", locale="ru-RU", width=390) as watched:
            page = watched.page
            release = asyncio.Event()

            async def hold(route: Route) -> None:
                await release.wait()
                await route.abort()

            await page.route("**/admin/clients/import?key=*&skip_open_mailings=*", hold)
            await page.get_by_label("Выбрать файл").set_input_files(csv_file("зима.csv", FILE))
            await expect(page.get_by_text("отклонена").first).to_be_visible()
            await fits(page)
            await page.get_by_role("button", name="Импортировать 302 клиентов").click()
            await expect(page.get_by_role("progressbar")).to_be_visible()
            await page.get_by_role("button", name="Остановить импорт").click()
            await expect(page.get_by_role("heading", name="Импорт файла зима.csv остановлен")).to_be_visible()
            release.set()
            await page.get_by_role("link", name="К списку клиентов").click()
            await expect(total(page)).to_have_text("1 клиент")
            await fits(page)
