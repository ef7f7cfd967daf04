"""Asking for bulk actions, watching and stopping them; and the dead letters that are retried or discarded in bulk."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import User
from tasks import bulk, lifecycle
from tasks.claims import Claim
from tasks.models import Agent, BulkAction, Task
from tasks.states import WORDS
from tests.makers import claim_next, make_agent, make_queue, make_running, make_task, make_user
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db
CANCEL_ALL = {"action": "cancel", "filter": {"all": True}}


def carry_out(answer: Any) -> BulkAction:
    action = BulkAction.objects.get(uuid=answer.json()["uuid"])
    bulk.advance(action.pk)
    action.refresh_from_db()
    return action


def make_dead(agent: Agent, **fields: Any) -> Task:
    task = make_task(agent, **fields)
    Task.objects.filter(pk=task.pk).update(max_attempts=1)
    assert claim_next(agent.queue) == task
    return lifecycle.fail(claim=Claim(task.pk, 1), code="command_try_later")


def titles(response: Any) -> list[str]:
    return [row["title"] for row in response.json()["results"]]


class TestAsking:
    def test_is_accepted_with_an_address_that_tells_the_progress(self, as_alice: Api, agent: Agent) -> None:
        make_task(agent)
        answer = as_alice.post("bulk-actions", {**CANCEL_ALL, "reason": "enough"})
        body = answer.json()
        assert answer.status_code == 202
        assert answer.headers["Location"] == body["url"]
        assert as_alice.get(body["url"]).json() == body
        uuid, created_at = body.pop("uuid"), body.pop("created_at")
        assert uuid in body.pop("url")
        assert created_at.endswith("Z")
        assert body == {
            "action": "cancel", "filter": {"all": True}, "queue": None, "reason": "enough", "status": "waiting",
            "total": 1, "processed": 0, "changed": 0, "skipped": 0, "errors": [],
            "started_at": None, "finished_at": None, "by": "alice",
        }  # fmt: skip

    def test_progress_is_told(self, as_alice: Api, agent: Agent) -> None:
        make_task(agent)
        _, claim = make_running(agent)
        answer = as_alice.post("bulk-actions", CANCEL_ALL)
        lifecycle.complete(claim=claim, result="")
        carry_out(answer)
        body = as_alice.get(answer.json()["url"]).json()
        numbers = {name: body[name] for name in ("status", "total", "processed", "changed", "skipped", "errors")}
        assert numbers == {
            "status": "complete", "total": 2, "processed": 2, "changed": 1, "skipped": 1,
            "errors": [{"code": "illegal_transition", "count": 1}],
        }  # fmt: skip
        assert body["started_at"] <= body["finished_at"]

    def test_move_names_its_queue(self, as_alice: Api, agent: Agent, alice: User) -> None:
        slow, task = make_queue(alice, name="slow"), make_task(agent)
        answer = as_alice.post("bulk-actions", {"action": "move", "filter": {"agent": "scribe"}, "queue": "slow"})
        assert answer.json()["queue"] == "slow"
        carry_out(answer)
        task.refresh_from_db()
        assert task.queue == slow

    def test_sixth_is_a_conflict(self, as_alice: Api, agent: Agent) -> None:
        answers = [as_alice.post("bulk-actions", CANCEL_ALL) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [202] * 5 + [409]
        assert answers[-1].json()["code"] == "too_many_bulk_actions"

    def test_counts_as_changing_tasks(self, as_alice: Api, settings: Any) -> None:
        settings.PERSONALQ_RATE_TASK_CHANGE = "1/h"
        answers = [as_alice.post(path) for path in ("dead-letters/retry", "dead-letters/discard", "bulk-actions")]
        assert [answer.status_code for answer in answers] == [202, 429, 429]

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, {"action": "required", "filter": "required"}),
            ({"action": "cancel", "filter": {}}, {"filter": "empty"}),
            ({"action": "cancel", "filter": {"all": False}}, {"filter": "empty"}),
            ({"action": "cancel", "filter": {"owner": "all"}}, {"filter": "empty"}),
            ({"action": "cancel", "filter": {"all": True, "dead": True}}, {"filter.all": "ambiguous"}),
            ({"action": "cancel", "filter": {"all": 1}}, {"filter.all": "invalid"}),
            ({"action": "cancel", "filter": {"all": None}}, {"filter.all": "null"}),
            ({"action": "cancel", "filter": None}, {"filter": "null"}),
            ({"action": "cancel", "filter": []}, {"filter": "invalid"}),
            ({"action": "cancel", "filter": {"colour": "red"}}, {"filter.colour": "unknown_field"}),
            ({"action": "cancel", "filter": {"id__gt": 0}}, {"filter.id__gt": "unknown_field"}),
            ({"action": "cancel", "filter": {"status": "ready"}}, {"filter.status": "not_a_list"}),
            ({"action": "cancel", "filter": {"status": []}}, {"filter.status": "min_length"}),
            ({"action": "cancel", "filter": {"status": ["ready", "ready"]}}, {"filter.status": "repeated"}),
            ({"action": "cancel", "filter": {"status": ["READY"]}}, {"filter.status[0]": "invalid_choice"}),
            ({"action": "cancel", "filter": {"status": [0]}}, {"filter.status[0]": "invalid_choice"}),
            ({"action": "cancel", "filter": {"status": ["ready"] * 8}}, {"filter.status": "max_length"}),
            ({"action": "cancel", "filter": {"dead": "true"}}, {"filter.dead": "invalid"}),
            ({"action": "cancel", "filter": {"agent": ""}}, {"filter.agent": "blank"}),
            ({"action": "cancel", "filter": {"agent": "nobody"}}, {"filter.agent": "not_found"}),
            ({"action": "cancel", "filter": {"queue": "nowhere"}}, {"filter.queue": "not_found"}),
            ({"action": "cancel", "filter": {"source": "mail"}}, {"filter.source": "invalid_choice"}),
            ({"action": "cancel", "filter": {"search": "a" * 201}}, {"filter.search": "max_length"}),
            ({"action": "cancel", "filter": {"created_after": "2026-01-01"}}, {"filter.created_after": "invalid"}),
            ({"action": "cancel", "filter": {"created_before": 1}}, {"filter.created_before": "invalid"}),
            ({"action": "explode", "filter": {"all": True}}, {"action": "invalid_choice"}),
            ({"action": "move", "filter": {"all": True}}, {"queue": "required"}),
            ({"action": "move", "filter": {"all": True}, "queue": "nowhere"}, {"queue": "not_found"}),
            ({"action": "retry", "filter": {"all": True}, "queue": "default"}, {"queue": "unexpected"}),
            ({"action": "retry", "filter": {"all": True}, "reason": "r"}, {"reason": "unexpected"}),
            ({"action": "cancel", "filter": {"all": True}, "reason": "r" * 501}, {"reason": "max_length"}),
            ({"action": "cancel", "filter": {"all": True}, "status": "complete"}, {"status": "unknown_field"}),
        ],
    )
    def test_what_is_wrong_is_named(
        self, as_alice: Api, agent: Agent, body: dict[str, Any], expected: dict[str, str]
    ) -> None:
        answer = as_alice.post("bulk-actions", body)
        assert (answer.status_code, codes(answer)) == (400, expected)
        assert not BulkAction.objects.exists()


class TestFilter:
    """The same filter selects the same tasks as the list does."""

    @pytest.fixture(autouse=True)
    def tasks(self, agent: Agent, alice: User) -> None:
        slow = make_queue(alice, name="slow", concurrency_limit=50)
        other = make_agent(alice, name="other", queue=slow)
        make_dead(agent, title="dead 100%")
        lifecycle.archive(actor=alice, task=make_dead(agent, title="archived dead"))
        lifecycle.fail(claim=make_running(agent)[1], code="command_failed")
        make_running(other)
        lifecycle.complete(claim=make_running(other)[1], result="")
        lifecycle.cancel(actor=alice, task=make_task(other, title="a_b"))
        make_task(other, "in the prompt", source="web")
        make_task(other, is_backlogged=True)
        Task.objects.filter(agent=agent).update(createdat=timezone.now() - timedelta(days=2))
        make_task(make_agent(make_user("bob"), name="scribe"), "in the prompt")

    @pytest.mark.parametrize(
        "conditions",
        [
            {"all": True},
            {"status": ["ready"]},
            {"status": ["failed", "cancelled", "backlogged"]},
            {"status": list(WORDS)},
            {"agent": "scribe"},
            {"queue": "slow"},
            {"queue": "default", "status": ["failed"]},
            {"source": "web"},
            {"search": "%"},
            {"search": "_"},
            {"search": "IN THE"},
            {"dead": True},
            {"dead": False},
            {"dead": True, "agent": "other"},
            {"created_after": "yesterday"},
            {"created_before": "yesterday"},
        ],
    )
    @pytest.mark.parametrize("action", ["cancel", "retry", "archive", "move"])
    def test_means_those_of_the_list_that_allow_the_action(
        self, as_alice: Api, action: str, conditions: dict[str, Any]
    ) -> None:
        yesterday = (timezone.now() - timedelta(days=1)).isoformat().replace("+00:00", "Z")
        conditions = {name: yesterday if value == "yesterday" else value for name, value in conditions.items()}
        extra = {"queue": "away"} if action == "move" else {}
        as_alice.post("queues", {"name": "away"})
        answer = as_alice.post("bulk-actions", {"action": action, "filter": conditions, **extra})
        listed = as_alice.get("tasks", page_size=100, **as_query(conditions)).json()["results"]
        wanted = {row["uuid"] for row in listed if action in row["allowed"]}
        meant = BulkAction.objects.get(uuid=answer.json()["uuid"]).task_ids
        assert {str(task.uuid) for task in Task.objects.filter(pk__in=meant)} == wanted
        assert len(meant) == len(wanted) == answer.json()["total"]

    def test_some_conditions_are_worth_comparing(self, as_alice: Api) -> None:
        sizes = {len(as_alice.get("tasks", page_size=100, dead=word).json()["results"]) for word in ("true", "false")}
        assert sizes == {1, 7}


def as_query(conditions: dict[str, Any]) -> dict[str, Any]:
    """A filter as the list's parameters have it."""
    query = {name: value for name, value in conditions.items() if name != "all"}
    if "status" in query:
        query["status"] = ",".join(query["status"])
    if "dead" in query:
        query["dead"] = str(query["dead"]).lower()
    return query


