"""One word for everybody, the reasons for operators, and never an error."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from openapi_schema_validator import OAS31Validator

from accounts.models import User
from personalq.api_about import openapi_document
from personalq.lib.readiness import Finding, Line, Lookout
from tasks import readiness
from tests.clients import fresh_client
from tests.makers import make_user
from tests.tasks.api.client import Api

pytestmark = pytest.mark.django_db

OK = {"status": "ok"}
NOT_OK = {"status": "not ok"}


def pretend(monkeypatch: pytest.MonkeyPatch, *, is_ok: bool) -> None:
    """Let the look find this, so that these tests are about the answers alone."""
    finding = Finding(is_ok, {"seen": [{"name": "worker:db-7.internal:12"}]})
    monkeypatch.setattr(readiness, "lookout", Lookout([Line({"workers": lambda: finding})], kept_seconds=0))


@pytest.fixture(params=["/readyz", "/readyz/"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestOneWord:
    def test_is_ok_when_ready(self, path: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(monkeypatch, is_ok=True)
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, OK)

    @pytest.mark.security
    def test_is_not_ok_otherwise_and_tells_no_reason(
        self, path: str, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pretend(monkeypatch, is_ok=False)
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (503, NOT_OK)

    def test_operator_gets_no_more_here(self, operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(monkeypatch, is_ok=False)
        client = fresh_client()
        client.force_login(operator)
        assert client.get("/readyz").json() == NOT_OK

    def test_is_not_kept_by_anybody(self, path: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        for is_ok in (True, False):
            pretend(monkeypatch, is_ok=is_ok)
            assert client.get(path).headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("is_ok", [True, False])
    def test_answers_under_any_name_and_without_https(
        self, path: str, client: Client, monkeypatch: pytest.MonkeyPatch, *, is_ok: bool
    ) -> None:
        pretend(monkeypatch, is_ok=is_ok)
        assert client.get(path, headers={"Host": "10.0.0.7"}).status_code == (200 if is_ok else 503)

    def test_head_has_the_status_and_no_body(self, path: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(monkeypatch, is_ok=False)
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (503, b"")

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
    def test_takes_no_other_method(self, path: str, method: str, client: Client) -> None:
        assert client.generic(method, path).status_code == 405

    @pytest.mark.security
    def test_is_not_ok_when_not_even_the_question_can_be_asked(
        self, path: str, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_line: Line) -> None:
            raise RuntimeError("can't start new thread")

        pretend(monkeypatch, is_ok=True)
        monkeypatch.setattr(Line, "begin", fail)
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (503, NOT_OK)

    def test_healthz_stays_ok_meanwhile(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(monkeypatch, is_ok=False)
        assert client.get("/healthz").status_code == 200


class TestReasons:
    @pytest.mark.parametrize("is_ok", [True, False])
    def test_operator_reads_them(self, as_operator: Api, monkeypatch: pytest.MonkeyPatch, *, is_ok: bool) -> None:
        pretend(monkeypatch, is_ok=is_ok)
        answer = as_operator.get("readiness")
        assert answer.status_code == 200
        assert answer.json() == {
            "is_ready": is_ok,
            "checks": [{"name": "workers", "is_ok": is_ok, "facts": {"seen": [{"name": "worker:db-7.internal:12"}]}}],
        }

    def test_operator_reads_them_with_a_session(self, operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(monkeypatch, is_ok=True)
        client = fresh_client()
        client.force_login(operator)
        assert client.get("/api/v1/readiness", secure=True).status_code == 200

    @pytest.mark.security
    def test_others_do_not(self, as_alice: Api, anonymous: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(monkeypatch, is_ok=True)
        assert [api.get("readiness").status_code for api in (as_alice, anonymous)] == [403, 401]

    @pytest.mark.security
    def test_member_of_staff_needs_the_permission(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(monkeypatch, is_ok=True)
        erin = make_user("erin", is_staff=True)
        assert Api(erin).get("readiness").status_code == 403
        erin.user_permissions.add(Permission.objects.get(codename="view_heartbeat"))
        assert Api(erin).get("readiness").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_real_reasons_fit_the_document(as_operator: Api) -> None:
    readiness.lookout.forget()
    body: Any = as_operator.get("readiness").json()
    schema = {"$ref": "#/components/schemas/Readiness", "components": openapi_document()["components"]}
    assert [error.message for error in OAS31Validator(schema).iter_errors(body)] == []
    assert [check["name"] for check in body["checks"]] == list(readiness.NAMES)
