"""A person makes a token, copies it, sees a program use it, and revokes it."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.product import Product
from tests.browser.test_every_page import CHECK, PICTURES, SCHEMES, WIDTHS
from tests.browser.watching import Watch

pytestmark = [pytest.mark.browser, pytest.mark.security]


def fill(page: Page, name: str, *scopes: str) -> None:
    page.goto("/tokens/new")
    page.get_by_label("Name", exact=True).fill(name)
    for scope in scopes:
        page.get_by_label(scope).check()
    page.get_by_role("button", name="Make the token").click()


def ask_who(product: Product, token: str) -> Any:
    request = urllib.request.Request(f"{product.url}/api/v1/me", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code


def test_token_is_made_copied_used_and_revoked(open_context: OpenContext, product: Product) -> None:
    context = open_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Tokens").click()
    page.get_by_role("link", name="New token").click()
    fill(page, "browser test", "tasks:read", "tasks:work")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    token = page.evaluate("navigator.clipboard.readText()")
    assert token == page.locator("#token-text").inner_text()
    me = ask_who(product, token)
    assert (me["username"], me["scopes"]) == (product.username, ["tasks:read", "tasks:work"])

    page.get_by_role("link", name="I have kept it").click()
    card = page.locator(".agent-card", has_text="browser test")
    expect(card).to_contain_text("last used")
    assert token not in page.content()
    card.get_by_role("link", name="Revoke browser test").click()
    page.get_by_role("button", name="Revoke the token").click()
    expect(page.get_by_role("status").filter(has_text="The token browser test is revoked.")).to_be_visible()
    assert ask_who(product, token) == 401


def test_where_copying_is_refused_the_token_is_marked(open_context: OpenContext) -> None:
    page = open_context(permissions=[]).new_page()
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    fill(page, "without clipboard", "tasks:read")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Press Ctrl+C")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == page.locator("#token-text").inner_text()


def test_works_without_script(open_context: OpenContext) -> None:
    page = open_context(java_script_enabled=False).new_page()
    fill(page, "without script", "tasks:read")
    assert page.locator("#token-text").inner_text().startswith("pq_")
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()


def test_reloading_shows_the_token_no_second_time_and_makes_no_other(
    open_context: OpenContext, product: Product, watch: Watch
) -> None:
    watch.expect("the server responded with a status of 409")
    page = open_context().new_page()
    fill(page, "only one", "tasks:read")
    token = page.locator("#token-text").inner_text()
    page.reload()
    expect(page.get_by_text("You already have a token of this name.")).to_be_visible()
    assert token not in page.content()
    rows = product.call("GET", "/api/v1/tokens?page_size=100")["results"]
    assert [row["state"] for row in rows if row["name"] == "only one"] == ["live"]


@pytest.mark.parametrize("width", WIDTHS)
def test_page_with_the_token_is_readable(open_context: OpenContext, width: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page = open_context(viewport=WIDTHS[width], reduced_motion="reduce").new_page()
    wrong = {}
    fill(page, f"picture {width}", "tasks:read", "tasks:write", "tasks:work", "approvals:read", "approvals:write")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=PICTURES / f"token-made-{width}-{scheme}.png")
        wrong[scheme] = page.evaluate(CHECK)
    assert {scheme: found for scheme, found in wrong.items() if found} == {}


def test_wrong_form_is_marked_and_readable(open_context: OpenContext, watch: Watch) -> None:
    watch.expect("the server responded with a status of 400")
    page = open_context(viewport=WIDTHS["390"]).new_page()
    page.goto("/tokens/new")
    page.get_by_label("Name", exact=True).fill("without anything")
    with page.expect_response(lambda answer: answer.request.method == "POST") as sent:
        page.get_by_role("button", name="Make the token").click()
    assert sent.value.status == 400
    expect(page.get_by_text("Choose at least one thing that the token may do.")).to_be_visible()
    page.screenshot(path=PICTURES / "token-wrong-390-light.png", full_page=True)
    assert page.evaluate(CHECK) == []
