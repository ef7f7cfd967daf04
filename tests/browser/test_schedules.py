"""Schedules by hand: made with a preview, run now, paused, and followed while they fire by themselves."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.product import Product
from tests.browser.test_every_page import CHECK, PICTURES, SCHEMES, WIDTHS
from tests.browser.watching import Watch

pytestmark = pytest.mark.browser

MARK = "window.isSamePage = true"
IS_SAME_PAGE = "window.isSamePage === true"


@pytest.fixture
def echo(product: Product) -> str:
    """An agent that says everything back at once."""
    return product.make_agent("Echo", kind="echo", word_delay_ms=1, description="Says everything back.")


@pytest.fixture
def fast(product: Product, echo: str) -> Iterator[str]:
    """The address of a schedule that is due each second, until the test ends."""
    body = {"name": "each second", "timing": "interval", "every_seconds": 1, "agent": echo, "prompt": "tick"}
    uuid = product.call("POST", "/api/v1/schedules", {**body, "overlap_policy": "allow"})["uuid"]
    yield f"/schedules/{uuid}"
    product.call("DELETE", f"/api/v1/schedules/{uuid}")


def test_schedule_is_made_with_a_preview_and_run_at_once(open_context: OpenContext, echo: str) -> None:
    page = open_context(timezone_id="Asia/Tokyo").new_page()
    page.goto("/")
    page.get_by_role("navigation", name="More").get_by_role("link", name="Schedules").click()
    page.get_by_role("link", name="New schedule").click()
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    page.get_by_label("Name").fill("Morning in Berlin")
    page.get_by_label("Agent").select_option(label="Echo")
    page.get_by_label("Prompt").fill("Good morning, Berlin.")
    see_the_preview_follow_what_is_typed(page)
    page.get_by_role("button", name="Make the schedule").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Morning in Berlin")
    expect(page.locator("#schedule-next tbody tr")).to_have_count(5)
    run_it(page)
    pause_and_delete(page)


def see_the_preview_follow_what_is_typed(page: Page) -> None:
    preview = page.locator("#preview")
    expect(preview).to_be_hidden()
    page.get_by_label("Cron expression").fill("0 9 * *")
    expect(preview).to_contain_text("Cron expression:")
    look_at(page, "schedule-preview-wrong")
    page.get_by_label("Cron expression").fill("30 0 9 1 1 *")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    expect(preview.locator("tbody tr")).to_have_count(5)
    expect(preview.locator("thead")).to_contain_text("Your time (Asia/Tokyo)")
    berlin, tokyo = preview.locator("tbody tr").first.locator("td").all()
    expect(berlin).to_have_text(re.compile(r"\w{3} 1 Jan \d{4}, 09:00:30 \+01:00"))
    expect(tokyo).to_have_text(re.compile(r"\w{3} 1 Jan \d{4}, 17:00:30"))
    page.get_by_label("At intervals").check()
    expect(page.get_by_label("Cron expression")).to_be_hidden()
    page.get_by_label("Every").fill("2")
    page.get_by_label("Unit").select_option("hours")
    expect(preview.locator("tbody tr")).to_have_count(5)
    page.get_by_label("By the clock").check()
    expect(berlin).to_have_text(re.compile("09:00:30"))
    look_at(page, "schedule-preview")


def look_at(page: Page, name: str) -> None:
    """A picture of the whole page in each scheme and width, with the small check of every page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.wait_for_load_state()
    for width, size in WIDTHS.items():
        page.set_viewport_size(size)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
            assert page.evaluate(CHECK) == []


def run_it(page: Page) -> None:
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/tasks/*-*")
    expect(page.get_by_role("log", name="Output")).to_have_text("Good morning, Berlin.")
    expect(page.locator("#task-status")).to_contain_text("complete")
    expect(page.locator("#task-facts")).to_contain_text("a schedule")
    page.locator("#task-facts").get_by_role("link", name="Morning in Berlin").click()
    expect(page.locator("#schedule-fires li")).to_have_count(1)
    expect(page.locator("#schedule-fires")).to_contain_text("by hand")
    expect(page.locator("#schedule-fires")).to_contain_text("complete")


def pause_and_delete(page: Page) -> None:
    page.get_by_role("button", name="Pause").click()
    look_at(page, "schedule-after-run")
    expect(page.locator("#schedule-badges")).to_have_text("paused")
    expect(page.locator("#schedule-next")).to_contain_text("None while it is paused.")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#schedule-badges")).to_be_empty()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete the schedule").click()
    expect(page.get_by_role("status").filter(has_text="is deleted")).to_be_visible()


# The schedule first: it is deleted when the page is closed, and not before its eyes.
def test_page_follows_a_schedule_that_fires_by_itself(fast: str, page: Page) -> None:
    page.goto(fast)
    page.evaluate(MARK)
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#schedule-fires li").nth(4)).to_be_visible()
    expect(page.locator("#schedule-fires .status-complete").nth(2)).to_be_visible()
    assert page.evaluate(IS_SAME_PAGE)


def test_list_follows_what_happens_to_schedules(open_context: OpenContext, product: Product, fast: str) -> None:
    page = open_context().new_page()
    page.goto("/schedules")
    page.evaluate(MARK)
    row = page.locator(".schedule-row").filter(has_text="each second")
    expect(row.get_by_role("button", name="Pause each second")).to_be_visible()
    product.call("POST", f"/api/v1{fast}/pause")
    expect(row.get_by_role("button", name="Resume each second")).to_be_visible()
    expect(row).to_contain_text("not while it is paused")
    assert page.evaluate(IS_SAME_PAGE)


def test_pages_of_tasks_are_not_disturbed_by_events_of_schedules(
    open_context: OpenContext, product: Product, fast: str
) -> None:
    context = open_context()
    overview, tasks = context.new_page(), context.new_page()
    overview.goto("/")
    tasks.goto("/tasks")
    for page in (overview, tasks):
        expect(page.locator("#connection")).to_have_text("live")
    asked: list[str] = []
    tasks.on("request", lambda request: asked.append(request.url))
    overview.on("request", lambda request: asked.append(request.url))
    product.call("POST", f"/api/v1{fast}/pause")
    task = product.queue("Echo", "after all that")
    for page in (overview, tasks):
        expect(page.locator(f"#task-{task}")).to_contain_text("complete")
    assert [url for url in asked if "null" in url or "undefined" in url] == []


def test_schedule_is_made_without_scripts(open_context: OpenContext, watch: Watch, echo: str) -> None:
    watch.expect("the server responded with a status of 400")
    page = open_context(java_script_enabled=False).new_page()
    page.goto(f"/schedules/new?agent={echo}")
    page.get_by_label("Name").fill("Without scripts")
    page.get_by_label("Prompt").fill("plain")
    page.get_by_label("Cron expression").fill("61 9 * * *")
    page.get_by_role("button", name="Make the schedule").click()
    expect(page.locator("#id_cron_error")).to_contain_text("minute")
    page.get_by_label("Cron expression").fill("1 9 * * *")
    page.get_by_role("button", name="Make the schedule").click()
    expect(page.locator("#schedule-next tbody tr")).to_have_count(5)
