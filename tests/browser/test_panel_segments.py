"""Attributes in the panel: of a client, and as conditions of a mailing, picked from what clients have."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.panel import CSV, service, signed_in

PEOPLE = (
    "phone_number,tag,attributes.city,attributes.visits\n"
    "79160000001,new,Омск,5\n79160000002,staff,Омск,12\n79160000003,new,Тверь,1\n79160000004,,,\n"
)


async def test_an_audience_is_picked_from_what_clients_have(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await gateway.post("/clients/import", data=PEOPLE.encode(), headers=CSV)
        async with signed_in(gateway, "/mailings/create") as watched:
            page = watched.page
            audience = page.get_by_role("status", name="What will happen").locator(".m-preview-audience strong")
            await page.get_by_label("Text of the message").fill("Hello")
            await page.get_by_role("button", name="Add a condition").click()
            attribute, value = (page.get_by_role("combobox", name=name, exact=True) for name in ("Attribute", "Value"))
            await expect(attribute).to_be_focused()
            await attribute.click()
            await page.get_by_role("option", name="city").click()
            await value.click()
            await expect(page.get_by_role("listbox", name="Value").get_by_role("option")).to_have_text(
                ["Омск2", "Тверь1"]
            )
            await page.get_by_role("option", name="Омск").click()
            await page.keyboard.press("Escape")
            await expect(audience).to_have_text("2 clients")
            await page.get_by_role("combobox", name="But not these tags").fill("staff")
            await page.keyboard.press("Enter")
            await page.keyboard.press("Escape")
            await expect(audience).to_have_text("1 client")
            await page.get_by_role("button", name="Add a condition").click()
            await page.locator("button[type=submit]").press("Enter")
            await expect(attribute.nth(1)).to_be_focused()  # it is what is missing
            await attribute.nth(1).fill("town")
            await page.get_by_label("Condition", exact=True).nth(1).select_option("is_not_set")
            await expect(page.get_by_text("no client has the attribute town")).to_be_visible()
            await page.get_by_role("button", name="Remove the condition on town").press("Enter")
            await expect(page.get_by_role("button", name="Add a condition")).to_be_focused()
            # The hours of the day are preselected: whether it goes out now depends on when the test runs.
            await page.get_by_label("Urgent: at any hour").check()
            send = page.get_by_role("button", name="Send to 1 client now")
            await send.press("Enter")
            await expect(page.get_by_role("dialog")).to_be_visible()
            await page.keyboard.press("Escape")
            await expect(send).to_be_focused()
            await send.press("Enter")
            await page.get_by_role("dialog").get_by_role("button", name="Send to 1 client").click()
            await expect(page.get_by_text("city: Омск").first).to_be_visible()
            made = (await gateway.get("/mailings/1")).json["filter"]
            assert {name: values for name, values in made.items() if values} == {
                "exclude_tags": ["staff"],
                "attributes": [{"name": "city", "op": "any_of", "values": ["Омск"]}],
            }


async def test_a_clients_attributes_are_changed_one_by_one(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await gateway.post("/clients/import", data=PEOPLE.encode(), headers=CSV)
        async with signed_in(gateway, "/clients") as watched:
            page = watched.page
            await page.evaluate("() => { location.hash = '#/clients/1'; }")
            await expect(page.get_by_role("combobox", name="Name", exact=True)).to_have_count(2)
            await gateway.ask("PATCH", "/clients/1", json={"attributes": {"meanwhile": True}})
            await page.get_by_role("combobox", name="Value", exact=True).nth(1).fill("6.5")
            await page.get_by_role("button", name="Remove the attribute city").click()
            await page.get_by_role("button", name="Add an attribute").click()
            await page.get_by_role("combobox", name="Name", exact=True).nth(1).fill("vip")
            await page.get_by_role("combobox", name="Value", exact=True).nth(1).fill("'5")
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_text("6.5", exact=True)).to_be_visible()
            assert (await gateway.get("/clients/1")).json["attributes"] == {
                "meanwhile": True,
                "vip": "5",
                "visits": 6.5,
            }


async def test_clients_are_found_by_their_attributes(tmp_path: Path) -> None:
    rows = "7916000000{n},{city},{orders}\n"
    people = [(1, "Омск", 5), (2, "Омск", 7), (3, "Тверь", 5), (4, "", 5)]
    data = "phone_number,city,orders\n" + "".join(rows.format(n=n, city=city, orders=o) for n, city, o in people)
    async with service(tmp_path) as gateway:
        answer = await gateway.post("/clients/import?attributes=all", data=data.encode(), headers=CSV)
        assert answer.json["created"] == 4
        async with signed_in(gateway, "/clients") as watched:
            await found_by_attributes(watched.page)


async def found_by_attributes(page: Page) -> None:
    found = page.get_by_role("status").filter(has_text="found")
    for name, value, left in (("city", "Омск", "2 clients found"), ("orders", "5", "1 client found")):
        await page.get_by_role("combobox", name="Attribute").click()
        await page.get_by_role("option", name=name).click()
        await expect(page.get_by_role("combobox", name=f"Value of {name}")).to_be_focused()
        await page.get_by_role("combobox", name=f"Value of {name}").fill(value)
        await page.get_by_role("listbox").get_by_role("option").filter(has_text=value).first.click()
        await expect(found).to_have_text(left)
    await expect(page.get_by_role("link", name="+7 916 000-00-01")).to_be_visible()
    await page.reload()  # the address has it
    await expect(found).to_have_text("1 client found")
    await expect(page.locator(".client-wanted > span")).to_contain_text(["city: Омск", "orders: 5"])
    await page.get_by_role("button", name="Remove the condition on city").click()
    await expect(found).to_have_text("3 clients found")
    await page.get_by_role("combobox", name="Attribute").click()
    await page.get_by_role("option", name="city").click()
    await page.get_by_role("combobox", name="Value of city").click()
    await page.get_by_role("option", name="is not known").click()
    await expect(found).to_have_text("1 client found")
    await page.get_by_role("button", name="Export").click()
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="Plain CSV").click()
    path = await (await waiting.value).path()
    lines = (await asyncio.to_thread(path.read_text, "utf-8-sig")).splitlines()
    assert [line[:11] for line in lines] == ["phone_numbe", "79160000004"]
    await page.get_by_role("button", name="Reset filters").click()
    await expect(page.get_by_text("4 clients", exact=True)).to_be_visible()
