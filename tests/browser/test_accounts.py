"""An operator invites somebody, who makes an account, forgets the password and gets back in."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OUTSIDE, OpenContext
from tests.browser.people import make_person
from tests.browser.product import Product
from tests.browser.test_every_page import CHECK, PICTURES, SCHEMES, WIDTHS
from tests.browser.watching import Watch
from tests.embedded.running import wait_for
from tests.wire.smtp_server import SmtpServer

pytestmark = [pytest.mark.browser, pytest.mark.security]

FIRST, SECOND = "quite another ordinary sentence", "one more ordinary sentence"


def link_to(post_office: SmtpServer, address: str, number: int) -> str:
    """The path and fragment of the link in a letter, once it has come."""

    def letters() -> list[str]:
        return [each.text for each in post_office.letters if each.recipients == (address,)]

    wait_for(lambda: len(letters()) >= number, f"letter {number} to {address}")
    link = urlsplit(re.findall(r"^https://\S+", letters()[number - 1], re.MULTILINE)[0])
    assert f"{link.scheme}://{link.netloc}" == OUTSIDE
    return f"{link.path}#{link.fragment}"


def sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def invite(page: Page, address: str, name: str = "") -> None:
    page.goto("/account")
    page.get_by_role("link", name="Invitations").click()
    page.get_by_role("link", name="Invite somebody").click()
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("User name").fill(name)
    page.get_by_role("button", name="Invite", exact=True).click()


def test_invited_forgotten_and_back(open_context: OpenContext, post_office: SmtpServer) -> None:
    operator = open_context().new_page()
    invite(operator, "grace@post.example.net", "grace.hopper")
    expect(operator.get_by_role("heading", name="The invitation was sent")).to_be_visible()

    stranger = open_context(storage_state=None).new_page()
    stranger.goto(link_to(post_office, "grace@post.example.net", 1))
    expect(stranger.get_by_label("User name")).to_have_value("grace.hopper")
    assert "#" not in stranger.url
    stranger.get_by_label("Password", exact=True).fill(FIRST)
    stranger.get_by_label("Password, once more").fill(FIRST)
    stranger.get_by_role("button", name="Make the account").click()
    expect(stranger.get_by_text("Your account is made.")).to_be_visible()

    stranger.get_by_role("link", name="Forgot your password?").click()
    stranger.get_by_label("User name or e-mail address").fill("grace@post.example.net")
    stranger.get_by_role("button", name="Send the link").click()
    expect(stranger.get_by_text("If there is such an account")).to_be_visible()
    stranger.goto(link_to(post_office, "grace@post.example.net", 2))
    expect(stranger.get_by_label("Code")).not_to_have_value("")
    assert "#" not in stranger.url
    stranger.get_by_label("New password", exact=True).fill(SECOND)
    stranger.get_by_label("New password, once more").fill(SECOND)
    stranger.get_by_role("button", name="Set the password").click()
    expect(stranger.get_by_text("Your new password is set.")).to_be_visible()
    sign_in(stranger, "grace.hopper", SECOND)
    expect(stranger.get_by_role("link", name="grace.hopper")).to_be_visible()

    stranger.get_by_role("link", name="grace.hopper").click()
    stranger.get_by_role("link", name="Change the password").click()
    stranger.get_by_label("Present password").fill(SECOND)
    stranger.get_by_label("New password", exact=True).fill(FIRST)
    stranger.get_by_label("New password, once more").fill(FIRST)
    stranger.get_by_role("button", name="Change the password").click()
    expect(stranger.get_by_text("Your password is changed.")).to_be_visible()


def test_the_link_works_without_script_by_typing_the_code(
    open_context: OpenContext, product: Product, post_office: SmtpServer
) -> None:
    made = product.call("POST", "/api/v1/invitations", {"email": "ada@post.example.net"})
    page = open_context(storage_state=None, java_script_enabled=False).new_page()
    page.goto(urlsplit(made["link"]).path)
    page.get_by_label("Code").fill(made["link"].partition("#")[2])
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password", exact=True).fill(FIRST)
    page.get_by_label("Password, once more").fill(FIRST)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_text("Your account is made.")).to_be_visible()


def test_account_and_the_way_out_are_in_sight_on_a_low_screen(open_context: OpenContext) -> None:
    page = open_context(viewport={"width": 1280, "height": 600}).new_page()
    page.goto("/tasks")
    expect(page.get_by_role("link", name="Account admin")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Sign out")).to_be_in_viewport(ratio=1)
    last = page.get_by_role("link", name="Budgets")
    last.focus()
    expect(last).to_be_in_viewport(ratio=1)


def test_account_is_in_sight_on_a_narrow_screen(open_context: OpenContext) -> None:
    page = open_context(viewport=WIDTHS["390"]).new_page()
    page.goto("/tasks")
    expect(page.locator(".rail-head").get_by_role("link", name="Account")).to_be_in_viewport(ratio=1)


def test_link_that_an_operator_hands_over_can_be_copied(open_context: OpenContext) -> None:
    context = open_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    # For oneself there is none.
    name = make_person(page)
    page.goto(f"/admin/accounts/user/?q={name}")
    page.locator("input[name=_selected_action]").check()
    page.locator("select[name=action]").select_option("make_reset_links")
    page.get_by_role("button", name="Run").or_(page.get_by_role("button", name="Go")).click()
    page.get_by_role("button", name=f"Copy the link of {name}").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("td code").inner_text()


def test_every_column_of_the_audit_trail_fits_beside_the_filter(open_context: OpenContext) -> None:
    page = open_context(viewport=WIDTHS["1280"]).new_page()
    page.goto("/admin/accounts/auditevent/")
    expect(page.get_by_role("columnheader", name="Address")).to_be_in_viewport(ratio=1)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "admin-audit-1280.png")
    assert page.locator("#changelist .results").evaluate("each => each.scrollWidth - each.clientWidth") == 0


def pictures_of(page: Page, name: str, width: str, wrong: dict[tuple[str, str], object]) -> None:
    page.wait_for_load_state()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
        wrong[name, scheme] = page.evaluate(CHECK)


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_are_readable(open_context: OpenContext, product: Product, watch: Watch, width: str) -> None:
    for status in ("400", "403"):
        watch.expect(f"the server responded with a status of {status}")
    PICTURES.mkdir(parents=True, exist_ok=True)
    open_one: Callable[..., Page] = lambda **more: open_context(  # noqa: E731
        viewport=WIDTHS[width], reduced_motion="reduce", **more
    ).new_page()
    operator, stranger = open_one(), open_one(storage_state=None)
    uuid = product.call("POST", "/api/v1/invitations", {"email": f"picture-{width}@post.example.net"})["uuid"]
    wrong: dict[tuple[str, str], object] = {}
    for name, address in {
        "account": "/account",
        "account-password": "/account/password",
        "account-email": "/account/email",
        "account-email-confirm": "/account/email/confirm",
        "invitations": "/operation/invitations",
        "invitation-new": "/operation/invitations/new",
        "invitation-withdraw": f"/operation/invitations/{uuid}/withdraw",
    }.items():
        operator.goto(address)
        pictures_of(operator, name, width, wrong)
    for name, address in {"reset": "/reset", "reset-new": "/reset/new", "invitation": "/invitation"}.items():
        stranger.goto(address)
        pictures_of(stranger, name, width, wrong)
    stranger.get_by_label("Code").fill("wrong")
    stranger.get_by_label("User name").fill("somebody")
    stranger.get_by_label("Password", exact=True).fill(FIRST)
    stranger.get_by_label("Password, once more").fill(SECOND)
    stranger.get_by_role("button", name="Make the account").click()
    expect(stranger.get_by_text("The two are not the same.")).to_be_visible()
    pictures_of(stranger, "invitation-wrong", width, wrong)
    invite(operator, f"made-{width}@post.example.net")
    pictures_of(operator, "invitation-made", width, wrong)
    assert {name: found for name, found in wrong.items() if found} == {}
