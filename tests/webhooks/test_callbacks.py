"""Callbacks of outside runners: which are taken, and what becomes of the attempt."""

import json
from secrets import token_urlsafe
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from personalq.lib import sealing
from personalq.lib.errors import InvalidInput
from tasks import lifecycle, reports, targets
from tasks.claims import ClaimLost
from tasks.desk import SECRET_BYTES
from tasks.models import ExpectedReport, RunnerTarget
from tasks.states import Status
from tests.clients import fresh_client
from tests.makers import assert_history_is_legal, kinds
from tests.webhooks.making import SECRET, TARGET, Waiting, call_back, make_credential, make_waiting
from tests.wire.cursor_runner import OWN_SECRET, succeeded, timed_out

pytestmark = [pytest.mark.django_db, pytest.mark.security]

CAPTURED = {
    "success": (succeeded("stub reply"), Status.COMPLETE, {"exit_code": 0}),
    "all fields": (succeeded("x", repository="demo", branchName="main"), Status.COMPLETE, {"branch": "main"}),
    "exit 3": (succeeded("partial", error="fatal: model refused", exitCode=3), Status.FAILED, {"exit_code": 3}),
    "sigkill": (succeeded(""), Status.FAILED, {"exit_code": 0}),
    "timeout": (timed_out(), Status.FAILED, {"error_code": "target_failed"}),
    "no prompt": (
        {"success": False, "error": "prompt is required", "exitCode": 1, "duration": "0ms"},
        Status.FAILED,
        {"exit_code": 1, "error_code": "target_failed"},
    ),
}  # fmt: skip


# Other types, other lengths, and what would mean something to Redis or to SQL.
ODD_IDS = [
    None, 0, 5, -1, 1.5, True, False, [], ["b9c8a7f0-0000-4000-8000-000000000000"], {}, {"a": 1}, "", " ", "req-1",
    "x" * 201, "x" * 100_000, "\r\nFLUSHALL\r\n", "*3\r\n$3\r\nSET", "a\x1bb", "' OR 1=1 --", "../../x", "%00", "*",
    "b9c8a7f000004000800000000000000000", "{b9c8a7f0-0000-4000-8000-000000000000}",
    "b9c8a7f0-0000-4000-8000-00000000000\uff10",
]  # fmt: skip


def unchanged(waiting: Waiting) -> bool:
    waiting.expected.refresh_from_db()
    return waiting.now.state == Status.RUNNING and waiting.expected.taken_at is None


