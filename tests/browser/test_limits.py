"""Pausing, holding, stopping and acting on many tasks, by the buttons that people have for it."""

import re
from datetime import datetime
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.product import Product

pytestmark = pytest.mark.browser

MARK = "window.isSamePage = true"
IS_SAME_PAGE = "window.isSamePage === true"
LONG = " ".join(["patience"] * 60)


def test_held_task_says_until_when_and_goes_on_by_itself(page: Page, product: Product) -> None:
    agent = product.make_agent("Limited", kind="command", command="limited")
    task = product.queue(agent, "go")
    page.goto(f"/tasks/{task}")
    page.evaluate(MARK)
    expect(page.locator("#task-status")).to_have_text(re.compile(r"held until \d\d:\d\d:\d\d \(usage limit\)"))
    expect(page.locator("#task-history li").nth(1)).to_be_visible()
    expect(page.locator("#task-history li").last).to_contain_text("held by a limit")
    assert page.evaluate(IS_SAME_PAGE)
    page.get_by_text("Add a reason").click()
    page.get_by_label("Reason for cancelling").fill("It has seen enough.")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#task-notice")).to_contain_text("Reason: It has seen enough.")


def test_paused_agent_keeps_its_task_waiting_until_it_is_resumed(open_context: OpenContext, product: Product) -> None:
    context = open_context()
    agent = product.make_agent("Sleeper", kind="echo", word_delay_ms=1)
    agents = context.new_page()
    agents.goto("/agents")
    agents.get_by_role("button", name="Pause Sleeper").click()
    expect(agents.locator(".agent-card").filter(has_text="Sleeper").locator(".badge")).to_have_text("paused")
    task = product.queue(agent, "good morning")
    page = context.new_page()
    page.goto(f"/tasks/{task}")
    expect(page.locator("#task-status")).to_contain_text("agent Sleeper is paused")
    expect(page.locator("#output-empty")).to_contain_text("Resume the agent.")
    agents.get_by_role("button", name="Resume Sleeper").click()
    expect(page.get_by_role("log", name="Output")).to_have_text("good morning")


def test_place_for_a_reason_stays_open_while_the_task_goes_on(page: Page, product: Product) -> None:
    agent = product.make_agent("Waits for a reason", kind="echo")
    product.call("POST", f"/api/v1/agents/{agent}/pause")
    task = product.queue(agent, "wait", backlogged=True)
    page.goto(f"/tasks/{task}")
    page.get_by_text("Add a reason").click()
    for status, verb in (("ready", "release"), ("backlogged", "backlog")):
        product.call("POST", f"/api/v1/tasks/{task}/{verb}")
        expect(page.locator("#task-status")).to_have_attribute("data-status", status)
        reason = page.get_by_label("Reason for cancelling")
        expect(reason).to_be_visible()
        expect(reason).to_have_value("" if status == "ready" else "Half a sen")
        reason.fill("Half a sen")
    expect(reason).to_be_focused()
    page.keyboard.type("tence.")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#task-notice")).to_contain_text("Reason: Half a sentence.")


def test_dead_letters_are_retried_and_discarded_all_at_once(page: Page, product: Product) -> None:
    agent = product.make_agent("Hopeless", kind="command", command="later", max_attempts=1)
    task = product.queue(agent, "never")
    product.wait_for_status(task, "failed")
    page.goto("/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Dead letters").click()
    expect(page.locator(f"[data-task='{task}']")).to_contain_text("asked to be tried again later")
    page.get_by_role("button", name="Retry all").click()
    expect(page.locator("#bulk-progress")).to_have_attribute("data-status", "complete")
    expect(page.locator("#bulk-progress")).to_contain_text("queued again")
    product.wait_for_attempts(task, 2)
    page.goto("/dead-letters")
    page.get_by_role("link", name="Discard all…").click()
    page.get_by_role("button", name="Discard all").click()
    expect(page.locator("#bulk-progress")).to_have_attribute("data-status", "complete")
    assert product.status(task) == "archived"


def test_all_tasks_of_a_filter_are_cancelled_under_the_readers_eyes(page: Page, product: Product) -> None:
    title = f"Many {uuid4()}"
    agent = product.make_agent("Steady echo", kind="echo", word_delay_ms=15)
    one = {"agent": agent, "prompt": "later", "title": title, "backlogged": True}
    product.call("POST", "/api/v1/tasks/batch", {"tasks": [one] * 300})
    page.goto(f"/tasks?text={quote(title)}")
    page.get_by_text("With all tasks of this filter…").click()
    page.get_by_role("link", name="Cancel all…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel 300 tasks?")
    page.get_by_role("button", name="Cancel them").click()
    page.wait_for_url("**/bulk-actions/*-*")
    page.evaluate(MARK)
    expect(page.locator("#bulk-words")).to_have_text("300 of 300 tasks")
    expect(page.locator("#bulk-progress")).to_contain_text("300 cancelled")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    assert page.evaluate(IS_SAME_PAGE)


def test_operator_stops_everything_and_lets_it_go_on(open_context: OpenContext, product: Product) -> None:
    context = open_context()
    task = product.queue(product.make_agent("Slow echo", kind="echo", word_delay_ms=400), LONG)
    page, overview = context.new_page(), context.new_page()
    page.goto(f"/tasks/{task}")
    expect(page.locator("#task-status")).to_contain_text("running")
    overview.goto("/")
    overview.get_by_text("Stop everything…").click()
    overview.get_by_label("Reason").fill("The provider burns.")
    overview.get_by_role("button", name="Stop everything").click()
    try:
        expect(overview.get_by_role("region", name="Stop switch")).to_contain_text("The provider burns.")
        expect(page.locator("#task-status")).to_contain_text("everything is stopped")
        overview.get_by_role("button", name="Let everything go on").click()
    finally:
        # Whatever went wrong here, the other tests have to go on.
        product.call("DELETE", "/api/v1/stop-switch")
    expect(overview.get_by_role("region", name="Stop switch")).to_have_count(0)
    expect(page.locator("#task-status")).to_contain_text("running")
    product.cancel(task)


def test_times_are_typed_and_told_in_the_readers_zone(open_context: OpenContext, product: Product) -> None:
    product.make_agent("Steady echo", kind="echo", word_delay_ms=15)
    page = open_context(timezone_id="Asia/Kolkata").new_page()
    page.goto("/tasks/new")
    expect(
        page.get_by_text("The time is yours (Asia/Calcutta).").or_(page.get_by_text("(Asia/Kolkata)"))
    ).to_be_visible()
    page.get_by_label("Agent").select_option(label="Steady echo")
    page.get_by_label("Prompt").fill("at noon")
    page.get_by_label("Not before").fill("2035-01-02T12:00")
    page.get_by_role("button", name="Queue it").click()
    page.wait_for_url("**/tasks/*-*")
    expect(page.locator("#task-status")).to_contain_text("not before 2 Jan 2035, 12:00")
    shown = product.call("GET", f"/api/v1/tasks/{page.url.rpartition('/')[2]}")
    assert datetime.fromisoformat(shown["not_before_at"]).isoformat() == "2035-01-02T06:30:00+00:00"
