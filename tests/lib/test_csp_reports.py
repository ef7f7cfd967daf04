"""What browsers tell of violations reaches the log, and nothing else (A-113)."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from personalq.lib.csp import REPORTS_PATH
from personalq.lib.csp_reports import BATCH_TYPE, LONGEST_ADDRESS, MOST_AT_ONCE, SINGLE_TYPE

pytestmark = pytest.mark.security

CANARY = "CANARY-7f3a"
SINGLE = {
    "csp-report": {
        "document-uri": f"https://someone:{CANARY}@q.example.org/tasks/1?token={CANARY}#{CANARY}",
        "referrer": f"https://q.example.org/?{CANARY}",
        "blocked-uri": f"https://evil.example/x.js?{CANARY}",
        "violated-directive": "script-src-elem",
        "effective-directive": "script-src-elem",
        "original-policy": CANARY,
        "script-sample": CANARY,
        "disposition": "enforce",
        "source-file": f"https://q.example.org/static/app.js?{CANARY}",
        "line-number": 7,
        "column-number": True,
    }
}
BATCH = [
    {"type": "deprecation", "url": CANARY, "body": {"documentURL": CANARY}},
    {
        "type": "csp-violation",
        "url": f"https://q.example.org/?{CANARY}",
        "user_agent": CANARY,
        "body": {
            "documentURL": "https://q.example.org/agents",
            "blockedURL": "inline",
            "effectiveDirective": "style-src",
        },
    },
]

Told = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def loopback_product(loopback: Settings) -> Settings:
    loopback.ROOT_URLCONF = "personalq.urls"
    loopback.RATELIMIT_ENABLE = False
    return loopback


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    caplog.set_level(logging.WARNING, "personalq.csp")
    return lambda: [vars(record)["fields"] for record in caplog.records if record.name == "personalq.csp"]


def report(client: Client, body: Any, content_type: str = SINGLE_TYPE) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return client.generic("POST", REPORTS_PATH, data, content_type, headers={"Accept": "application/json"})


def test_single_report_is_one_line_without_queries_and_texts_of_the_page(quiet_client: Client, told: Told) -> None:
    assert report(quiet_client, SINGLE).status_code == 204
    assert told() == [
        {
            "document": "https://q.example.org/tasks/1",
            "blocked": "https://evil.example/x.js",
            "source": "https://q.example.org/static/app.js",
            "directive": "script-src-elem",
            "disposition": "enforce",
            "line": 7,
        }
    ]


def test_batch_tells_of_violations_alone(quiet_client: Client, told: Told) -> None:
    assert report(quiet_client, BATCH, f"{BATCH_TYPE}; charset=utf-8").status_code == 204
    assert told() == [{"document": "https://q.example.org/agents", "blocked": "inline", "directive": "style-src"}]


def test_lines_of_one_request_are_few_and_short(quiet_client: Client, told: Told) -> None:
    body = {"documentURL": "https://q.example.org/" + "x" * 9000, "blockedURL": "data:" + CANARY, "disposition": [1]}
    assert report(quiet_client, [{"type": "csp-violation", "body": body}] * 50, BATCH_TYPE).status_code == 204
    assert len(told()) == MOST_AT_ONCE
    assert {len(line["document"]) for line in told()} == {LONGEST_ADDRESS}
    assert {line["blocked"] for line in told()} == {"data:"}
    assert "disposition" not in told()[0]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", SINGLE_TYPE, 400),
        (b"[1]", SINGLE_TYPE, 400),
        (b"[" * 10_000, BATCH_TYPE, 400),
        (b"{}", BATCH_TYPE, 400),
        (b"[]", BATCH_TYPE, 400),
        (b'[{"type": "csp-violation", "body": 1}]', BATCH_TYPE, 400),
        (b'{"csp-report": []}', SINGLE_TYPE, 400),
        (json.dumps(SINGLE).encode(), "application/json", 415),
        (json.dumps(SINGLE).encode(), "", 415),
    ],
)
def test_what_is_no_report_is_refused(
    body: bytes, content_type: str, status: int, quiet_client: Client, told: Told
) -> None:
    answer = report(quiet_client, body, content_type)
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (status, "application/problem+json")
    assert told() == []


@pytest.mark.parametrize("method", ["get", "put", "delete", "options"])
def test_only_post_is_answered(method: str, quiet_client: Client) -> None:
    answer = getattr(quiet_client, method)(REPORTS_PATH)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_form_check_and_sign_in_are_not_asked_for(told: Told) -> None:
    assert report(Client(enforce_csrf_checks=True), SINGLE).status_code == 204
    assert len(told()) == 1


@pytest.mark.django_db
def test_nothing_is_kept(quiet_client: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        report(quiet_client, SINGLE)
    assert list(queries) == []


def test_reports_of_one_address_are_limited(quiet_client: Client, loopback_product: Settings, told: Told) -> None:
    cache.clear()
    loopback_product.RATELIMIT_ENABLE = True
    loopback_product.PERSONALQ_RATE_CSP_REPORTS = "2/h"
    assert [report(quiet_client, SINGLE).status_code for _ in range(3)] == [204, 204, 429]
    assert len(told()) == 2
    cache.clear()


def test_body_is_bounded() -> None:
    assert django_settings.PERSONALQ_BODY_LIMITS[REPORTS_PATH] == 16 * 1024


class TestPolicy:
    def test_over_https_browsers_learn_of_both_ways(self, quiet_client: Client, production: Settings) -> None:
        production.ROOT_URLCONF = "tests.lib.urls"
        answer = quiet_client.get("/page", secure=True)
        assert f"report-uri {REPORTS_PATH}" in answer["Content-Security-Policy"]
        assert answer["Content-Security-Policy"].endswith("; report-to csp")
        assert answer["Reporting-Endpoints"] == f'csp="{REPORTS_PATH}"'

    def test_over_http_of_the_one_that_works_there(self, quiet_client: Client, loopback_product: Settings) -> None:
        loopback_product.ROOT_URLCONF = "tests.lib.urls"
        answer = quiet_client.get("/page")
        assert f"report-uri {REPORTS_PATH}" in answer["Content-Security-Policy"]
        assert "report-to" not in answer["Content-Security-Policy"]
        assert "Reporting-Endpoints" not in answer

    def test_data_reports_nothing(self, quiet_client: Client, production: Settings) -> None:
        production.ROOT_URLCONF = "tests.lib.urls"
        answer = quiet_client.get("/page/describe", secure=True)
        assert "report-" not in answer["Content-Security-Policy"]
        assert "Reporting-Endpoints" not in answer