class TestList:
    def test_holds_ones_own_newest_first_in_pages(self, as_alice: Api, as_bob: Api) -> None:
        as_bob.post("bulk-actions", CANCEL_ALL)
        made = [as_alice.post("bulk-actions", CANCEL_ALL).json()["uuid"] for _ in range(3)]
        first = as_alice.get("bulk-actions", page_size=2).json()
        second = as_alice.get(first["next"]).json()
        assert [row["uuid"] for row in [*first["results"], *second["results"]]] == made[::-1]

    def test_operators_ask_for_anybodys(self, as_alice: Api, as_operator: Api) -> None:
        as_alice.post("bulk-actions", CANCEL_ALL)
        assert as_operator.get("bulk-actions").json()["results"] == []
        for owner in ("alice", "all"):
            assert [row["by"] for row in as_operator.get("bulk-actions", owner=owner).json()["results"]] == ["alice"]

    def test_others_may_not(self, as_alice: Api) -> None:
        assert as_alice.get("bulk-actions", owner="all").json()["code"] == "permission_denied"

    def test_never_reads_the_list_of_tasks(self, as_alice: Api, django_assert_max_num_queries: Any) -> None:
        for _ in range(3):
            as_alice.post("bulk-actions", CANCEL_ALL)
        with django_assert_max_num_queries(4) as captured:
            as_alice.get("bulk-actions")
        assert not [query for query in captured.captured_queries if "task_ids" in query["sql"]]


