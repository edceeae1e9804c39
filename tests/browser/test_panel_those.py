"""Those who did not get it: exported, written to, left out; and who comes to match a mailing later."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, Final

from playwright.async_api import expect

from gateway.tables import message_rows
from tests.browser.panel import account, go, service, signed_in
from tests.browser.test_panel_clients import saved
from tests.gateway.rig import Gateway
from tests.rules.rig import until

OPEN: Final = {"start_time": "2020-01-01T00:00:00Z", "end_time": "2099-01-01T00:00:00Z"}


async def mailing(gateway: Gateway, **fields: Any) -> int:
    answer = await gateway.post("/mailings", {"text": "Sale", **OPEN, **fields})
    assert answer.status == 201, answer.raw
    made: int = answer.json["id"]
    return made


async def half_refused(gateway: Gateway) -> int:
    """A mailing that one client got, and that was refused for another one."""
    await gateway.engine.add_client(1, tag="got")
    await gateway.engine.add_client(2, tag="not")
    gateway.engine.sandbox.set_faults(share_400=1)
    made = await mailing(gateway, filter={"tags": ["not"]}, name="January sale")
    await gateway.engine.finished(made)
    gateway.engine.sandbox.set_faults(share_400=0)
    assert (await gateway.ask("PATCH", f"/mailings/{made}", json={"filter": {"tags": []}})).status == 200

    async def done() -> bool:
        counts = (await gateway.get(f"/mailings/{made}")).json["message_counts"]
        return bool(counts["sent"] == counts["not_sent"] == 1)

    await until(done)
    return made


async def test_a_reason_leads_to_a_new_mailing_and_its_condition_can_be_removed(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        source = await half_refused(gateway)
        async with signed_in(gateway, f"/mailings/{source}/show") as watched:
            page = watched.page
            audience = page.locator(".m-preview-audience strong")
            await page.get_by_role("link", name="New mailing for these: Refused by the provider").click()
            only = page.get_by_role("group", name="Only")
            await expect(only).to_contain_text(
                "those whose message of “January sale” was not sent: refused by the provider"
            )
            await expect(audience).to_have_text("1 client")
            await expect(page.get_by_label("does not get it")).to_be_checked()
            await page.get_by_label("Text of the message").fill("Once more")
            await only.get_by_role("button", name="Clear").click()
            await expect(only).to_have_count(0)
            await expect(audience).to_have_text("2 clients")


async def test_a_duplicate_says_to_how_many_it_was_sent_and_can_be_for_the_others(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        source = await half_refused(gateway)
        async with signed_in(gateway, f"/mailings/{source}/show") as watched:
            page, dialog = watched.page, watched.page.get_by_role("dialog")
            await page.get_by_role("link", name="Duplicate").click()
            side = page.locator(".m-form-side")
            await expect(side).to_contain_text("“January sale” was sent to 1 of these clients already.")
            await page.get_by_label("Urgent: at any hour").check()
            await page.get_by_role("button", name="Send to 2 clients now").click()
            await expect(dialog).to_contain_text("“January sale” was sent to 1 of these clients already.")
            await dialog.get_by_role("button", name="Back to the form").click()
            await side.get_by_role("button", name="Only those to whom it was not sent").click()
            await expect(side).to_contain_text("“January sale” was sent to none of these clients.")
            await page.get_by_role("button", name="Send to 1 client now").click()
            await dialog.get_by_role("button", name="Send to 1 client now").click()
            shown = page.locator(".m-facts-card")
            await expect(shown).to_contain_text("those whose message of “January sale” was not sent")
            made = (await gateway.get(f"/mailings/{source + 1}")).json
            others = {"mailing_id": source, "statuses": ["not_sent"], "reasons": [], "delivery": []}
            assert made["filter"]["messages"] == others
            # A copy of the copy: of two mailings one can't be asked for, so that it says how many at most.
            await gateway.engine.finished(source + 1)
            await page.get_by_role("link", name="Duplicate").click()
            await expect(side).to_contain_text("was sent to 1 of these clients already, or to none.")


async def test_a_fixed_mailing_says_that_nobody_is_added(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        empty = await mailing(gateway, audience="fixed", filter={"tags": ["none"]})
        await gateway.engine.add_client(1)
        done = await mailing(gateway, audience="fixed", name="Done sale")
        await gateway.engine.finished(done)
        async with signed_in(gateway, f"/mailings/{empty}/show") as watched:
            page = watched.page
            await expect(page.get_by_text("No client matched this mailing at its start")).to_be_visible()
            await go(page, f"/mailings/{done}/show")
            await expect(page.locator(".m-state")).to_contain_text("To a client who matches later it is not sent")
            await expect(page.locator(".m-facts-card")).to_contain_text("Who comes to match laterdoes not get it")
            await go(page, "/")
            row = page.get_by_role("listitem").filter(has_text="Done sale")
            await expect(row).to_contain_text("To a client who matches later it is not sent")
            await go(page, f"/mailings/{done}")
            await expect(page.get_by_role("radio", name="does not get it")).to_be_checked()
            await page.get_by_role("radio", name="gets it too").check()
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_text("Done, still open")).to_be_visible()
            assert (await gateway.get(f"/mailings/{done}")).json["audience"] == "live"


async def test_a_viewer_only_exports_and_the_audit_list_says_a_filter_in_words(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        source = await half_refused(gateway)
        city = {"name": "city", "op": "any_of", "values": ["Омск", 5]}
        condition = {"mailing_id": source, "statuses": ["not_sent"], "reasons": ["rejected"]}
        await mailing(gateway, audience="fixed", filter={"attributes": [city], "messages": condition})
        await account(gateway, "viktor", "viewer")
        async with signed_in(gateway, f"/mailings/{source}/show", name="viktor") as watched:
            page = watched.page
            await expect(page.get_by_role("button", name="Export: Refused by the provider")).to_be_visible()
            await expect(page.get_by_role("link", name="New mailing for these")).to_have_count(0)
            await go(page, "/messages")
            await page.get_by_role("button", name="Export this list").click()
            name, content = await saved(page, page.get_by_role("button", name="CSV for Excel"))
            table = [*csv.reader(io.StringIO(content.decode("utf-8-sig")))]
            assert table[0][:5] == ["Phone number", "Status", "Reason", "What went wrong", "Delivery"]
            assert {tuple(row[1:3]) for row in table[1:]} == {("Sent", ""), ("Not sent", "Refused by the provider")}
            assert len(table[0]) == len(message_rows.COLUMNS)
            await page.get_by_role("button", name="Export this list").click()
            name, content = await saved(page, page.get_by_role("button", name="Plain CSV"))
            assert name.startswith("messages-")
            assert len(content.splitlines()) == 3
            await expect(page.get_by_text("Choose a mailing to make a new one")).to_have_count(0)
            await go(page, "/audit")
            made = page.get_by_role("row").filter(has_text="Made a mailing").first
            await made.get_by_role("button", name="Details").click()
            for words in ("those whose message of “#1” was not sent: refused by the provider", "city: Омск or 5"):
                await expect(page.get_by_text(words).first).to_be_visible()
