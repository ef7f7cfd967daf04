"""Whatever goes wrong inside, the answer is the same few words, and the log keeps no secret (A-140 to A-150)."""

import json
import logging
import re
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from personalq.lib import env, redaction
from personalq.lib.logs import JsonFormatter
from tests.lib.urls import BREAKS, CANARY

pytestmark = [pytest.mark.security, pytest.mark.django_db, pytest.mark.usefixtures("loopback")]

MEMBERS = {"type", "title", "status", "detail", "code", "request_id", "errors"}
# Code, files, settings, statements and classes of ours.
INTERNAL = re.compile(
    r"Traceback|\.py\b|/tmp|/work|/usr|site-packages|django|psycopg|SELECT|INSERT|django_session"
    r"|PERSONALQ_|SECRET_KEY|DATABASE|\w+Error\b|Exception"
)
STATUSES = {
    "recursion": 400,
    "codec": 415,
    "surrogate": 400,
    "data": 400,
}


@pytest.fixture(autouse=True)
def addresses_of_these_routes(settings: Settings) -> None:
    # Django's pages of developers write down all settings, and these name routes of the product.
    settings.LOGIN_URL = settings.LOGIN_REDIRECT_URL = settings.LOGOUT_REDIRECT_URL = "/page"


def records_of(caplog: pytest.LogCaptureFixture) -> str:
    formatter = JsonFormatter()
    return "\n".join(formatter.format(record) for record in caplog.records)


