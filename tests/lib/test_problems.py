import json
import logging
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.templatetags.static import static
from django.test import Client, RequestFactory
from pytest_django import Settings
from rest_framework.exceptions import ErrorDetail, NotAcceptable
from rest_framework.exceptions import ValidationError as DRFValidationError

from personalq.lib import error_pages, errors
from personalq.lib.errors import AppError, FieldError
from personalq.lib.problems import csrf_failure, handler404, problem_response
from personalq.lib.translation import app_error_from, field_errors
from tests.lib.urls import CANARY

pytestmark = [pytest.mark.security, pytest.mark.usefixtures("loopback")]


def all_errors(kind: type[AppError] = AppError) -> list[type[AppError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [kind, *(each for child in children for each in all_errors(child))]


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_sentence_and_an_advice(kind: type[AppError]) -> None:
    error = kind()
    assert error.title.endswith(".")
    assert error.detail.endswith(".")
    assert 400 <= error.status <= 599
    assert error.code.replace("_", "").isalpha()


def test_every_error_is_drawn_in_the_tree() -> None:
    tree = errors.__doc__ or ""
    assert [kind.__name__ for kind in all_errors() if kind.__name__ not in tree] == []
    assert [kind.code for kind in all_errors() if kind.code not in tree] == []


def test_problem_has_the_members_of_rfc_9457_and_ours() -> None:
    response = problem_response(errors.InvalidInput.for_field("a", "required", "Send it."))
    assert response["Content-Type"] == "application/problem+json; charset=utf-8"
    assert json.loads(response.content) == {
        "type": "urn:personalq:problem:validation_error",
        "title": "The request holds values that cannot be accepted.",
        "status": 400,
        "detail": "Correct the fields named in errors and send the request again.",
        "code": "validation_error",
        "request_id": "",
        "errors": [{"field": "a", "code": "required", "message": "Send it."}],
    }


def test_voice_agents_get_words_to_say() -> None:
    request = RequestFactory().post("/agent-tools")
    shown = problem_response(errors.InvalidInput.for_field("args.prompt", "required", "Send it."), request)
    assert shown["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(shown.content) == {
        "ok": False,
        "say": "args.prompt: Send it.",
        "result": {"error": "validation_error", "request_id": ""},
    }


def test_clients_of_the_older_service_get_one_sentence() -> None:
    wrong = [FieldError("name", "required", "Write one."), FieldError("", "empty", "Send something.")]
    request = RequestFactory().post("/cursor-agents/agents")
    shown = problem_response(errors.InvalidInput(errors=wrong), request)
    assert shown.headers["Content-Type"].startswith("application/json")
    told = json.loads(shown.content)
    assert told.pop("request_id") == ""
    assert told == {"error": "name: Write one. Send something.", "code": "validation_error"}
    assert json.loads(problem_response(errors.NotFound(), request).content)["error"] == errors.NotFound.advice


def test_request_id_of_the_body_is_that_of_the_header(quiet_client: Client) -> None:
    answer = quiet_client.get("/api/v1/raise/conflict")
    assert answer.json()["request_id"] == answer["X-Request-ID"]


EXPECTED = {
    "not-yours": (403, "not_yours"),
    "limited": (429, "rate_limited"),
    "conflict": (409, "name_taken"),
    "drf-parse": (400, "malformed_json"),
    "drf-throttled": (429, "rate_limited"),
    "drf-not-found": (404, "not_found"),
    "drf-method": (405, "method_not_allowed"),
    "drf-denied": (403, "permission_denied"),
    "drf-failed": (401, "invalid_token"),
    "ratelimit": (429, "rate_limited"),
    "http404": (404, "not_found"),
    "denied": (403, "permission_denied"),
    "suspicious": (400, "validation_error"),
    "too-big": (413, "payload_too_large"),
    "recursion": (400, "malformed_json"),
    "data": (400, "validation_error"),
    "unicode": (400, "validation_error"),
    "database-away": (503, "unavailable"),
    "lookup": (415, "unsupported_media_type"),
    "key": (500, "internal_error"),
    "bug": (500, "internal_error"),
}


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items())
def test_api_view_answers_with_a_problem(quiet_client: Client, name: str, expected: tuple[int, str]) -> None:
    answer = quiet_client.get(f"/api/v1/raise/{name}")
    assert (answer.status_code, answer.json()["code"]) == expected
    assert answer["Content-Type"] == "application/problem+json; charset=utf-8"
    assert CANARY not in answer.content.decode()


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items())
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_page_answers_in_the_form_that_is_asked_for(
    quiet_client: Client, name: str, expected: tuple[int, str], accept: str
) -> None:
    answer = quiet_client.get(f"/page/raise/{name}", headers={"Accept": accept})
    text = answer.content.decode()
    assert answer.status_code == expected[0]
    assert CANARY not in text
    if accept == "text/html":
        assert answer["Content-Type"] == "text/html; charset=utf-8"
        assert "<h1>" in text
        assert answer["X-Request-ID"] in text
    else:
        assert answer.json()["code"] == expected[1]


