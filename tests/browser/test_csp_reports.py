"""A real browser refuses what the policy forbids, and tells of it (A-113)."""

import json
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.product import Product
from tests.embedded.running import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.security]

INLINE = """() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'it ran'";
    document.body.append(script);
    return document.title;
}"""


def test_refused_script_stands_in_the_log(product: Product, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{product.url}/sign-in?next=/tasks%3Fsearch%3Dcanary")
    assert page.evaluate(INLINE) != "it ran"
    page.close()
    wait_for(lambda: told_of(product), "the report of the browser")
    (line,) = told_of(product)
    assert line["directive"] == "script-src-elem"
    assert line["blocked"] == "inline"
    assert line["document"] == f"{product.url}/sign-in"
    assert "canary" not in json.dumps(line)


def told_of(product: Product) -> list[dict[str, Any]]:
    (log,) = product.home.layout.logs.glob("web.log")
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["logger"] == "personalq.csp"]