@pytest.mark.parametrize("debug", [0, 1], ids=["", "DEBUG"])
@pytest.mark.parametrize("address", ["/page/break", "/api/v1/break"])
@pytest.mark.parametrize("name", BREAKS)
def test_program_gets_a_problem_and_nothing_internal(
    name: str,
    address: str,
    debug: int,
    quiet_client: Client,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A-91, A-140, A-141, A-143, A-145: message and variables are told to nobody, and secrets not to the log."""
    settings.DEBUG = bool(debug)
    monkeypatch.setattr(redaction, "_known", [])
    redaction.register_secrets(CANARY)
    answer = quiet_client.get(f"{address}/{name}", headers={"Accept": "application/json"})
    assert answer["Content-Type"] == "application/problem+json; charset=utf-8"
    assert (answer.status_code, set(answer.json())) == (STATUSES.get(name, 500), MEMBERS)
    shown = f"{answer.content.decode()} {dict(answer.headers)}"
    assert not INTERNAL.search(shown), INTERNAL.search(shown)
    assert CANARY not in shown
    assert CANARY not in records_of(caplog)
    if answer.status_code == 500:
        assert '"exception"' in records_of(caplog)


@pytest.mark.parametrize("name", BREAKS)
def test_person_gets_a_page_and_nothing_internal(name: str, quiet_client: Client) -> None:
    answer = quiet_client.get(f"/page/break/{name}", headers={"Accept": "text/html"})
    text = answer.content.decode()
    assert answer.status_code == STATUSES.get(name, 500)
    assert answer["X-Request-ID"] in text
    assert not INTERNAL.search(text), INTERNAL.search(text)
    assert CANARY not in text


@pytest.mark.parametrize(
    ("address", "accept"),
    [("/page/break", "text/html"), ("/page/break", "application/json"), ("/api/v1/break", "application/json")],
)
@pytest.mark.parametrize("name", BREAKS)
def test_answers_of_production_hold_nothing_internal(
    name: str, address: str, accept: str, quiet_client: Client, production: Settings
) -> None:
    """A-149: with the settings of an installation for others, where DEBUG cannot be on."""
    assert (production.PERSONALQ_HTTPS, production.DEBUG) == (True, False)
    answer = quiet_client.get(f"{address}/{name}", headers={"Accept": accept}, secure=True)
    assert answer.status_code == STATUSES.get(name, 500)
    shown = f"{answer.content.decode()} {dict(answer.headers)}"
    assert not INTERNAL.search(shown), INTERNAL.search(shown)
    assert CANARY not in shown


def test_variables_of_a_frame_are_not_logged(quiet_client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """A-91: the canary stands in two variables of the frame and in no message."""
    quiet_client.get("/page/break/integrity", headers={"Accept": "application/json"})
    assert "IntegrityError" in records_of(caplog)
    assert CANARY not in records_of(caplog)


def as_json(answer: Any) -> Any:
    assert answer["Content-Type"] == "application/problem+json; charset=utf-8"
    return answer.json()


@pytest.mark.parametrize("debug", [0, 1], ids=["", "DEBUG"])
class TestProgramsOutsideOfTheApi:
    """A-145: who prefers JSON gets the same format at every address."""

    @pytest.fixture(autouse=True)
    def mode(self, debug: int, settings: Settings) -> None:
        settings.DEBUG = bool(debug)

    @pytest.mark.parametrize(
        "accept", ["application/json", "application/problem+json", "application/json, text/html;q=0.5"]
    )
    def test_address_that_is_not_there(self, accept: str, quiet_client: Client) -> None:
        answer = quiet_client.get(f"/no/{CANARY}", headers={"Accept": accept})
        assert (answer.status_code, as_json(answer)["code"]) == (404, "not_found")
        assert CANARY not in answer.content.decode()

    def test_method_that_is_not_answered(self, quiet_client: Client) -> None:
        answer = quiet_client.generic("TRACE", "/page", headers={"Accept": "application/json"})
        assert (answer.status_code, as_json(answer)["code"]) == (405, "method_not_allowed")

    def test_body_too_large(self, quiet_client: Client) -> None:
        answer = quiet_client.get("/page/raise/too-big", headers={"Accept": "application/json"})
        assert (answer.status_code, as_json(answer)["code"]) == (413, "payload_too_large")

    def test_host_that_is_not_ours(self, quiet_client: Client, settings: Settings) -> None:
        settings.ALLOWED_HOSTS = ["good.example"]
        answer = quiet_client.get("/page", headers={"Host": f"{CANARY}.example", "Accept": "application/json"})
        assert (answer.status_code, as_json(answer)["code"]) == (400, "bad_request")
        assert CANARY not in answer.content.decode()

    def test_bug(self, quiet_client: Client) -> None:
        answer = quiet_client.get("/page/raise/bug", headers={"Accept": "application/json"})
        assert (answer.status_code, as_json(answer)["code"]) == (500, "internal_error")
        assert answer.json()["request_id"] == answer["X-Request-ID"]


class TestPagesOfDevelopers:
    """A-92: with DEBUG, Django shows settings, headers and variables; the secrets among them are covered."""

    SETTINGS = ("SECRET_KEY", "JWT_SIGNING_KEY")

    @pytest.fixture
    def page(self, quiet_client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setattr(redaction, "_known", [*redaction._known])
        redaction.register_secrets(f"{CANARY}-of-redis")
        settings.DEBUG = True
        settings.PERSONALQ_SOMETHING = f"redis://:{CANARY}-of-redis@127.0.0.1:6379/0"
        settings.PERSONALQ_PLAIN = {"address": f"plain {CANARY}-of-redis"}
        headers = dict.fromkeys(("Authorization", "Cookie", "X-Webhook-Secret", "X-EL-Secret", "X-Api-Key"), CANARY)
        answer = quiet_client.get("/page/break/integrity", headers={"Accept": "text/html", **headers})
        assert answer.status_code == 500
        return str(answer.content.decode())

    def test_nothing_secret_is_shown(self, page: str) -> None:
        assert "IntegrityError" in page
        assert "PERSONALQ_SOMETHING" in page
        shown = [getattr(django_settings, name) for name in self.SETTINGS]
        shown += [*django_settings.PERSONALQ_ENCRYPTION_KEYS, *django_settings.PERSONALQ_AUDIT_KEYS]
        assert [secret for secret in shown if secret in page] == []
        assert f"{CANARY}-of-redis" not in page

    def test_headers_and_variables_of_telling_names_are_covered(self, page: str) -> None:
        rows = dict(re.findall(r"<td>(\w+)</td>\s*<td class=\"code\"><pre>(.*?)</pre>", page, re.DOTALL))
        covered = ("HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_WEBHOOK_SECRET", "HTTP_X_EL_SECRET", "HTTP_X_API_KEY")
        assert {name: CANARY in rows[name] for name in (*covered, "password")} == dict.fromkeys(
            (*covered, "password"), False
        )
        # A word of the frame that no name and no known value tells of is what a developer looks for.
        assert CANARY in rows["something"]

    def test_they_do_not_exist_in_production(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="DEBUG"):
            env.refuse_unsafe(debug=True, allowed_hosts=["q.example.org"])


def test_problem_is_the_whole_answer(quiet_client: Client) -> None:
    body = json.loads(quiet_client.get("/api/v1/break/key").content)
    assert body["detail"] == "Try again in a moment. If it happens again, give the request id to the operator."
    assert body["errors"] == []


def test_no_logger_of_django_bypasses_the_formatter() -> None:
    assert [name for name in ("django", "django.request", "django.server") if logging.getLogger(name).handlers] == []