class TestStop:
    def test_stops_and_says_so_again(self, as_alice: Api, agent: Agent) -> None:
        task = make_task(agent)
        uuid = as_alice.post("bulk-actions", CANCEL_ALL).json()["uuid"]
        answers = [as_alice.post(f"bulk-actions/{uuid}/stop") for _ in range(2)]
        assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "stopped")] * 2
        assert answers[0].json() == answers[1].json()
        bulk.advance(BulkAction.objects.get().pk)
        assert Task.objects.get(pk=task.pk).state.word == "ready"

    def test_takes_no_members(self, as_alice: Api) -> None:
        uuid = as_alice.post("bulk-actions", CANCEL_ALL).json()["uuid"]
        assert codes(as_alice.post(f"bulk-actions/{uuid}/stop", {"now": True})) == {"now": "unknown_field"}
        assert BulkAction.objects.get().status == "waiting"


@pytest.mark.security
class TestWhose:
    def test_strangers_tasks_are_never_touched(self, as_bob: Api, agent: Agent) -> None:
        task = make_task(agent)
        for conditions in ({"all": True}, {"status": ["ready"]}, {"search": "say"}):
            assert as_bob.post("bulk-actions", {"action": "cancel", "filter": conditions}).json()["total"] == 0
        for action in BulkAction.objects.all():
            bulk.advance(action.pk)
        assert Task.objects.get(pk=task.pk).state.word == "ready"

    @pytest.mark.parametrize("owner", ["alice", "bob", "nobody", "all"])
    def test_only_operators_name_an_owner(self, as_bob: Api, agent: Agent, owner: str) -> None:
        answer = as_bob.post("bulk-actions", {"action": "cancel", "filter": {"all": True, "owner": owner}})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")

    def test_operator_who_may_only_look_cannot_name_one(self, agent: Agent) -> None:
        onlooker = make_user("erin", is_staff=True)
        onlooker.user_permissions.add(Permission.objects.get(codename="view_task"))
        answer = Api(onlooker).post("bulk-actions", {"action": "cancel", "filter": {"all": True, "owner": "alice"}})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")

    def test_operator_acts_for_one_or_all(self, as_operator: Api, agent: Agent) -> None:
        make_task(agent)
        make_task(make_agent(make_user("carol")))
        totals = [
            as_operator.post("bulk-actions", {"action": "cancel", "filter": {"all": True, **whose}}).json()["total"]
            for whose in ({}, {"owner": "alice"}, {"owner": "all"})
        ]
        assert totals == [0, 1, 2]

    def test_unknown_owner_is_named(self, as_operator: Api) -> None:
        answer = as_operator.post("bulk-actions", {"action": "cancel", "filter": {"all": True, "owner": "nobody"}})
        assert codes(answer) == {"filter.owner": "not_found"}

    def test_somebody_elses_agent_is_no_filter(self, as_bob: Api, agent: Agent) -> None:
        answer = as_bob.post("bulk-actions", {"action": "cancel", "filter": {"agent": str(agent.uuid)}})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")

    def test_tasks_move_to_queues_of_their_owner_or_shared_ones(
        self, as_operator: Api, operator: User, alice: User, agent: Agent
    ) -> None:
        for owner, name in ((alice, "hers"), (operator, "mine"), (None, "shared")):
            make_queue(owner, name=name)

        def move(owner: str, queue: str) -> Any:
            wanted = {"action": "move", "filter": {"all": True, "owner": owner}, "queue": queue}
            return as_operator.post("bulk-actions", wanted)

        assert [move("alice", queue).status_code for queue in ("hers", "shared")] == [202, 202]
        assert codes(move("alice", "mine")) == {"queue": "not_found"}
        assert move("all", "shared").status_code == 202
        assert codes(move("all", "mine")) == {"queue": "not_shared"}

    def test_operator_watches_and_stops_what_is_not_theirs(self, as_alice: Api, as_operator: Api) -> None:
        uuid = as_alice.post("bulk-actions", CANCEL_ALL).json()["uuid"]
        assert as_operator.get(f"bulk-actions/{uuid}").json()["by"] == "alice"
        assert as_operator.post(f"bulk-actions/{uuid}/stop").json()["status"] == "stopped"


