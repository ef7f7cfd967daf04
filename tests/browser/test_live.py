"""Pages that follow what happens, whatever happens to their connection."""

import re
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import OpenContext
from tests.browser.product import Product
from tests.browser.watching import Watch

pytestmark = pytest.mark.browser

NOTE_STATES = """
window.states = [];
new MutationObserver(() => window.states.push(document.getElementById("connection").dataset.state))
  .observe(document.getElementById("connection"), { attributes: true, attributeFilter: ["data-state"] });
"""


def is_live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_text("live")


@pytest.fixture
def slow(product: Product) -> str:
    """An agent that takes its time."""
    return product.make_agent("Slow echo", kind="echo", word_delay_ms=400)


def text_of(words: int) -> str:
    return " ".join(f"word-{number:03}" for number in range(words))


class TestList:
    def test_shows_new_tasks_and_what_becomes_of_them(self, page: Page, product: Product, slow: str) -> None:
        page.goto("/tasks")
        is_live(page)
        task = product.queue(slow, text_of(50), title="Appears by itself")
        row = page.locator(f"#task-{task}")
        expect(row).to_contain_text("running")
        expect(page.locator(".lane-running .count")).not_to_have_text("0")
        assert page.locator("#tasks tbody tr").first.get_attribute("data-task") == task
        product.cancel(task)
        expect(row).to_contain_text("cancelled")

    def test_takes_only_what_matches_its_filter(self, page: Page, product: Product, slow: str) -> None:
        page.goto("/tasks?status=running")
        is_live(page)
        backlogged = product.queue(slow, "later", backlogged=True)
        task = product.queue(slow, text_of(50))
        row = page.locator(f"#task-{task}")
        expect(row).to_be_visible()
        expect(page.locator(f"#task-{backlogged}")).to_have_count(0)
        product.cancel(task)
        expect(row).to_have_count(0)

    def test_does_not_mix_new_tasks_into_older_pages(self, page: Page, product: Product, slow: str) -> None:
        tasks = [product.queue(slow, "later", backlogged=True) for _ in range(26)]
        page.goto(f"/tasks?before={tasks[1]}")
        is_live(page)
        count = page.locator(".lane-backlogged .count")
        before = int(count.inner_text())
        new = product.queue(slow, "later", backlogged=True, title="Does not belong here")
        expect(count).to_have_text(str(before + 1))
        expect(page.locator(f"#task-{new}")).to_have_count(0)
        for task in [*tasks, new]:
            product.cancel(task)

    def test_leads_to_the_rows_that_made_room_for_new_ones(self, page: Page, product: Product, slow: str) -> None:
        title = f"Makes room {uuid4()}"
        tasks = [product.queue(slow, "later", backlogged=True, title=title) for _ in range(25)]
        page.goto(f"/tasks?text={quote(title)}")
        is_live(page)
        expect(page.get_by_role("link", name="Older")).to_have_count(0)
        new = product.queue(slow, "later", backlogged=True, title=title)
        expect(page.locator("#tasks tbody tr").first).to_have_id(f"task-{new}")
        page.get_by_role("link", name="Older").click()
        expect(page.locator("#tasks tbody tr")).to_have_id(f"task-{tasks[0]}")
        for task in [*tasks, new]:
            product.cancel(task)


class TestOverview:
    def test_counts_follow(self, page: Page, product: Product) -> None:
        # The newest agent: the page shows only so many.
        slow = product.make_agent("Counted echo", kind="echo", word_delay_ms=400)
        page.goto("/")
        is_live(page)
        running = page.locator(".step-running strong")
        before = int(running.inner_text())
        task = product.queue(slow, text_of(60), title="Counted at once")
        expect(running).to_have_text(str(before + 1))
        expect(page.locator("#tasks tbody tr").first).to_contain_text("Counted at once")
        expect(page.locator("#agents")).to_contain_text(re.compile(r"Counted echo\s*Echo\s*1 of 10 running"))
        product.cancel(task)
        expect(running).to_have_text(str(before))


