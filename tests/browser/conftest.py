"""One running product and one browser for all of these tests."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from personalq.embedded.find_browser import ADVICE, find_browser
from tests.browser.product import Product
from tests.browser.watching import Watch
from tests.embedded.running import Home, Run, clear_away
from tests.wire.smtp_server import SmtpServer
from tests.wire.telegram_server import TelegramServer

DESKTOP = {"width": 1280, "height": 800}
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
COMMANDS = {
    "repeat": "/bin/cat",
    "numbers": ["/usr/bin/seq", "1", "150000"],
    "refuse": "/bin/false",
    "later": ["/bin/sh", "-c", "echo trying; exit 75"],
    "files": [
        "/bin/sh",
        "-c",
        "mkdir out; echo '<script>alert(1)</script>' > out/report.html; head -c 3000 /dev/zero > zeros.bin",
    ],
    "limited": ["/bin/sh", "-c", "echo 'usage limit reached, try again in 4 seconds' >&2; exit 1"],
}
OUTSIDE = "https://q.example.org"
SETTINGS = {
    "PERSONALQ_COMMANDS": json.dumps(COMMANDS),
    # Telegram posts to https alone; nothing else of these tests looks at the name.
    "PERSONALQ_PUBLIC_URL": OUTSIDE,
    "ALLOWED_HOSTS": "127.0.0.1,localhost,q.example.org",
    # So short that a page which forgot to renew its token would be thrown out during the tests.
    "PERSONALQ_ACCESS_TOKEN_SECONDS": "8",
    "PERSONALQ_RATE_SIGN_IN_NAME": "1000/m",
    "PERSONALQ_RATE_SIGN_IN_ADDRESS": "1000/m",
    "PERSONALQ_RATE_TOKEN_REFRESH": "1000/m",
    "PERSONALQ_RATE_CODE": "1000/m",
}
# The machine may be busy with other things; nothing waits longer than it must.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def telegram() -> Iterator[TelegramServer]:
    """The Telegram that the product speaks with."""
    with TelegramServer() as server:
        yield server


@pytest.fixture(scope="session")
def post_office() -> Iterator[SmtpServer]:
    """Where the product's e-mails arrive."""
    with SmtpServer() as server:
        yield server


@pytest.fixture(scope="session")
def product(
    tmp_path_factory: pytest.TempPathFactory, telegram: TelegramServer, post_office: SmtpServer
) -> Iterator[Product]:
    """Web, worker, beat and their servers, in a directory of their own."""
    home = Home(tmp_path_factory.mktemp("product"))
    near = {"PERSONALQ_TELEGRAM_URL": telegram.url, "PERSONALQ_INTERNAL_HOSTS": telegram.target}
    mails = {"PERSONALQ_EMAIL_URL": f"smtp://127.0.0.1:{post_office.port}"}
    run = Run(home, environment={**SETTINGS, **near, **mails})
    try:
        run.wait_for_greeting()
        yield Product.of(run)
    finally:
        run.process.terminate()
        run.wait_for_end()
        clear_away(home)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.fail(ADVICE)
    # Chromium's sandbox refuses to work for root.
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    started = playwright.chromium.launch(executable_path=program, args=flags)
    yield started
    started.close()


@pytest.fixture(scope="session")
def signed_in(browser: Browser, product: Product, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cookies of the operator after signing in."""
    path = tmp_path_factory.mktemp("browser") / "cookies.json"
    context = browser.new_context(base_url=product.url)
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("User name").fill(product.username)
    page.get_by_label("Password").fill(product.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    context.storage_state(path=path)
    context.close()
    return path


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What the pages of a test complained about; anything unexpected fails the test."""
    watch = Watch()
    yield watch
    assert watch.complaints == []


OpenContext = Callable[..., BrowserContext]


@pytest.fixture
def open_context(browser: Browser, product: Product, signed_in: Path, watch: Watch) -> Iterator[OpenContext]:
    """Makes watched browser contexts, signed in unless `storage_state=None` is asked for."""
    made: list[BrowserContext] = []

    def open_one(**options: Any) -> BrowserContext:
        defaults = {"base_url": product.url, "storage_state": signed_in, "viewport": DESKTOP}
        context = browser.new_context(**{**defaults, **options})
        context.set_default_timeout(PATIENCE_MS)
        watch.over(context)
        made.append(context)
        return context

    yield open_one
    for context in made:
        context.close()


@pytest.fixture
def page(open_context: OpenContext) -> Page:
    """A page of the signed-in operator at desktop width."""
    return open_context().new_page()