class TestDeadLetters:
    def test_are_the_tasks_whose_attempts_were_used_up(self, as_alice: Api, agent: Agent) -> None:
        make_dead(agent, title="dead")
        lifecycle.fail(claim=make_running(agent)[1], code="command_failed")
        make_task(agent)
        assert titles(as_alice.get("dead-letters")) == ["dead"]
        assert as_alice.get("dead-letters").json() == as_alice.get("tasks", dead="true").json()

    def test_are_ones_own_unless_an_operator_asks(
        self, as_alice: Api, as_bob: Api, as_operator: Api, agent: Agent
    ) -> None:
        make_dead(agent, title="hers")
        assert titles(as_bob.get("dead-letters")) == titles(as_operator.get("dead-letters")) == []
        assert titles(as_operator.get("dead-letters", owner="alice")) == ["hers"]
        assert as_bob.get("dead-letters", owner="alice").status_code == 403

    def test_are_filtered_by_agent_and_queue(self, as_alice: Api, agent: Agent, alice: User) -> None:
        other = make_agent(alice, name="other", queue=make_queue(alice, name="slow"))
        make_dead(agent, title="first")
        make_dead(other, title="second")
        assert titles(as_alice.get("dead-letters", agent="other")) == ["second"]
        assert titles(as_alice.get("dead-letters", queue="default")) == ["first"]
        assert codes(as_alice.get("dead-letters?status=ready")) == {"status": "unknown_field"}
        assert codes(as_alice.get("dead-letters", queue="nowhere")) == {"queue": "not_found"}

    def test_come_in_pages(self, as_alice: Api, agent: Agent) -> None:
        for number in range(3):
            make_dead(agent, title=str(number))
        first = as_alice.get("dead-letters", page_size=2)
        assert titles(first) + titles(as_alice.get(first.json()["next"])) == ["2", "1", "0"]

    @pytest.mark.parametrize(("verb", "status"), [("retry", "ready"), ("discard", "archived")])
    def test_are_retried_or_discarded_together(self, as_alice: Api, agent: Agent, verb: str, status: str) -> None:
        dead = [make_dead(agent) for _ in range(2)]
        failed = lifecycle.fail(claim=make_running(agent)[1], code="command_failed")
        answer = as_alice.post(f"dead-letters/{verb}")
        assert answer.status_code == 202
        assert answer.headers["Location"] == answer.json()["url"]
        assert answer.json()["filter"] == {"dead": True}
        assert carry_out(answer).changed == 2
        assert {Task.objects.get(pk=task.pk).state.word for task in dead} == {status}
        assert Task.objects.get(pk=failed.pk).state.word == "failed"
        assert titles(as_alice.get("dead-letters")) == []

    @pytest.mark.parametrize("verb", ["retry", "discard"])
    def test_of_one_agent_or_queue_alone(self, as_alice: Api, agent: Agent, alice: User, verb: str) -> None:
        other = make_agent(alice, name="other", queue=make_queue(alice, name="slow"))
        make_dead(agent)
        make_dead(other)
        for body in ({"agent": "other"}, {"queue": "slow"}):
            answer = as_alice.post(f"dead-letters/{verb}", body)
            assert (answer.json()["total"], answer.json()["filter"]) == (1, {"dead": True, **body})

    @pytest.mark.parametrize("verb", ["retry", "discard"])
    def test_take_no_other_filter(self, as_alice: Api, verb: str) -> None:
        answer = as_alice.post(f"dead-letters/{verb}", {"status": ["failed"], "dead": False})
        assert codes(answer) == {"status": "unknown_field", "dead": "unknown_field"}
        assert codes(as_alice.post(f"dead-letters/{verb}", {"agent": "nobody"})) == {"agent": "not_found"}

    def test_retried_task_is_dead_no_longer(self, as_alice: Api, agent: Agent) -> None:
        task = make_dead(agent)
        as_alice.post(f"tasks/{task.uuid}/retry")
        assert titles(as_alice.get("dead-letters")) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["bulk-actions", "dead-letters/retry", "dead-letters/discard"])
def test_repeated_request_asks_once(as_alice: Api, path: str) -> None:
    body = CANCEL_ALL if path == "bulk-actions" else {}
    first, second = (as_alice.post(path, body, key="k") for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content) == (202, second.content)
    assert second.headers["Location"] == first.headers["Location"]
    assert BulkAction.objects.count() == 1