@pytest.mark.parametrize("name", ["bug", "key", "database-away"])
def test_unexpected_errors_are_logged_once_with_their_cause(
    quiet_client: Client, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    quiet_client.get(f"/api/v1/raise/{name}")
    logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(logged) == 1
    assert logged[0].exc_info is not None


def test_bug_in_an_api_view_is_seen_by_the_test_client() -> None:
    with pytest.raises(ZeroDivisionError):
        Client().get("/api/v1/raise/bug")


def test_times_to_wait_are_told(quiet_client: Client) -> None:
    assert quiet_client.get("/api/v1/raise/limited")["Retry-After"] == "7"
    assert quiet_client.get("/api/v1/raise/drf-throttled")["Retry-After"] == "3"
    assert int(quiet_client.get("/page/raise/limited")["Retry-After"]) == 7
    assert int(quiet_client.get("/api/v1/raise/database-away")["Retry-After"]) > 0


def test_401_names_the_scheme(quiet_client: Client) -> None:
    assert quiet_client.get("/api/v1/closed")["WWW-Authenticate"] == "Bearer"


def post(client: Client, body: Any, content_type: str = "application/json", path: str = "echo") -> Any:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.generic("POST", f"/api/v1/{path}", data, content_type)


def test_nested_errors_get_dotted_names(quiet_client: Client) -> None:
    body = {
        "order": True,
        "items": [{"prompt": "ok"}, {"prompt": "x" * 11}, {"promt": "x"}, 5],
        "words": ["a", "toolong"],
        "nmae": 1,
    }
    answer = post(quiet_client, body)
    assert answer.status_code == 400
    assert {(each["field"], each["code"]) for each in answer.json()["errors"]} == {
        ("name", "required"),
        ("order", "invalid"),
        ("items[1].prompt", "max_length"),
        ("items[2].prompt", "required"),
        ("items[2].promt", "unknown_field"),
        ("items[3]", "invalid"),
        ("words[1]", "max_length"),
        ("nmae", "unknown_field"),
    }


def test_number_of_reported_errors_is_bounded() -> None:
    error = app_error_from(DRFValidationError({f"f{n}": ["bad"] for n in range(1000)}))
    assert error is not None
    assert len(error.errors) == 50


def test_length_of_reported_messages_is_bounded() -> None:
    (error,) = field_errors({"a": ["x" * 1000]})
    assert len(error.message) == 300


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ([ErrorDetail("no", "x")], [("", "x")]),
        ({"a": [ErrorDetail("no", "x")]}, [("a", "x")]),
        ({"a": {"b": {0: [ErrorDetail("no", "x")]}}}, [("a.b[0]", "x")]),
        ({"a": {"non_field_errors": [ErrorDetail("no", "x")]}}, [("a", "x")]),
        ({"non_field_errors": ["no"]}, [("", "invalid")]),
        ([{}, {"b": ["no"]}], [("[1].b", "invalid")]),
    ],
)
def test_names_of_fields(detail: Any, expected: list[tuple[str, str]]) -> None:
    assert [(error.field, error.code) for error in field_errors(detail)] == expected


def test_errors_of_models_are_translated() -> None:
    error = app_error_from(ValidationError({"name": ValidationError("Bad.", code="bad"), "__all__": "Worse."}))
    assert error is not None
    assert error.errors == [FieldError("name", "bad", "Bad."), FieldError("", "invalid", "Worse.")]


