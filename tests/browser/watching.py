"""Hears what pages complain about: script errors, console messages, refused content, failed requests."""

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI} in ${event.sourceFile}`);
});
"""


class Watch:
    """The complaints so far, but for the expected ones."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._expected: list[str] = []

    def over(self, context: BrowserContext) -> None:
        """Listen to all pages of a context."""
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("requestfailed", self._on_failed_request)

    def expect(self, text: str) -> None:
        """Take a complaint that holds this text for part of the test."""
        self._expected.append(text)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._add(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _on_error(self, error: WebError) -> None:
        self._add(f"script: {error.error}")

    def _on_failed_request(self, request: Request) -> None:
        # Leaving a page ends the requests that it had open.
        if request.failure != "net::ERR_ABORTED":
            self._add(f"request: {request.method} {request.url} {request.failure}")

    def _add(self, complaint: str) -> None:
        if not any(text in complaint for text in self._expected):
            self.complaints.append(complaint)