class TestGoodCallbacks:
    def test_first_one_completes_the_task(self, waiting: Waiting) -> None:
        answer = call_back(waiting)
        assert (answer.status_code, answer.json()) == (
            200,
            {"received": True, "changed": True, "requestId": waiting.request_id},
        )
        task = waiting.now
        assert (task.state, task.result, task.parked_at) == (Status.COMPLETE, "hello", None)
        assert kinds(task)[-2:] == ["task_output", "task_completed"]
        assert_history_is_legal(task)
        waiting.expected.refresh_from_db()
        assert waiting.expected.taken_at is not None

    @pytest.mark.parametrize(("body", "status", "facts"), CAPTURED.values(), ids=CAPTURED.keys())
    def test_every_recorded_kind_ends_as_it_should(
        self, body: dict[str, Any], status: Status, facts: dict[str, Any], waiting: Waiting
    ) -> None:
        assert call_back(waiting, {"requestId": waiting.request_id, **body}).json()["changed"] is True
        assert waiting.now.state == status
        assert facts.items() <= waiting.task.events.order_by("-id").values_list("data", flat=True)[0].items()

    def test_output_of_a_failure_is_kept_in_the_history(self, waiting: Waiting) -> None:
        call_back(waiting, waiting.body(output="partial", exitCode=3))
        task = waiting.now
        assert (task.error_code, task.result) == ("target_failed", None)
        assert task.events.get(kind="task_output").data["text"] == "partial"

    def test_either_header_will_do_and_both_if_they_agree(self, owner: User) -> None:
        for headers in (
            {"X_Cursor_Runner_Secret": SECRET},
            {"X_Webhook_Secret": SECRET, "X_Cursor_Runner_Secret": SECRET},
        ):
            waiting = make_waiting(owner)
            assert call_back(waiting, secret=None, **headers).json()["changed"] is True

    def test_request_id_may_be_absent_when_the_attempts_secret_is_there(self, waiting: Waiting) -> None:
        assert call_back(waiting, succeeded("x")).json()["changed"] is True

    def test_output_is_freed_of_escape_sequences(self, waiting: Waiting) -> None:
        call_back(waiting, waiting.body(output="\x1b[31mred\x1b]0;t\x07\x9b0m!"))
        assert waiting.now.result == "red!"

    def test_output_longer_than_the_agents_limit_is_cut_and_said_to_be(self, owner: User) -> None:
        waiting = make_waiting(owner, output_limit_bytes=1_024)
        call_back(waiting, waiting.body(output="ü" * 2_000))
        task = waiting.now
        assert task.error_code == "output_too_large"
        assert (
            "".join(event.data["text"] for event in task.events.filter(kind="task_output").order_by("id")) == "ü" * 512
        )

    def test_long_output_becomes_events_in_order(self, owner: User) -> None:
        waiting = make_waiting(owner)
        text = "".join(f"{n}\n" for n in range(10_000))
        call_back(waiting, waiting.body(output=text))
        pieces = [event.data for event in waiting.task.events.filter(kind="task_output").order_by("id")]
        assert "".join(piece["text"] for piece in pieces) == text == waiting.now.result
        assert [piece["offset"] for piece in pieces] == [n * reports.PIECE_CHARACTERS for n in range(len(pieces))]

    def test_output_that_is_no_text_costs_no_report(self, waiting: Waiting) -> None:
        body = json.dumps(waiting.body(output="a\x00b \ud83d c 🎉", error=None)).encode()
        assert call_back(waiting, body).json()["changed"] is True
        assert waiting.now.result == "a\ufffdb \ufffd c 🎉"

    def test_secrets_of_the_agent_are_masked(self, owner: User) -> None:
        waiting = make_waiting(owner, credential=make_credential(owner))
        call_back(waiting, waiting.body(output=f"env: {OWN_SECRET}", error=f"{OWN_SECRET}!", exitCode=1))
        assert OWN_SECRET not in json.dumps(list(waiting.task.events.values_list("data", flat=True)))
        assert OWN_SECRET not in waiting.now.error_detail

    @pytest.mark.parametrize("name", ["branchName", "reviewJustification", "duration", "error"])
    @pytest.mark.parametrize("ends_well", [True, False])
    def test_secret_where_a_text_is_cut_leaves_no_half(self, name: str, *, ends_well: bool, owner: User) -> None:
        waiting = make_waiting(
            owner, credential=make_credential(owner), config={"tolerates_stderr": True}, output_limit_bytes=10_000_000
        )
        half = OWN_SECRET[: len(OWN_SECRET) // 2]
        for length in (200, 500):
            text = "x" * (length - len(half) - 1) + OWN_SECRET + "x" * 10_000
            body = waiting.body(**{name: text}, exitCode=0 if ends_well else 1)
            assert call_back(waiting, body).status_code == 200
            assert half not in json.dumps(list(waiting.task.events.values_list("data", flat=True)))
            assert half not in waiting.now.error_detail
            waiting = make_waiting(owner, credential=waiting.agent.credential, config={"tolerates_stderr": True})

    @pytest.mark.parametrize("ends_well", [True, False])
    def test_secret_of_the_attempt_is_masked_as_well(self, owner: User, *, ends_well: bool) -> None:
        secret = token_urlsafe(SECRET_BYTES)
        waiting = make_waiting(owner, secret=secret)
        told = {"output": f"It was {secret}.", "branchName": secret, "error": None if ends_well else f'"{secret}"'}
        call_back(waiting, waiting.body(**told), secret=secret)
        task = waiting.now
        assert task.state == (Status.COMPLETE if ends_well else Status.FAILED)
        kept = [task.result, task.error_detail, *task.events.values_list("data", flat=True)]
        assert secret not in json.dumps(kept)

    def test_tolerant_agent_takes_a_warning_for_what_it_is(self, owner: User) -> None:
        for tolerates, status in ((True, Status.COMPLETE), (False, Status.FAILED)):
            waiting = make_waiting(owner, config={"tolerates_stderr": tolerates})
            call_back(waiting, waiting.body(output="ok", error="warning: deprecated flag"))
            assert waiting.now.state == status

    def test_usage_is_kept(self, waiting: Waiting) -> None:
        call_back(waiting, waiting.body(usage={"inputTokens": 11, "outputTokens": 7}))
        task = waiting.now
        assert (task.tokens_in, task.tokens_out) == (11, 7)

    def test_report_shows_that_the_runner_is_alive(self, waiting: Waiting) -> None:
        for _ in range(targets.PATIENCE):
            targets.note_failure(owner_id=waiting.task.owner_id, base_url=TARGET)
        call_back(waiting, waiting.body(exitCode=1))
        assert RunnerTarget.objects.get().failures == 0

    def test_callback_that_comes_before_its_work_is_parked_counts(self, owner: User) -> None:
        waiting = make_waiting(owner, is_parked=False)
        assert call_back(waiting).json()["changed"] is True
        with pytest.raises(ClaimLost):
            lifecycle.park(claim=waiting.claim)
        assert waiting.now.state == Status.COMPLETE


class TestRunnersOwnSecret:
    @pytest.fixture
    def waiting(self, owner: User) -> Waiting:
        return make_waiting(owner, credential=make_credential(owner))

    def test_one_that_is_too_short_to_be_a_secret_opens_nothing(self, owner: User, waiting: Waiting) -> None:
        credential = waiting.agent.credential
        assert credential is not None
        # Kept before there was a shortest length.
        sealed = sealing.seal("twelve-chars", context=sealing.context_of(credential, "sealed_secret"))
        type(credential).objects.filter(pk=credential.pk).update(sealed_secret=sealed)
        assert call_back(waiting, secret="twelve-chars").status_code == 401
        with pytest.raises(InvalidInput):
            make_credential(owner, secret="twelve-chars")

    def test_with_the_attempts_request_id_it_is_good(self, waiting: Waiting) -> None:
        assert call_back(waiting, secret=OWN_SECRET).json()["changed"] is True

    @pytest.mark.parametrize("request_id", [None, "", "b9c8a7f0-0000-4000-8000-000000000000"])
    def test_without_it_it_is_not(self, request_id: str | None, waiting: Waiting) -> None:
        answer = call_back(waiting, waiting.body(requestId=request_id), secret=OWN_SECRET)
        assert answer.status_code == (401 if request_id else 400)
        assert unchanged(waiting)

    def test_request_id_of_another_attempt_of_the_same_runner_is_not(self, owner: User, waiting: Waiting) -> None:
        other = make_waiting(owner, credential=waiting.agent.credential)
        answer = call_back(waiting, other.body(), secret=OWN_SECRET)
        assert answer.status_code == 401
        assert unchanged(waiting)
        assert unchanged(other)

    def test_credential_of_another_provider_opens_nothing(self, owner: User) -> None:
        waiting = make_waiting(owner, credential=make_credential(owner, "command"))
        assert call_back(waiting, secret=OWN_SECRET).status_code == 401

    def test_credential_of_another_agent_opens_nothing(self, owner: User, waiting: Waiting) -> None:
        other = make_waiting(owner)
        assert call_back(other, secret=OWN_SECRET).status_code == 401

    def test_credential_that_cannot_be_read_leaves_the_attempts_secret(
        self, waiting: Waiting, settings: Settings
    ) -> None:
        credential = waiting.agent.credential
        assert credential is not None
        other = make_credential(credential.owner)
        type(credential).objects.filter(pk=credential.pk).update(sealed_secret=other.sealed_secret)
        assert call_back(waiting, secret=OWN_SECRET).status_code == 401
        assert call_back(waiting).json()["changed"] is True


FORGED = {
    "no secret": {"secret": None},
    "empty": {"secret": ""},
    "blank": {"secret": " "},
    "None": {"secret": "None"},
    "wrong": {"secret": "another-secret"},
    "prefix": {"secret": SECRET[:-1]},
    "longer": {"secret": f"{SECRET}x"},
    "non-ascii": {"secret": "gehëim"},
    "too long": {"secret": "x" * 2_000},
    "two that differ": {"X_Cursor_Runner_Secret": "another"},
    "two that differ, the other way": {"secret": "another", "X_Cursor_Runner_Secret": SECRET},
    "empty beside the right one": {"X_Cursor_Runner_Secret": ""},
    "another header": {"secret": None, "X_Callback_Secret": SECRET},
    "bearer": {"secret": None, "Authorization": f"Bearer {SECRET}"},
}


class TestForgedCallbacks:
    @pytest.mark.parametrize("options", FORGED.values(), ids=FORGED.keys())
    def test_change_nothing(self, options: dict[str, Any], waiting: Waiting) -> None:
        answer = call_back(waiting, **options)
        assert (answer.status_code, answer.json()["code"]) == (401, "callback_refused")
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert unchanged(waiting)

    def test_answer_is_the_same_whether_the_task_exists_or_not(self, waiting: Waiting) -> None:
        addresses = (
            waiting.address,
            f"/webhooks/runner/{waiting.task.uuid}/2",
            f"/webhooks/runner/{waiting.task.uuid}/999999999",
            "/webhooks/runner/00000000-0000-4000-8000-000000000000/1",
        )
        bodies = []
        for address in addresses:
            for body in (b"", b"not json", json.dumps(waiting.body()).encode()):
                answer = call_back(waiting, body, address=address, secret="wrong")
                document = answer.json()
                del document["request_id"]
                bodies.append((answer.status_code, document, answer.headers["WWW-Authenticate"]))
        assert all(each == bodies[0] for each in bodies)
        assert bodies[0][0] == 401

    def test_unknown_attempts_are_compared_as_carefully_as_known_ones(self, waiting: Waiting) -> None:
        counts = []
        for expected in (waiting.expected, None):
            with mock.patch.object(reports, "constant_time_compare", return_value=False) as compare:
                reports.proof_of(expected, "wrong")
            counts.append(compare.call_count)
        assert counts == [2, 2]

    def test_secret_of_another_attempt_opens_nothing(self, owner: User, waiting: Waiting) -> None:
        make_waiting(owner, secret="secret-of-another-attempt")
        assert call_back(waiting, secret="secret-of-another-attempt").status_code == 401
        assert unchanged(waiting)

    def test_digest_that_is_kept_opens_nothing(self, waiting: Waiting) -> None:
        assert call_back(waiting, secret=waiting.expected.secret_digest).status_code == 401

    @pytest.mark.parametrize("query", ["secret={}", "admin_secret={}", "a=b", "keep=1&secret={}"])
    def test_secret_in_the_address_is_refused_and_logged_nowhere(
        self, query: str, waiting: Waiting, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        address = f"{waiting.address}?{query.format(SECRET)}"
        for secret in (None, SECRET):
            answer = call_back(waiting, address=address, secret=secret)
            assert (answer.status_code, answer.json()["code"]) == (400, "query_refused")
        assert unchanged(waiting)
        assert SECRET not in caplog.text

    @pytest.mark.parametrize(
        ("options", "secret"),
        [
            ({"secret": None}, "missing"),
            ({"secret": "wrong-one"}, "present"),
            ({"X_Cursor_Runner_Secret": "b"}, "contradictory"),
        ],
    )
    def test_refusal_is_in_the_audit_trail_without_the_secret(
        self, options: dict[str, Any], secret: str, waiting: Waiting
    ) -> None:
        call_back(waiting, **options)
        event = AuditEvent.objects.get(kind="door.refused")
        assert (event.object_kind, event.object_uuid) == ("task", waiting.task.uuid)
        assert event.owner_uuid == waiting.agent.owner.uuid
        assert event.facts == {"door_kind": "runner", "secret": secret}

    def test_refusal_is_logged_without_the_secret(self, waiting: Waiting, caplog: pytest.LogCaptureFixture) -> None:
        call_back(waiting, secret="planted-wrong-secret")
        assert f"A request to runner {waiting.task.uuid} was refused; secret: present." in caplog.text
        assert "planted" not in caplog.text

    def test_too_many_of_them_are_answered_429_and_good_ones_still_taken(
        self, waiting: Waiting, settings: Settings
    ) -> None:
        settings.PERSONALQ_RATE_DOOR_FAILURE = "3/h"
        statuses = [call_back(waiting, secret="wrong", REMOTE_ADDR="x").status_code for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        assert call_back(waiting).json()["changed"] is True


class TestMismatchedCallbacks:
    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"requestId": "b9c8a7f0-0000-4000-8000-000000000000"}, 400),
            ({"requestId": "req-1"}, 400),
            ({"requestId": "x" * 5_000}, 400),
            ({"request_id": "b9c8a7f0-0000-4000-8000-000000000000"}, 400),
            ({"success": "perhaps"}, 400),
            ({"success": None}, 400),
            ({"exitCode": 256}, 400),
            ({"iterations": -1}, 400),
            ({"exitCode": 0, "exit_code": 1}, 400),
            ({"output": {"a": 1}}, 400),
        ],
    )
    def test_change_nothing(self, changes: dict[str, Any], status: int, waiting: Waiting) -> None:
        answer = call_back(waiting, waiting.body(**changes))
        assert (answer.status_code, answer.json()["code"]) == (status, "validation_error")
        assert unchanged(waiting)

    @pytest.mark.parametrize("name", ["requestId", "request_id"])
    @pytest.mark.parametrize("value", ODD_IDS, ids=repr)
    def test_request_id_that_is_no_uuid_is_refused(self, name: str, value: Any, waiting: Waiting) -> None:
        """A-128, A-135."""
        body = {key: told for key, told in waiting.body().items() if key != "requestId"} | {name: value}
        answer = call_back(waiting, body)
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["field"], error["code"]) == (400, "requestId", "invalid")
        assert len(answer.content) < 2_000
        assert unchanged(waiting)

    def test_request_id_in_capitals_is_the_same_id(self, waiting: Waiting) -> None:
        assert call_back(waiting, waiting.body(requestId=waiting.request_id.upper())).json()["changed"] is True

    @pytest.mark.parametrize(
        "body",
        [
            b" ",
            b"{",
            b"[]",
            b"null",
            b'"x"',
            b'{"success": true, "success": false}',
            b'{"success": NaN}',
            b"\xff\xfe{}",
            b"\xef\xbb\xbf{}",
            b'{"a":' * 10_000,
            b'{"success": true, "iterations": ' + b"9" * 5_000 + b"}",
        ],
    )
    def test_malformed_bodies(self, body: bytes, waiting: Waiting) -> None:
        assert call_back(waiting, body).status_code == 400
        assert unchanged(waiting)

    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
    )
    def test_other_media_types(self, kind: str, waiting: Waiting) -> None:
        assert call_back(waiting, Content_Type=kind).status_code == 415
        assert unchanged(waiting)

    def test_body_beyond_the_limit(self, waiting: Waiting, settings: Settings) -> None:
        settings.PERSONALQ_BODY_LIMITS = {"/webhooks/runner": 1_000}
        assert call_back(waiting, waiting.body(output="x" * 1_000)).status_code == 413
        assert unchanged(waiting)

    @pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
    def test_other_methods(self, method: str, waiting: Waiting) -> None:
        answer = getattr(fresh_client(), method)(waiting.address, headers={"X-Webhook-Secret": SECRET}, secure=True)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")

    @pytest.mark.parametrize("ending", ["/", "/1/", "/0", "/01", "/-1", "/1.5", "/9999999999", "/x", "//1", ""])
    def test_addresses_that_are_none(self, ending: str, waiting: Waiting) -> None:
        answer = call_back(waiting, address=f"/webhooks/runner/{waiting.task.uuid}{ending}")
        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("application/problem+json")


