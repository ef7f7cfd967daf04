"""The page's client of docs/websocket.md works as it stands."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.product import Product

pytestmark = pytest.mark.browser

DOCS = (Path(settings.BASE_DIR) / "docs" / "websocket.md").read_text(encoding="utf-8")

BEGIN = """(credentials) => {
  // the example
  const signIn = async () => {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(credentials);
    const answer = await fetch("/api/v1/auth/token", { method: "POST", headers, body });
    return (await answer.json()).access;
  };
  window.heard = [];
  follow(signIn, (event) => window.heard.push(event), (error) => console.error(error));
}"""
HAS_HEARD = "() => window.heard.some((each) => each.event === 'task_completed')"


def test_example_hears_the_life_of_a_task(page: Page, product: Product) -> None:
    (module,) = re.findall(r"```js\n(.*?)```", DOCS, re.DOTALL)
    credentials = {"username": product.username, "password": product.password}
    page.goto("/")
    page.evaluate(BEGIN.replace("// the example", module.replace("export function", "function")), credentials)
    agent = product.make_agent("Example echo", kind="echo", word_delay_ms=0)
    # It begins with what happens after its sign-in, so the first task may come too early.
    assert any(hears_a_task(page, product, agent) for _ in range(10))
    ids = page.evaluate("() => window.heard.map((each) => each.id)")
    assert ids == sorted(set(ids))


def hears_a_task(page: Page, product: Product, agent: str) -> bool:
    product.queue(agent, "one two three")
    try:
        page.wait_for_function(HAS_HEARD, timeout=5_000)
    except PlaywrightTimeout:
        return False
    return True