class TestConnection:
    def test_comes_back_by_itself_and_nothing_is_missed(self, page: Page, product: Product, slow: str) -> None:
        sockets: list[WebSocketRoute] = []

        def relay(socket: WebSocketRoute) -> None:
            socket.connect_to_server()
            sockets.append(socket)

        page.route_web_socket("**/ws/", relay)
        task = product.queue(slow, text_of(20))
        page.goto(f"/tasks/{task}")
        is_live(page)
        output = page.get_by_role("log", name="Output")
        expect(output).to_contain_text("word-003")
        page.evaluate(NOTE_STATES)
        sockets[-1].close(code=1012)
        page.wait_for_function("window.states.includes('reconnecting')")
        is_live(page)
        expect(output).to_have_text(text_of(20))
        assert len(sockets) == 2

    def test_outlives_its_token(self, page: Page, product: Product, slow: str) -> None:
        task = product.queue(slow, text_of(40))
        page.goto(f"/tasks/{task}")
        is_live(page)
        page.evaluate(NOTE_STATES)
        expect(page.get_by_role("log", name="Output")).to_have_text(text_of(40))
        expect(page.locator("#task-status")).to_contain_text("complete")
        assert page.evaluate("window.states") == []

    def test_ends_with_the_session(self, open_context: OpenContext, product: Product, slow: str, watch: Watch) -> None:
        watch.expect("401 (Unauthorized)")
        context = open_context(storage_state=None)
        page = context.new_page()
        page.goto("/sign-in?next=/tasks")
        page.get_by_label("User name").fill(product.username)
        page.get_by_label("Password").fill(product.password)
        page.get_by_role("button", name="Sign in").click()
        is_live(page)
        other = context.new_page()
        other.goto("/")
        other.get_by_role("button", name="Sign out").click()
        expect(other).to_have_title("Sign in · Personal-Q")
        expect(page.locator("#connection")).to_contain_text("signed out")

    def test_leaves_no_token_behind(self, page: Page) -> None:
        page.goto("/tasks")
        is_live(page)
        assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
        assert "eyJ" not in page.content()


class TestOutput:
    def test_follows_unless_the_reader_scrolls_up(self, page: Page, product: Product) -> None:
        lines = "\n".join(f"line {number}" for number in range(400))
        task = product.queue(product.make_agent("Steady echo", kind="echo", word_delay_ms=15), lines)
        page.goto(f"/tasks/{task}")
        output = page.get_by_role("log", name="Output")
        expect(output).to_contain_text("line 60")
        assert distance_to_end(page) < 60
        output.hover()
        page.mouse.wheel(0, -100_000)
        expect(page.get_by_role("button", name="Follow the output")).to_be_visible()
        page.wait_for_function("document.getElementById('output').scrollTop === 0")
        page.get_by_role("button", name="Follow the output").click()
        expect(output).to_contain_text("line 399")
        page.wait_for_function("document.getElementById('output').scrollTop > 5000")
        assert distance_to_end(page) < 60

    def test_that_is_huge_stays_bounded_in_the_page_and_whole_in_the_download(
        self, page: Page, product: Product
    ) -> None:
        agent = product.make_agent("Numbers", kind="command", command="numbers")
        page.goto("/")
        task = product.queue(agent, "count")
        page.goto(f"/tasks/{task}")
        expect(page.locator("#task-status")).to_contain_text("complete")
        expect(page.get_by_role("log", name="Output")).to_contain_text("150000")
        assert page.evaluate("document.getElementById('output').textContent.length") <= 200_000
        expect(page.get_by_text("The beginning is not shown here.")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download all").click()
        numbers = download.value.path().read_text().split()
        assert numbers == [str(number) for number in range(1, 150_001)]

    def test_does_nothing_whatever_it_says(self, page: Page, product: Product) -> None:
        attack = (
            "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>\x1b[31mred {{7*7}}"
        )
        task = product.queue(
            product.make_agent("Steady echo", kind="echo", word_delay_ms=15), attack, title=attack.replace("\x1b", "")
        )
        page.goto(f"/tasks/{task}")
        output = page.get_by_role("log", name="Output")
        expect(output).to_contain_text("{{7*7}}")
        assert page.evaluate("document.getElementById('output').children.length") == 0
        page.goto("/tasks")
        expect(page.locator(f"#task-{task}")).to_contain_text("complete")
        page.goto("/")
        assert "owned" not in page.title()

    def test_of_several_pages_at_once_is_the_same(self, open_context: OpenContext, product: Product, slow: str) -> None:
        context = open_context()
        task = product.queue(slow, text_of(12))
        pages = [context.new_page() for _ in range(3)]
        for each in pages:
            each.goto(f"/tasks/{task}")
        for each in pages:
            expect(each.get_by_role("log", name="Output")).to_have_text(text_of(12))


def distance_to_end(page: Page) -> float:
    screen = page.locator("#output")
    found: float = screen.evaluate("screen => screen.scrollHeight - screen.scrollTop - screen.clientHeight")
    return found


def test_button_that_comes_too_late_says_so(page: Page, product: Product, watch: Watch) -> None:
    watch.expect("409 (Conflict)")
    task = product.queue(
        product.make_agent("Steady echo", kind="echo", word_delay_ms=15), str(uuid4()), backlogged=True
    )
    page.goto(f"/tasks/{task}")
    page.route("**/panel", lambda route: route.abort())
    page.route_web_socket("**/ws/", lambda _: None)
    page.reload()
    product.cancel(task)
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("alert")).to_contain_text("A task that is cancelled cannot take 'release'.")
    expect(page.locator("#task-status")).to_contain_text("cancelled")
