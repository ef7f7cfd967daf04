"""The task operator by the buttons that operators have for it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext
from tests.browser.product import Product
from tests.browser.test_every_page import CHECK, PICTURES

pytestmark = pytest.mark.browser


def test_operator_turns_it_on_and_off(open_context: OpenContext, product: Product) -> None:
    product.make_agent("Echo", kind="echo")
    page = open_context().new_page()
    page.goto("/")
    page.get_by_role("navigation", name="More").get_by_role("link", name="Task operator").click()
    expect(page.get_by_role("heading", name="Task operator")).to_be_visible()
    page.get_by_label("Default agent").select_option(label="Echo")
    page.get_by_label("Let the agent carry out").check()
    page.get_by_role("button", name="Turn it on").click()
    try:
        expect(page.get_by_role("status").filter(has_text="The task operator is on.")).to_be_visible()
        expect(page.get_by_label("Now")).to_contain_text("Echo of")
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / "task-operator-on.png", full_page=True)
        assert page.evaluate(CHECK) == []
        expect(page.locator("#connection")).to_contain_text("live")
        product.home.sql("INSERT INTO tasks (prompt) VALUES ('Water the plants.')")
        done = page.get_by_role("region", name="Last ones at this agent").get_by_role("row", name="Water the plants.")
        expect(done).to_contain_text("complete")
        page.get_by_role("button", name="Turn it off").click()
        expect(page.get_by_role("status").filter(has_text="The task operator is off.")).to_be_visible()
        page.screenshot(path=PICTURES / "task-operator-off.png", full_page=True)
    finally:
        # Whatever went wrong here, the other tests have to go on.
        product.call("DELETE", "/api/v1/task-operator")
