"""By keyboard alone, and with scripts switched off."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.product import Product

pytestmark = pytest.mark.browser


def focused(page: Page) -> str:
    """What a screen reader would call the focused element."""
    name: str = page.evaluate(
        "(() => { const e = document.activeElement;"
        " return (e.labels?.[0] ?? e).textContent.trim() || e.getAttribute('aria-label') || e.tagName; })()"
    )
    return name


def tab_to(page: Page, name: str, *, most: int = 40) -> None:
    for _ in range(most):
        page.keyboard.press("Tab")
        if focused(page).startswith(name):
            assert has_visible_focus(page), name
            return
    pytest.fail(f"no {name!r} within {most} tabs, but {focused(page)!r}")


def has_visible_focus(page: Page) -> bool:
    found: bool = page.evaluate(
        "(() => { const s = getComputedStyle(document.activeElement);"
        " return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2; })()"
    )
    return found


def test_keyboard_leads_from_sign_in_to_a_cancelled_task(open_context: OpenContext, product: Product) -> None:
    product.make_agent("Slow echo", kind="echo", word_delay_ms=400)
    page = open_context(storage_state=None).new_page()
    page.goto("/tasks/new")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type(product.username)
    page.keyboard.press("Tab")
    page.keyboard.type(product.password)
    page.keyboard.press("Enter")
    expect(page).to_have_title("New task · Personal-Q")
    # Control+Enter is the script's; keys pressed before it is there are lost.
    page.wait_for_load_state("load")
    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    tab_to(page, "On a schedule instead", most=1)
    tab_to(page, "Agent", most=1)
    page.keyboard.type("Slow")
    tab_to(page, "Prompt")
    page.keyboard.type(" ".join(["patience"] * 50))
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/tasks/*-*", wait_until="commit")
    expect(page.locator("#task-status")).to_contain_text("running")
    tab_to(page, "Cancel")
    page.keyboard.press("Enter")
    expect(page.locator("#task-status")).to_contain_text("cancelled")
    expect(page.locator("#main")).to_be_focused()
    expect(page.get_by_text("The task is now cancelled.")).to_be_attached()
    tab_to(page, "Retry")


def test_keyboard_leads_from_the_inbox_to_an_answer(page: Page, product: Product) -> None:
    careful = product.make_agent("Careful echo", kind="echo", needs_approval=True)
    task = product.queue(careful, "Book the flight.", title="A flight to Lisbon")
    page.goto("/approvals")
    tab_to(page, "A flight to Lisbon")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("A flight to Lisbon")
    tab_to(page, "Comment")
    page.keyboard.type("Too far.")
    tab_to(page, "Deny", most=2)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="is denied")).to_be_visible()
    assert product.status(task) == "cancelled"


def test_navigation_comes_first_and_names_the_page(page: Page) -> None:
    page.goto("/agents")
    tab_to(page, "Skip to the content", most=1)
    tab_to(page, "Personal-Q", most=1)
    tab_to(page, "Overview", most=1)
    current = page.get_by_role("navigation", name="Main").locator("[aria-current=page]")
    expect(current).to_have_text("Agents")


def test_everything_works_without_scripts(open_context: OpenContext, product: Product) -> None:
    product.make_agent("Slow echo", kind="echo", word_delay_ms=400)
    page = open_context(java_script_enabled=False).new_page()
    page.goto("/tasks/new")
    page.get_by_label("Agent").select_option(label="Slow echo")
    # Long enough that no page comes later than its end.
    page.get_by_label("Prompt").fill(" ".join(["without any script", *["patience"] * 60]))
    page.get_by_label("Put into the backlog").check()
    page.get_by_role("button", name="Queue it").click()
    for button, status in [
        ("Release", "ready"),
        ("Cancel", "cancelled"),
        ("Archive", "archived"),
        ("Restore", "cancelled"),
    ]:
        page.get_by_role("button", name=button).click()
        # A worker may have been faster than the next page.
        assert page.locator("#task-status .status").inner_text() in {status, "running"}
    cancel_with_a_reason(page)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Tasks").click()
    expect(page.locator("#tasks tbody tr").first).to_contain_text("without any script")
    page.get_by_label("Text").fill("nothing has this text")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No task matches this filter.")).to_be_visible()
    page.get_by_role("button", name="Sign out").focus()


def cancel_with_a_reason(page: Page) -> None:
    page.get_by_role("button", name="Retry").click()
    page.get_by_text("Add a reason").click()
    page.get_by_label("Reason for cancelling").fill("Nobody needs it.")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#task-notice")).to_contain_text("Reason: Nobody needs it.")