class TestLateCallbacks:
    def test_repeated_one_changes_nothing(self, waiting: Waiting) -> None:
        call_back(waiting)
        before = (waiting.now.updatedat, kinds(waiting.task))
        answer = call_back(waiting, waiting.body(output="something else"))
        assert (answer.status_code, answer.json()["changed"]) == (200, False)
        assert (waiting.now.updatedat, kinds(waiting.task)) == before

    def test_after_a_cancel(self, owner: User, waiting: Waiting) -> None:
        lifecycle.cancel(actor=owner, task=waiting.task)
        assert call_back(waiting).json()["changed"] is False
        assert waiting.now.state == Status.CANCELLED

    def test_about_an_attempt_that_was_followed_by_another(self, owner: User, waiting: Waiting) -> None:
        call_back(waiting, waiting.body(exitCode=1))
        lifecycle.retry(actor=owner, task=waiting.task)
        lifecycle.claim(queue_id=waiting.agent.queue_id, worker="test")
        assert waiting.now.attempts == 2
        assert call_back(waiting).json()["changed"] is False
        assert waiting.now.state == Status.RUNNING

    def test_secret_of_an_attempt_is_not_good_for_the_next_one(self, owner: User, waiting: Waiting) -> None:
        call_back(waiting, waiting.body(exitCode=1))
        lifecycle.retry(actor=owner, task=waiting.task)
        lifecycle.claim(queue_id=waiting.agent.queue_id, worker="test")
        assert call_back(waiting, address=f"/webhooks/runner/{waiting.task.uuid}/2").status_code == 401

    def test_malformed_one_is_still_malformed(self, waiting: Waiting) -> None:
        call_back(waiting)
        assert call_back(waiting, b"{").status_code == 400


def test_database_that_is_away_answers_503_and_nothing_is_lost(waiting: Waiting) -> None:
    with mock.patch.object(ExpectedReport.objects, "select_related", side_effect=OperationalError("gone")):
        answer = call_back(waiting)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]
    assert call_back(waiting).json()["changed"] is True
