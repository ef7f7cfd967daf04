"""What somebody does in the first hour: sign in, make an agent, queue prompts, watch, stop."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.product import Product

pytestmark = pytest.mark.browser

WORDS = [f"word-{number:02}" for number in range(40)]
PROMPT = " ".join(WORDS)
MARK = "window.isSamePage = true"
IS_SAME_PAGE = "window.isSamePage === true"


def test_from_sign_in_to_a_finished_and_a_cancelled_task(open_context: OpenContext, product: Product) -> None:
    page = open_context(storage_state=None).new_page()
    sign_in(page, product)
    make_agent(page)
    queue_prompt(page)
    watch_output_arrive(page)
    queue_prompt(page)
    cancel_while_it_runs(page)


def sign_in(page: Page, product: Product) -> None:
    page.goto("/")
    expect(page).to_have_title("Sign in · Personal-Q")
    page.get_by_label("User name").fill(product.username)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    page.get_by_label("Password").fill(product.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def make_agent(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Agents").click()
    page.get_by_role("link", name=re.compile("New agent|Create your first agent")).first.click()
    page.get_by_role("link", name="Echo").click()
    page.get_by_label("Name").fill("First echo")
    page.get_by_label("Word delay (ms)").fill("300")
    page.get_by_role("button", name="Create the agent").click()
    expect(page.get_by_role("status").filter(has_text="First echo")).to_be_visible()


def queue_prompt(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="New task").click()
    page.get_by_label("Agent").select_option(label="First echo")
    page.get_by_label("Prompt").fill(PROMPT)
    expect(page.get_by_text(f"{len(PROMPT)} of 200,000 characters")).to_be_visible()
    page.get_by_role("button", name="Queue it").click()
    page.wait_for_url("**/tasks/*-*")
    page.evaluate(MARK)


def watch_output_arrive(page: Page) -> None:
    output = page.get_by_role("log", name="Output")
    expect(output).to_contain_text(WORDS[0])
    expect(output).not_to_contain_text(WORDS[-1])
    expect(page.locator("#task-status")).to_contain_text("running")
    expect(output).to_have_text(PROMPT)
    expect(page.locator("#task-status")).to_contain_text("complete")
    expect(page.get_by_role("button", name="Archive")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.locator("#task-timeline")).to_contain_text("Completed")
    assert page.evaluate(IS_SAME_PAGE)
    page.reload()
    expect(output).to_have_text(PROMPT)


def cancel_while_it_runs(page: Page) -> None:
    output = page.get_by_role("log", name="Output")
    expect(output).to_contain_text(WORDS[1])
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#task-status")).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    expect(output).not_to_contain_text(WORDS[-1])
    assert page.evaluate(IS_SAME_PAGE)
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#task-status")).to_contain_text("complete")
    expect(output).to_have_text(PROMPT)
    expect(page.get_by_role("navigation", name="Attempts").get_by_role("link")).to_have_count(2)
    assert page.evaluate(IS_SAME_PAGE)
