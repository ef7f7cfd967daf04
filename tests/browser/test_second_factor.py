"""A person turns a second factor on, signs in with a code of it, and ends another sign-in."""

import time
from typing import Any

import pyotp
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.people import PASSWORD, make_person
from tests.browser.test_every_page import CHECK, PICTURES, SCHEMES, WIDTHS
from tests.browser.watching import Watch

pytestmark = [pytest.mark.browser, pytest.mark.security]


@pytest.fixture
def name(open_context: OpenContext) -> str:
    """A new person: the operator of the other tests must not be asked for codes."""
    return make_person(open_context().new_page())


def give_password(context: BrowserContext, name: str) -> Page:
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    return page


def give_code(page: Page, code: str, button: str = "Sign in") -> None:
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name=button).click()


def next_code(app: pyotp.TOTP, taken: str) -> str:
    """What the app shows after the code that was taken; a code of the next step is good early."""
    return app.at(int(time.time()), counter_offset=1) if app.now() == taken else app.now()


def set_up(page: Page) -> tuple[pyotp.TOTP, str, list[str]]:
    page.goto("/account/second-factor")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    app = pyotp.TOTP(page.locator("#secret-text").inner_text().replace(" ", ""))
    # The policy lets the picture in, and it is one.
    assert page.locator("img.qr-code").evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    code = app.now()
    give_code(page, code, "Turn it on")
    expect(page.locator(".recovery-codes code")).to_have_count(10)
    paper = page.locator(".recovery-codes code").all_inner_texts()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").split() == paper
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    return app, code, paper


def test_turning_it_on_and_signing_in_with_it(open_context: OpenContext, name: str, watch: Watch) -> None:
    watch.expect("the server responded with a status of 401")
    context, other = open_context(storage_state=None), open_context(storage_state=None)
    elsewhere = give_password(other, name)
    expect(elsewhere.get_by_role("heading", name="Overview")).to_be_visible()
    page = give_password(context, name)
    app, taken, paper = set_up(page)
    assert len(set(paper)) == 10
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("heading", name="It is on")).to_be_visible()

    elsewhere.goto("/tasks")
    elsewhere.wait_for_url("**/sign-in?**")
    elsewhere = give_password(other, name)
    expect(elsewhere.get_by_role("heading", name="One more step")).to_be_visible()
    give_code(elsewhere, taken)
    expect(elsewhere.get_by_role("alert")).to_contain_text("was used before")
    give_code(elsewhere, next_code(app, taken))
    expect(elsewhere.get_by_role("heading", name="Overview")).to_be_visible()

    page.goto("/account/sessions")
    row = page.locator(".session-row", has=page.get_by_role("button", name="End", exact=True))
    expect(row).to_have_count(1)
    row.get_by_role("button", name="End", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="That sign-in has ended.")).to_be_visible()
    elsewhere.goto("/tasks")
    elsewhere.wait_for_url("**/sign-in?**")

    elsewhere = give_password(other, name)
    give_code(elsewhere, paper[0].upper().replace("-", " "))
    expect(elsewhere.get_by_role("heading", name="Overview")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_are_readable(open_context: OpenContext, name: str, width: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    context = open_context(storage_state=None, viewport=WIDTHS[width], reduced_motion="reduce")
    page = give_password(context, name)
    page.wait_for_url("**/")
    page.goto("/account/second-factor")
    wrong = look(page, f"second-factor-off-{width}")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    wrong |= look(page, f"second-factor-begun-{width}")
    app = pyotp.TOTP(page.locator("#secret-text").inner_text().replace(" ", ""))
    give_code(page, app.now(), "Turn it on")
    wrong |= look(page, f"recovery-codes-{width}")
    for address, picture in (("second-factor", "second-factor-on"), ("sessions", "sessions")):
        page.goto(f"/account/{address}")
        wrong |= look(page, f"{picture}-{width}")
    context.clear_cookies()
    page = give_password(context, name)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    wrong |= look(page, f"sign-in-code-{width}")
    assert {picture: found for picture, found in wrong.items() if found} == {}


def look(page: Page, name: str) -> dict[str, Any]:
    """What is wrong with a page in light and in dark, and pictures of both."""
    wrong = {}
    page.wait_for_load_state()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=PICTURES / f"{name}-{scheme}.png", full_page=True)
        wrong[f"{name}-{scheme}"] = page.evaluate(CHECK)
    return wrong
