"""Messages in the panel: found by filters, and each tells why it was or was not sent; all as a person sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.browser import fits
from tests.browser.panel import CSV, go, rest, service, signed_in
from tests.gateway.rig import Gateway
from tests.rules.rig import until

TEXT = "Sale: it's <b>50 %</b> off until Friday, come and bring your friends with you"


async def clients(gateway: Gateway, count: int) -> None:
    rows = "\n".join(f"7916{number:07d}" for number in range(1, count + 1))
    assert (await gateway.post("/clients/import", data=f"phone_number\n{rows}".encode(), headers=CSV)).status == 200


async def mailing(gateway: Gateway, text: str = TEXT, *, start_hours: float = -1, end_hours: float = 24) -> int:
    now = datetime.now(UTC)
    body = {
        "text": text,
        "start_time": (now + timedelta(hours=start_hours)).isoformat(),
        "end_time": (now + timedelta(hours=end_hours)).isoformat(),
    }
    answer = await gateway.post("/mailings", body)
    assert answer.status == 201, answer.raw
    found: int = answer.json["id"]
    return found


async def sent(gateway: Gateway, mailing_id: int, status: str = "sent") -> None:
    """Wait until all of a mailing's messages have this status."""

    async def reached() -> bool:
        counts = (await gateway.get(f"/mailings/{mailing_id}")).json["message_counts"]
        return bool(counts["total"] and counts[status] == counts["total"])

    await until(reached)


async def choose(page: Page, filter_name: str, option: str) -> None:
    """Choose an option of a filter, as a person does."""
    await page.get_by_label(filter_name, exact=True).click()
    await page.get_by_role("option", name=option, exact=True).click()


async def test_a_refused_message_is_found_by_filters_and_says_why(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await clients(gateway, 3)
        good = await mailing(gateway)
        await sent(gateway, good)
        gateway.engine.sandbox.set_faults(share_400=1)
        bad = await mailing(gateway, "The other one")
        await sent(gateway, bad, "not_sent")
        async with signed_in(gateway, "/messages") as watched:
            page = watched.page
            lines = page.locator("tbody tr")
            await expect(lines).to_have_count(6)

            await choose(page, "Status", "Sent")
            await expect(lines).to_have_count(3)
            await expect(lines.first).to_contain_text("Sale: it's <b>50 %</b> off")

            await choose(page, "Status", "Not sent")
            await choose(page, "Reason", "Refused by the provider")
            await page.get_by_label("Mailing", exact=True).fill("other")
            await page.get_by_role("option", name=f"{bad}: The other one").click()
            client = page.get_by_label("Client", exact=True)
            await client.fill("16")
            await expect(page.get_by_text("3 digits at least").first).to_be_visible()
            await client.fill("999")
            await expect(page.get_by_text("No client has this number or this name.").first).to_be_visible()
            await client.fill("00-02")
            await page.get_by_role("option", name="+7 916 000-00-02").click()
            await expect(lines).to_have_count(1)
            await expect(lines).to_contain_text("+7 916 000-00-02")
            await expect(lines).to_contain_text("Refused by the provider")

            await lines.locator("td").last.click()
            await expect(page.get_by_role("alert")).to_contain_text("Not sent: Refused by the provider")
            attempts = page.get_by_role("region", name="Tries").get_by_role("listitem")
            await expect(attempts).to_have_count(1)
            await expect(attempts).to_contain_text("Try 1Refusedanswer 400")
            await expect(attempts).to_contain_text("The provider refused this number or this text.")
            await expect(attempts).to_contain_text("a fault of the sandbox: Bad Request")
            facts = page.get_by_role("region", name="Message")
            await expect(facts.get_by_role("link", name="The other one")).to_have_attribute(
                "href", f"#/mailings/{bad}/show"
            )
            await expect(facts.get_by_role("link", name="+7 916 000-00-02")).to_have_attribute(
                "href", "#/clients/2/show"
            )
            await rest(page)


async def test_a_waiting_message_tells_each_failure_and_turns_sent_by_itself(tmp_path: Path) -> None:
    async with service(tmp_path, retry_max_seconds=1.0) as gateway:
        gateway.engine.sandbox.set_faults(share_5xx=1)
        await clients(gateway, 1)
        mailing_id = await mailing(gateway)

        async def tried() -> bool:
            found = (await gateway.get(f"/messages?mailing_id={mailing_id}")).json["messages"]
            return bool(found and found[0]["attempts"] >= 1)

        await until(tried)
        async with signed_in(gateway, "/messages/1/show") as watched:
            page = watched.page
            story = page.locator(".notice")
            await expect(story).to_contain_text("Did not get through yet")
            await expect(page.get_by_role("region", name="Tries").get_by_role("listitem").first).to_contain_text(
                "Failed, to be repeated"
            )
            gateway.engine.sandbox.clear_faults()
            await expect(story).to_contain_text("The provider accepted it on")
            await expect(page.get_by_role("region", name="Tries").get_by_role("listitem").first).to_contain_text(
                "Accepted"
            )


async def test_a_link_with_filters_and_a_message_that_is_gone(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await clients(gateway, 2)
        later = await mailing(gateway, start_hours=12)
        async with signed_in(gateway, width=390, locale="ru-RU") as watched:
            page = watched.page
            await go(page, f"/messages?filter=%7B%22mailing_id%22%3A{later}%2C%22client_id%22%3A2%7D")
            await expect(page.locator("tbody tr")).to_have_count(1)
            await expect(page.get_by_label("Рассылка", exact=True)).to_have_value(f"{later}: {TEXT[:59]}…")
            await fits(page)
            await page.locator("tbody tr").get_by_text("Ожидает").click()
            await expect(page.get_by_role("status").filter(has_text="Ожидает своей очереди")).to_contain_text(
                "Рассылка начнётся"
            )
            watched.expected_statuses.add(404)
            await go(page, "/messages/77/show")
            await expect(page.get_by_role("alert")).to_contain_text("Ничего с таким номером больше нет.")
            await rest(page)


async def test_of_a_mailing_that_one_client_did_not_get_each_page_says_so_in_russian(tmp_path: Path) -> None:
    fate = "Провайдер принял 1 из 2, не отправлено: 1. Открыта до"
    async with service(tmp_path) as gateway:
        for number, attributes in ((1, {"summa": 5}), (2, {})):
            body = {"phone_number": f"7916000000{number}", "attributes": attributes}
            assert (await gateway.post("/clients", body)).status == 201
        sale = await mailing(gateway, "Вы купили на {{summa}} рублей")
        await gateway.engine.finished(sale)
        [lost] = (await gateway.get("/messages?status=not_sent")).json["messages"]
        async with signed_in(gateway, locale="ru-RU") as watched:
            page = watched.page
            await expect(page.get_by_text(fate)).to_be_visible()
            await go(page, f"/mailings/{sale}/show")
            await expect(page.get_by_text(fate)).to_be_visible()
            await go(page, f"/messages/{lost['id']}/show")
            await expect(page.get_by_text("Не отправлено: у клиента не заполнено: summa")).to_be_visible()
            await expect(page.get_by_text("Провайдера не просили его отправить.")).to_be_visible()
            await rest(page)
