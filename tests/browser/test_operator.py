"""An operator's first day, in a real browser on the real stack."""

import re

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.browser.conftest import log_in, watched
from tests.browser.product import Product
from tests.browser.sink import Sink

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SECRET = "a-token-nobody-may-see"


def make_destination(page: Page, name: str, url: str) -> None:
    """Through the form, connected to the demo source."""
    page.goto("/admin/destinations/destination/add/")
    page.get_by_role("link", name="Webhook").click()
    page.get_by_label("Name", exact=False).first.fill(name)
    page.locator("[name=config-webhookUrl]").fill(url)
    page.locator("[name=config-headers-from]").fill("X-Token")
    page.locator("[name=config-headers-to]").fill(SECRET)
    page.locator("[name=connection_set-0-source]").select_option(label="demo")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()


def open_destination(page: Page, name: str) -> None:
    page.goto("/admin/destinations/destination/")
    page.get_by_role("link", name=name, exact=True).click()


def state_of(page: Page, message_id: str, destination: str) -> str:
    """Where an event is, as its page says now."""
    page.goto(f"/admin/ingest/loggedevent/?message_id={message_id}")
    page.get_by_role("link", name=message_id).click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=destination, exact=True))
    return row.locator(".rp-label").inner_text()


def becomes(page: Page, message_id: str, destination: str, wanted: str) -> None:
    """Look again until an event is where it should be."""
    for _ in range(60):
        if state_of(page, message_id, destination) == wanted:
            return
        page.wait_for_timeout(250)
    pytest.fail(f"{message_id} is not {wanted}")


def test_logging_in_shows_the_dashboard(browser: Browser, running: Product) -> None:
    context = browser.new_context(base_url=running.url)
    page = context.new_page()
    wrong = watched(page, running)
    log_in(page, running)
    expect(page.get_by_text("every role is there")).to_be_visible()
    running.send("Shown on the dashboard")
    page.reload()
    expect(page.locator("#dashboard svg").first).to_be_visible(timeout=120_000)  # it renews itself
    context.close()
    assert wrong == []


def test_a_destination_is_made_and_an_event_arrives(page: Page, running: Product, taking: Sink) -> None:
    make_destination(page, "orders", taking.url)
    message_id = running.send("Order Paid")
    taking.wait_for("Order Paid")
    becomes(page, message_id, "orders", "delivered")
    open_destination(page, "orders")
    expect(page.get_by_placeholder("stored; empty keeps it").first).to_be_visible()
    assert SECRET not in page.content()


def test_a_test_event_shows_its_answer(page: Page, running: Product, taking: Sink) -> None:
    make_destination(page, "tried", taking.url)
    open_destination(page, "tried")
    page.get_by_role("button", name="Send test event").click()
    expect(page.locator("#trial").get_by_text("HTTP 200").first).to_be_visible()
    expect(page.locator("#trial")).to_contain_text('{"ok": true}')
    assert SECRET not in page.content()
    assert taking.names() == ["Test Event"]


def test_what_is_paused_stays_pending_and_arrives_after_resuming(page: Page, running: Product, taking: Sink) -> None:
    make_destination(page, "held", taking.url)
    open_destination(page, "held")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("held is paused.")).to_be_visible()
    message_id = running.send("While Paused")
    becomes(page, message_id, "inbox", "delivered")  # others go on
    assert state_of(page, message_id, "held") == "pending"
    assert taking.names() == []
    open_destination(page, "held")
    page.get_by_role("button", name="Resume, deliver what waited").click()
    expect(page.get_by_text("held is sending again.")).to_be_visible()
    taking.wait_for("While Paused")
    becomes(page, message_id, "held", "delivered")


def test_what_waited_is_skipped_on_request_after_a_question(page: Page, running: Product, taking: Sink) -> None:
    make_destination(page, "skipping", taking.url)
    open_destination(page, "skipping")
    page.get_by_role("button", name="Pause").click()
    message_id = running.send("To Be Skipped")
    open_destination(page, "skipping")
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.once("dialog", agree)
    page.get_by_role("button", name="Resume, skip what waited").click()
    expect(page.get_by_text("skipping is sending again.")).to_be_visible()
    assert "will never be sent" in asked[0]
    becomes(page, message_id, "skipping", "skipped")
    running.send("After The Skip")
    taking.wait_for("After The Skip")
    assert taking.names() == ["After The Skip"]


def test_a_dead_letter_is_replayed(page: Page, running: Product, taking: Sink) -> None:
    make_destination(page, "picky", taking.url)
    taking.refused.add("Odd Currency")
    message_id = running.send("Odd Currency", user="eve")
    becomes(page, message_id, "picky", "aborted")
    page.goto("/admin/destinations/deadletter/")
    page.get_by_role("link", name=message_id).click()
    expect(page.get_by_text("unknown currency").first).to_be_visible()
    assert SECRET not in page.content()
    taking.refused.clear()
    page.get_by_role("button", name="Replay").click()
    expect(page).to_have_url(re.compile("/admin/destinations/replay/"))
    taking.wait_for("Odd Currency")
    expect(page.locator("#replay .rp-label").first).to_have_text("finished")


def test_a_write_key_is_shown_on_request_only(page: Page, running: Product) -> None:
    page.goto("/admin/ingest/source/")
    page.get_by_role("link", name="demo", exact=True).click()
    assert running.write_key not in page.content()
    page.get_by_role("button", name="Show write key").click()
    expect(page.locator("#write-key")).to_have_text(running.write_key)


def test_no_page_fails_or_asks_another_host(page: Page, running: Product) -> None:
    page.goto("/admin/")
    links = page.locator("#nav-sidebar-apps a").evaluate_all("links => links.map(link => link.pathname)")
    assert len(links) > 12
    for path in links:
        page.goto(path)
        expect(page.locator("#nav-sidebar-apps")).to_be_visible()
