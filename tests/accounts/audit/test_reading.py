"""People read what concerns them in the audit trail, operators everything, and nobody the keys of the chain."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEvent, User
from accounts.models.audit_event import Outcome
from tests.accounts.clients import SecureClient
from tests.makers import make_token, make_user
from tests.tasks.api.client import Api

pytestmark = [pytest.mark.django_db, pytest.mark.security]

PATH = "/api/v1/audit-events"
PAGE = "/account/activity"


@pytest.fixture
def acts(alice: User, bob: User) -> None:
    audit.record("own.deed", Outcome.DONE, actor=alice)
    audit.record("hers.touched", Outcome.DENIED, actor=bob, owner=alice, about=("thing", alice.uuid), why="<b>not</b>")
    audit.record("bobs.deed", Outcome.DONE, actor=bob)
    audit.record("nobodys.deed", Outcome.FAILED)


def kinds(answer: Any) -> list[str]:
    # Signing in for the test is an act as well.
    return [row["kind"] for row in answer.json()["results"] if row["kind"] != "sign_in.done"]


@pytest.mark.usefixtures("acts")
class TestApi:
    def test_user_reads_what_they_did_and_what_concerns_them(self, alice: User, bob: User) -> None:
        assert kinds(Api(alice).get(PATH)) == ["hers.touched", "own.deed"]
        assert kinds(Api(bob).get(PATH)) == ["bobs.deed", "hers.touched"]

    def test_row_shows_everything_but_the_chain(self, alice: User, bob: User) -> None:
        event = AuditEvent.objects.get(kind="hers.touched")
        AuditEvent.objects.filter(pk=event.pk).update(number=4711, seal="a" * 64, key_id="b" * 16)
        answer = Api(alice).get(PATH, kind="hers.touched")
        (row,) = answer.json()["results"]
        assert row == {
            "uuid": str(event.uuid),
            "number": 4711,
            "at": row["at"],
            "kind": "hers.touched",
            "outcome": "denied",
            "actor": "bob",
            "object": {"kind": "thing", "uuid": str(alice.uuid)},
            "address": None,
            "request_id": None,
            "facts": {"why": "<b>not</b>"},
        }
        for secret in ("a" * 64, "b" * 16, event.origin):
            assert secret not in answer.content.decode()

    def test_list_can_be_narrowed(self, alice: User) -> None:
        api = Api(alice)
        assert kinds(api.get(PATH, outcome="denied")) == ["hers.touched"]
        assert kinds(api.get(PATH, kind="own.deed")) == ["own.deed"]
        moment = timezone.now() + timedelta(minutes=1)
        assert kinds(api.get(PATH, since=moment.strftime("%Y-%m-%dT%H:%M:%SZ"))) == []
        moment -= timedelta(hours=1)
        assert len(kinds(api.get(PATH, since=moment.strftime("%Y-%m-%dT%H:%M:%SZ")))) == 2

    @pytest.mark.parametrize(
        "query",
        [{"outcome": "other"}, {"kind": "a\x00b"}, {"kind": "x" * 49}, {"since": "now"}, {"all": "1"}, {"x": "y"}],
    )
    def test_wrong_query_is_refused(self, alice: User, query: dict[str, str]) -> None:
        assert Api(alice).get(PATH, **query).status_code == 400

    def test_operator_reads_everything_when_asked_to(self, operator: User) -> None:
        assert kinds(Api(operator).get(PATH)) == []
        assert kinds(Api(operator).get(PATH, all="true")) == ["nobodys.deed", "bobs.deed", "hers.touched", "own.deed"]
        assert kinds(Api(operator).get(PATH, all="false")) == []

    def test_others_do_not(self, alice: User) -> None:
        assert Api(alice).get(PATH, all="true").status_code == 403

    def test_staff_needs_the_permission(self) -> None:
        helper = make_user("harry", is_staff=True)
        assert Api(helper).get(PATH, all="true").status_code == 403
        helper.user_permissions.add(Permission.objects.get(codename="view_auditevent"))
        assert Api(helper).get(PATH, all="true").status_code == 200

    def test_personal_token_needs_the_scope(self, alice: User) -> None:
        answer = Api(token=make_token(alice, "tasks:read").text).get(PATH)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        assert Api(token=make_token(alice, "audit:read").text).get(PATH).status_code == 200

    def test_pages_go_on_where_the_last_one_ended(self, alice: User) -> None:
        api = Api(alice)
        first = api.get(PATH, page_size="1", kind="own.deed").json()
        assert first["next"] is None
        for _ in range(4):
            audit.record("own.deed", Outcome.DONE, actor=alice)
        found, address = [], f"{PATH}?kind=own.deed&page_size=2"
        while address:
            page = api.get(address).json()
            found += [row["uuid"] for row in page["results"]]
            address = page["next"]
        assert len(found) == len(set(found)) == 5


@pytest.mark.usefixtures("acts")
class TestPage:
    def test_shows_what_concerns_whoever_looks(self, signed_in: SecureClient) -> None:
        shown = signed_in.get(PAGE).content.decode()
        assert "Hers touched" in shown
        assert "Own deed" in shown
        assert "Bobs deed" not in shown
        assert "Nobodys deed" not in shown

    def test_says_who_did_it_and_escapes_facts(self, signed_in: SecureClient) -> None:
        shown = signed_in.get(PAGE).content.decode()
        assert "bob" in shown
        assert "why: &lt;b&gt;not&lt;/b&gt;" in shown
        assert "<b>not" not in shown

    def test_can_be_narrowed_to_an_outcome(self, signed_in: SecureClient) -> None:
        shown = signed_in.get(PAGE, {"outcome": "denied"}).content.decode()
        assert "Hers touched" in shown
        assert "Own deed" not in shown

    def test_every_outcome_can_be_chosen(self, signed_in: SecureClient) -> None:
        shown = signed_in.get(PAGE).content.decode()
        assert [each for each in Outcome.values if f'?outcome={each}">{each}</a>' not in shown] == []

    def test_names_whom_and_what_an_act_concerned(self, signed_in: SecureClient, alice: User, bob: User) -> None:
        audit.record("password.reset_asked", Outcome.DONE, actor=alice, owner=bob, about=("user", bob.uuid))
        audit.record("admin.changed", Outcome.DONE, actor=alice, owner=bob, about=("credential", bob.uuid))
        audit.record("user.changed", Outcome.DONE, actor=bob, owner=alice, about=("user", alice.uuid))
        shown = signed_in.get(PAGE).content.decode()
        for told in ("reset asked: <bdi>bob", "Admin changed: <bdi>credential of bob", "User changed: <bdi>you"):
            assert told in shown

    def test_refused_act_gives_away_nobodys_name(self, signed_in: SecureClient, alice: User) -> None:
        hidden = make_user("hidden")
        audit.record("authz.denied", Outcome.DENIED, actor=alice, owner=hidden, about=("task", hidden.uuid))
        audit.record("authz.denied", Outcome.DENIED, actor=alice, owner=hidden, about=("user", hidden.uuid))
        shown = signed_in.get(PAGE).content.decode()
        assert "Authz denied: <bdi>task</bdi>" in shown
        assert "hidden</bdi>" not in shown

    def test_digest_of_a_name_is_not_shown(self, signed_in: SecureClient, alice: User) -> None:
        audit.record("sign_in.failed", Outcome.DENIED, owner=alice, name="0" * 32)
        shown = signed_in.get(PAGE).content.decode()
        assert "Sign in failed" in shown
        assert "0" * 32 not in shown

    def test_number_of_queries_does_not_grow(
        self, signed_in: SecureClient, alice: User, django_assert_max_num_queries: Any
    ) -> None:
        for number in range(60):
            audit.record("own.deed", Outcome.DONE, actor=alice, number_of=number)
        with django_assert_max_num_queries(14):
            shown = signed_in.get(PAGE).content.decode()
        assert "Older →" in shown

    def test_is_linked_from_every_page(self, signed_in: SecureClient) -> None:
        assert f'href="{PAGE}"' in signed_in.get("/").content.decode()

    def test_strangers_are_led_to_sign_in(self, client: SecureClient) -> None:
        assert client.get(PAGE)["Location"] == f"/sign-in?next={PAGE}"