@pytest.mark.parametrize("body", ["{", b'{"name": "\xff"}', '{"name": NaN}', "[1]", '"x"', "null", '{"a":1,"a":2}'])
def test_malformed_bodies_are_refused_without_python_words(quiet_client: Client, body: Any) -> None:
    answer = post(quiet_client, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    told = answer.content.decode()
    assert [word for word in ("codec", "decode", "Expecting", "line 1", "column", "char ") if word in told] == []


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/json; charset=nonsense",
        "nonsense",
        "application/jsonx",
    ],
)
def test_other_formats_are_refused(quiet_client: Client, content_type: str) -> None:
    answer = post(quiet_client, '{"name": "a"}', content_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_body_without_a_type_is_not_taken_for_an_empty_one(quiet_client: Client) -> None:
    assert post(quiet_client, '{"name": "a"}', "", "raw").status_code == 415


def test_deep_body_is_a_400(quiet_client: Client) -> None:
    answer = post(quiet_client, '{"name":' + "[" * 100_000 + "]" * 100_000 + "}")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


def test_body_above_djangos_limit_is_a_413(quiet_client: Client, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert post(quiet_client, {"name": "x" * 200}).status_code == 413


def test_unacceptable_format_is_a_406() -> None:
    error = app_error_from(NotAcceptable(CANARY))
    assert error is not None
    assert (error.status, error.code) == (406, "not_acceptable")


class TestStrangers:
    PATHS = (
        "/api/v1/closed",
        "/api/v1/closed/",
        "/api/v1/invented",
        "/api/v1/closed/123",
        "/api/v9/x",
        "/api",
        "/api/",
        "/api/v1/%00",
        "/api/v1/../closed",
        "/api/v1//closed",
        "/api/é",
    )

    @pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "head"])
    def test_every_path_answers_the_same_401(self, quiet_client: Client, method: str) -> None:
        answers = {self._answer(quiet_client, method, path) for path in self.PATHS}
        assert len(answers) == 1
        assert answers.pop()[0] == 401

    @pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
    def test_whatever_they_accept(self, quiet_client: Client, accept: str) -> None:
        assert len({self._answer(quiet_client, "get", path, Accept=accept) for path in self.PATHS}) == 1

    @pytest.mark.parametrize("token", ["Bearer x", "Bearer ", "bearer x", "Basic eDp5", "x"])
    def test_whatever_wrong_token_they_send(self, quiet_client: Client, token: str) -> None:
        answers = {self._answer(quiet_client, "get", path, Authorization=token) for path in self.PATHS}
        assert len(answers) == 1
        assert answers.pop()[0] == 401

    def test_wrong_body_does_not_tell_a_route_from_an_invented_one(self, quiet_client: Client) -> None:
        answers = {
            (answer.status_code, answer.json()["code"])
            for answer in (post(quiet_client, "{", path=path) for path in ("closed", "invented"))
        }
        assert answers == {(401, "not_authenticated")}

    def _answer(self, client: Client, method: str, path: str, **headers: str) -> tuple[Any, ...]:
        answer = getattr(client, method)(path, headers=headers)
        kept = {name: value for name, value in answer.items() if name != "X-Request-ID"}
        body = answer.content.decode().replace(answer["X-Request-ID"], "")
        return (answer.status_code, tuple(sorted(kept.items())), body)


@pytest.mark.urls("personalq.urls")
def test_error_page_stands_in_the_frame(quiet_client: Client, caplog: pytest.LogCaptureFixture) -> None:
    page = quiet_client.get("/no/such/page", headers={"Accept": "text/html"}).content.decode()
    assert "There is nothing at this address." in page
    assert "could not be rendered" not in caplog.text


class User:
    is_authenticated = True


def test_handler404_tells_people_of_the_api_the_truth() -> None:
    request = RequestFactory().get("/api/x")
    request.user = AnonymousUser()
    assert handler404(request, Exception()).status_code == 401
    request.user = User()  # type: ignore[assignment]
    assert handler404(request, Exception()).status_code == 404


def test_page_that_does_not_exist_is_a_404_page(quiet_client: Client) -> None:
    answer = quiet_client.get("/no/such/page", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "text/html" in answer["Content-Type"]


def test_unknown_host_is_a_400(quiet_client: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["good.example"]
    answer = quiet_client.get("/page/redirect", headers={"Host": "evil.example", "Accept": "application/json"})
    assert answer.status_code in {301, 400}
    assert "evil" not in answer.content.decode()


def test_csrf_failure_keeps_its_reason_to_itself(settings: Settings) -> None:
    request = RequestFactory().post("/page", headers={"Accept": "application/json"})
    assert json.loads(csrf_failure(request, CANARY).content)["code"] == "csrf_failed"
    assert CANARY not in csrf_failure(request, CANARY).content.decode()


def test_error_page_appears_also_when_its_frame_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> str:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(error_pages, "render_to_string", fail)
    page = error_pages.error_page(errors.NotFound("<script>alert(1)</script>."), RequestFactory().get("/"))
    assert "<h1>There is nothing at this address.</h1>" in page
    assert all(f'href="{static(f"css/{name}.css")}"' in page for name in error_pages.STYLE_SHEETS)
    assert "<script>" not in page
    assert CANARY not in page
