"""People whom the operator of the tests makes in the admin."""

from typing import Final
from uuid import uuid4

from playwright.sync_api import Page

PASSWORD: Final = "seven quiet lanterns by the sea"


def make_person(operators_page: Page) -> str:
    """The user name of somebody new, who signs in with `PASSWORD`."""
    name = f"person-{uuid4().hex[:8]}"
    operators_page.goto("/admin/accounts/user/add/")
    operators_page.get_by_label("Username").fill(name)
    operators_page.locator("#id_password1").fill(PASSWORD)
    operators_page.locator("#id_password2").fill(PASSWORD)
    operators_page.get_by_role("button", name="Save", exact=True).click()
    operators_page.wait_for_url("**/change/")
    return name
