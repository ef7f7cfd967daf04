"""A person keeps a bot, connects it, links a chat, gives the link another agent and ends it."""

import json
import re
import urllib.request
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OUTSIDE, OpenContext
from tests.browser.product import Product
from tests.browser.test_endpoints import look
from tests.browser.test_every_page import PICTURES, WIDTHS
from tests.embedded.running import wait_for
from tests.wire.telegram_server import Registered, TelegramServer

pytestmark = pytest.mark.browser
ANA = 77
_numbers = count(1)


def keep_bot(page: Page, telegram: TelegramServer, name: str) -> str:
    """Keep a new bot on the pages; returns its token."""
    number = 5_560_000 + next(_numbers)
    token = f"{number}:AAF-the_token_of-another-bot_0123456789"
    telegram.bots[token] = Registered(number, f"bot_{number}")
    page.goto("/telegram/new")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Keep the bot").click()
    expect(page.get_by_text("not connected")).to_be_visible()
    return token


def make_code(page: Page) -> str:
    """What has to be sent to the bot whose page is open."""
    page.get_by_role("link", name="Link a chat").click()
    page.get_by_label("Agent").select_option("Echo")
    page.get_by_role("button", name="Make the code").click()
    text: str = page.locator("#token-text").inner_text()
    assert re.fullmatch(r"/start \S{20,}", text)
    return text


def say(product: Product, telegram: TelegramServer, token: str, text: str) -> None:
    """Send a message to the bot, as Telegram posts it."""
    hook = telegram.bots[token].webhook
    person = {"id": ANA, "is_bot": False, "first_name": "Ana"}
    chat = {"id": ANA, "type": "private", "first_name": "Ana"}
    number = next(_numbers)
    update = {
        "update_id": number,
        "message": {"message_id": number, "date": 1_764_500_000, "from": person, "chat": chat, "text": text},
    }
    headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": hook["secret_token"]}
    address = hook["url"].replace(OUTSIDE, product.url)
    request = urllib.request.Request(address, json.dumps(update).encode(), headers)  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        assert answer.status == 200


def test_bot_is_kept_connected_linked_and_deleted(
    open_context: OpenContext, product: Product, telegram: TelegramServer
) -> None:
    product.make_agent("Echo", kind="echo")
    page = open_context().new_page()
    page.goto("/")
    page.get_by_role("link", name="Telegram").click()
    token = keep_bot(page, telegram, "browser test")
    bot = page.url
    page.get_by_role("button", name="Connect to Telegram").click()
    expect(page.get_by_role("button", name="Connect again")).to_be_visible()
    say(product, telegram, token, make_code(page))
    wait_for(lambda: any("You are linked to the account" in text for text in telegram.texts(ANA)), "a greeting")
    say(product, telegram, token, "Say it back, please.")
    wait_for(lambda: "Say it back, please." in telegram.texts(ANA), "the answer")

    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Ana").first.click()
    page.get_by_label("Spoken answers").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="The link is saved.")).to_be_visible()
    page.goto(bot)
    page.get_by_role("link", name="what it let in lately").click()
    expect(page.get_by_role("link", name="Say it back, please.")).to_be_visible()
    page.goto(f"{bot}/delete")
    page.get_by_role("button", name="Delete the bot").click()
    expect(page.get_by_role("link", name="browser test")).to_have_count(0)


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_are_readable(open_context: OpenContext, product: Product, telegram: TelegramServer, width: str) -> None:
    product.make_agent("Echo", kind="echo")
    PICTURES.mkdir(parents=True, exist_ok=True)
    page = open_context(viewport=WIDTHS[width], reduced_motion="reduce").new_page()
    token = keep_bot(page, telegram, f"bot {width}")
    bot = page.url
    wrong = look(page, "telegram-bot-not-connected", width)
    page.get_by_role("button", name="Connect to Telegram").click()
    code = make_code(page)
    wrong |= look(page, "telegram-code", width)
    before = len(telegram.texts(ANA))
    say(product, telegram, token, code)
    wait_for(lambda: len(telegram.texts(ANA)) > before, "a greeting")
    page.goto("/telegram")
    link = page.get_by_role("link", name="Ana").first.get_attribute("href")
    pages = {
        "telegram": "/telegram",
        "telegram-new": "/telegram/new",
        "telegram-bot": bot,
        "telegram-bot-edit": f"{bot}/edit",
        "telegram-bot-delete": f"{bot}/delete",
        "telegram-link-new": f"{bot}/link",
        "telegram-link": str(link),
        "telegram-link-end": f"{link}/end",
    }
    for name, address in pages.items():
        page.goto(address)
        wrong |= look(page, name, width)
    assert {place: found for place, found in wrong.items() if found} == {}
