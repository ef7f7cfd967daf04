"""A person makes a webhook endpoint, sees how its deliveries fare, rotates its secret, and deletes it."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.product import Product
from tests.browser.test_every_page import CHECK, PICTURES, SCHEMES, WIDTHS
from tests.embedded.running import wait_for

pytestmark = pytest.mark.browser
# Nobody answers there: the name is reserved.
NOWHERE = "https://hooks.example.invalid/personal-q"


def make(page: Page, name: str) -> str:
    """Make one on the page; returns the secret that it shows."""
    page.goto("/webhook-endpoints/new")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Address").fill(NOWHERE)
    page.get_by_label("task_created").check()
    page.get_by_role("button", name="Make the endpoint").click()
    secret: str = page.locator("#token-text").inner_text()
    assert secret.startswith("whsec_")
    return secret


def failed_delivery(product: Product, name: str) -> str:
    """The address of a delivery that was tried in vain."""
    found = product.call("GET", "/api/v1/webhook-endpoints?page_size=100")["results"]
    address = next(f"{one['url']}/deliveries" for one in found if one["name"] == name)
    path = address.removeprefix(product.url)

    def tried() -> str:
        rows = product.call("GET", path)["results"]
        return next((f"/webhook-deliveries/{row['uuid']}" for row in rows if row["attempts"]), "")

    wait_for(tried, "an attempt")
    return tried()


def test_endpoint_is_made_tested_rotated_switched_and_deleted(open_context: OpenContext, product: Product) -> None:
    page = open_context().new_page()
    page.goto("/")
    page.get_by_role("link", name="Endpoints").click()
    first = make(page, "browser test")
    page.get_by_role("link", name="I have kept it").click()
    assert first not in page.content()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("status").filter(has_text="gets a test delivery now")).to_be_visible()
    page.goto(failed_delivery(product, "browser test"))
    expect(page.get_by_text("no answer: host not found")).to_be_visible()
    page.get_by_role("link", name="browser test").click()
    expect(page.get_by_text("Nothing could be delivered since")).to_be_visible()

    page.get_by_role("link", name="New secret…").click()
    page.get_by_label("The old secret goes on signing for").select_option("an hour")
    page.get_by_role("button", name="Make a new secret").click()
    assert page.locator("#token-text").inner_text() not in {"", first}
    page.get_by_role("link", name="I have kept it").click()
    expect(page.get_by_text("Old secret")).to_be_visible()

    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    expect(page.get_by_role("button", name="Send a test")).to_have_count(0)
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete the endpoint").click()
    expect(page.get_by_role("status").filter(has_text="The endpoint browser test is deleted.")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_are_readable(open_context: OpenContext, product: Product, width: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page = open_context(viewport=WIDTHS[width], reduced_motion="reduce").new_page()
    name = f"picture {width}"
    make(page, name)
    wrong = look(page, "endpoint-secret", width)
    page.get_by_role("link", name="I have kept it").click()
    one = page.url
    echo = product.make_agent("Echo", kind="echo")
    for title in ("Sum up the mails of the week", "Look for broken links"):
        product.queue(echo, "Say it back.", title=title)
    delivery = failed_delivery(product, name)
    pages = {
        "endpoint-list": "/webhook-endpoints",
        "endpoint-new": "/webhook-endpoints/new",
        "endpoint": one,
        "endpoint-edit": f"{one}/edit",
        "endpoint-rotate": f"{one}/rotate",
        "endpoint-delete": f"{one}/delete",
        "delivery": delivery,
    }
    for name_of_page, address in pages.items():
        page.goto(address)
        wrong |= look(page, name_of_page, width)
    assert {place: found for place, found in wrong.items() if found} == {}


def look(page: Page, name: str, width: str) -> dict[tuple[str, str], object]:
    wrong: dict[tuple[str, str], object] = {}
    page.wait_for_load_state()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
        wrong[name, scheme] = page.evaluate(CHECK)
    return wrong
