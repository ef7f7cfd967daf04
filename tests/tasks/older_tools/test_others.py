"""Queues, prompts and the task operator of the older tools."""

from typing import Any

import pytest

from accounts.models import User
from tasks import task_operator
from tasks.models import Agent, OlderAgent, Queue, Schedule, Task
from tasks.states import Status
from tests.makers import make_agent, make_queue, make_task
from tests.tasks.older_tools.client import OldClient

pytestmark = pytest.mark.django_db
RUNNER_URL = "https://runner.example.org"
PROMPT = {"name": "daily", "prompt": "write the notes", "schedule": "0 9 * * *"}


class TestQueues:
    def test_own_and_shared_ones_are_listed_with_counts(
        self, as_alice: OldClient, alice: User, bob: User, django_assert_max_num_queries: Any
    ) -> None:
        make_queue(bob, name="bobs")
        make_task(make_agent(alice, name="scribe", queue=make_queue(alice, name="mine")))
        as_alice.make("cron", schedule="* * * * *")
        with django_assert_max_num_queries(12):
            queues = as_alice.get("/queues").json()["queues"]
        nothing = {"waiting": 0, "active": 0, "completed": 0, "failed": 0, "delayed": 0}
        assert sorted(queues, key=lambda queue: str(queue["name"])) == [
            {**nothing, "name": "default", "delayed": 1, "agents": ["cron"]},
            {**nothing, "name": "mine", "waiting": 1, "agents": ["scribe"]},
        ]

    def test_the_next_time_of_a_schedule_counts_as_delayed(self, as_alice: OldClient) -> None:
        as_alice.make("cron", schedule="* * * * *", queue="sync")
        assert as_alice.get("/queues/sync").json() == {
            "name": "sync", "waiting": 0, "active": 0, "completed": 0, "failed": 0, "delayed": 1, "agents": ["cron"],
        }  # fmt: skip

    def test_those_of_others_are_not_there(self, as_alice: OldClient, bob: User) -> None:
        make_queue(bob, name="bobs")
        for method in ("GET", "DELETE"):
            answer = as_alice.send(method, "/queues/bobs")
            assert answer.status_code == 404
            assert answer.json()["error"].startswith('Queue "bobs" not found.')

    def test_the_default_one_stays_whoever_asks(self, as_alice: OldClient, as_operator: OldClient) -> None:
        for client in (as_alice, as_operator):
            answer = client.delete("/queues/default")
            assert (answer.status_code, answer.json()["code"]) == (409, "queue_in_use")
            assert answer.json()["error"].startswith("Cannot delete the default queue. It always stays")

    def test_a_shared_one_is_not_an_ordinary_users_to_delete(self, as_alice: OldClient) -> None:
        make_queue(None, name="common")
        assert as_alice.delete("/queues/common").status_code == 403

    def test_one_with_work_stays(self, as_alice: OldClient) -> None:
        as_alice.make("once", queue="sync")
        answer = as_alice.delete("/queues/sync")
        assert (answer.status_code, "still has jobs" in answer.json()["error"]) == (409, True)
        assert Agent.objects.get().queue.name == "sync"

    def test_one_that_an_agent_made_elsewhere_uses_stays(self, as_alice: OldClient, alice: User) -> None:
        make_agent(alice, queue=make_queue(alice, name="mine"))
        assert as_alice.delete("/queues/mine").status_code == 409

    def test_an_empty_one_goes(self, as_alice: OldClient, alice: User) -> None:
        make_queue(alice, name="mine")
        answer = as_alice.delete("/queues/mine")
        assert (answer.status_code, answer.json()) == (
            200,
            {"success": True, "message": 'Queue "mine" deleted successfully'},
        )
        assert not Queue.objects.filter(name="mine").exists()


class TestPrompts:
    def test_without_a_runner_it_says_what_to_do(self, as_alice: OldClient) -> None:
        answer = as_alice.post("/prompts/recurring", PROMPT)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_coding_runner")
        assert "PERSONALQ_CURSOR_RUNNER_URL" in answer.json()["error"]
        assert not Schedule.objects.exists()

    def test_the_users_own_runner_gets_it(self, as_alice: OldClient, alice: User) -> None:
        runner = make_agent(alice, name="cursor-runner")
        answer = as_alice.post("/prompts/recurring", PROMPT)
        schedule = Schedule.objects.get()
        assert answer.json() == {"success": True, "jobId": "recurring:daily", "name": "daily"}
        assert (schedule.name, schedule.agent, schedule.prompt, schedule.cron) == (
            "daily",
            runner,
            "write the notes",
            "0 9 * * *",
        )

    def test_the_operators_runner_gets_it_with_its_options(self, as_alice: OldClient, settings: Any) -> None:
        settings.PERSONALQ_CURSOR_RUNNER_URL = RUNNER_URL
        as_alice.post("/prompts/recurring", {**PROMPT, "options": {"repository": "site", "branchName": "main"}})
        agent = Agent.objects.get()
        assert (agent.name, agent.config["repository"], agent.config["branch"], agent.config["target_url"]) == (
            "prompt: daily",
            "site",
            "main",
            RUNNER_URL,
        )

    def test_its_status_tells_when_it_comes_next(self, as_alice: OldClient, alice: User) -> None:
        make_agent(alice, name="cursor-runner")
        as_alice.post("/prompts/recurring", PROMPT)
        told = as_alice.get("/prompts/daily").json()
        assert (told["name"], told["isActive"], told["jobId"], set(told)) == (
            "daily",
            True,
            "recurring:daily",
            {"name", "isActive", "nextRun", "jobId"},
        )

    def test_the_same_name_changes_it(self, as_alice: OldClient, settings: Any) -> None:
        settings.PERSONALQ_CURSOR_RUNNER_URL = RUNNER_URL
        for options in ({"repository": "a"}, {"repository": "b"}):
            as_alice.post("/prompts/recurring", {**PROMPT, "prompt": options["repository"], "options": options})
        assert (Agent.objects.get().config["repository"], Schedule.objects.get().prompt) == ("b", "b")

    def test_its_own_agent_goes_when_the_users_runner_takes_over(
        self, as_alice: OldClient, alice: User, settings: Any
    ) -> None:
        settings.PERSONALQ_CURSOR_RUNNER_URL = RUNNER_URL
        as_alice.post("/prompts/recurring", PROMPT)
        runner = make_agent(alice, name="cursor-runner")
        as_alice.post("/prompts/recurring", PROMPT)
        assert (list(Agent.objects.existing()), Schedule.objects.get().agent) == ([runner], runner)

    def test_deleting_it_leaves_the_users_runner(self, as_alice: OldClient, alice: User) -> None:
        make_agent(alice, name="cursor-runner")
        as_alice.post("/prompts/recurring", PROMPT)
        assert [as_alice.delete("/prompts/daily").status_code for _ in range(2)] == [200, 404]
        assert (Agent.objects.existing().count(), Schedule.objects.existing().count()) == (1, 0)

    def test_deleting_it_deletes_its_own_agent(self, as_alice: OldClient, settings: Any) -> None:
        settings.PERSONALQ_CURSOR_RUNNER_URL = RUNNER_URL
        as_alice.post("/prompts/recurring", PROMPT)
        as_alice.delete("/prompts/daily")
        assert (Agent.objects.existing().count(), OlderAgent.objects.count()) == (0, 0)

    def test_prompts_are_no_agents_and_others_do_not_see_them(
        self, as_alice: OldClient, as_bob: OldClient, alice: User
    ) -> None:
        make_agent(alice, name="cursor-runner")
        as_alice.post("/prompts/recurring", PROMPT)
        assert as_alice.get("/agents").json() == {"agents": []}
        assert as_bob.get("/prompts/daily").status_code == 404

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": None}, "name"), ({"name": "x" * 93}, "name"), ({"prompt": ""}, "prompt"),
            ({"schedule": None}, "schedule"), ({"schedule": "0 25 * * *"}, "schedule"),
            ({"options": {"repo": "x"}}, "options.repo"), ({"options": []}, "options"),
        ],
    )  # fmt: skip
    def test_a_wrong_member_is_named(self, as_alice: OldClient, alice: User, changes: Any, field: str) -> None:
        make_agent(alice, name="cursor-runner")
        answer = as_alice.post("/prompts/recurring", {**PROMPT, **changes})
        assert (answer.status_code, answer.json()["error"].startswith(f"{field}: ")) == (400, True)
        assert not Schedule.objects.exists()


class TestTheTaskOperator:
    def test_is_for_operators(self, as_alice: OldClient) -> None:
        for method, path in (
            ("POST", "/task-operator"), ("DELETE", "/task-operator"), ("GET", "/task-operator/lock"),
            ("DELETE", "/task-operator/lock"),
        ):  # fmt: skip
            answer = as_alice.send(method, path, {} if method == "POST" else None)
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")

    def test_without_an_agent_it_says_what_to_do(self, as_operator: OldClient) -> None:
        answer = as_operator.post("/task-operator", {})
        assert (answer.status_code, answer.json()["code"]) == (409, "no_default_agent")

    def test_is_turned_on_and_off(self, as_operator: OldClient, operator: User) -> None:
        make_agent(operator, name="task-operator")
        answer = as_operator.post("/task-operator", {"queue": "task-operator"}).json()
        job = answer["agent"].pop("jobId")
        assert answer == {
            "success": True,
            "message": "Task operator agent enqueued successfully",
            "agent": {"name": "task-operator", "queue": "default"},
        }
        assert (job.startswith("agent:task-operator:"), task_operator.read().is_on) == (True, True)
        assert as_operator.get("/agents/task-operator").json()["targetUrl"] == "task-operator://internal"
        assert as_operator.delete("/task-operator").json()["success"] is True
        assert task_operator.read().is_on is False
        assert as_operator.get("/agents/task-operator").status_code == 404

    def test_takes_a_queue_and_makes_it(self, as_operator: OldClient, operator: User) -> None:
        make_agent(operator, name="task-operator")
        assert as_operator.post("/task-operator", {"queue": "ops"}).json()["agent"]["queue"] == "ops"
        assert Queue.objects.get(name="ops").owner == operator

    def test_takes_the_operators_runner(self, as_operator: OldClient, settings: Any) -> None:
        settings.PERSONALQ_CURSOR_RUNNER_URL = RUNNER_URL
        assert as_operator.post("/task-operator", {}).status_code == 200
        assert Agent.objects.get().config["target_url"] == RUNNER_URL

    def test_a_refused_queue_leaves_nothing_half_made(self, as_operator: OldClient, settings: Any) -> None:
        settings.PERSONALQ_CURSOR_RUNNER_URL = RUNNER_URL
        settings.PERSONALQ_QUEUES_PER_USER = 0
        assert as_operator.post("/task-operator", {"queue": "ops"}).status_code == 409
        assert (Agent.objects.count(), task_operator.read().is_on) == (0, False)

    def test_the_lock_is_cleared_from_the_task_that_holds_it(self, as_operator: OldClient, operator: User) -> None:
        make_agent(operator, name="task-operator")
        as_operator.post("/task-operator", {})
        Task.objects.create(prompt="by SQL", source="sql", status=Status.READY, recorded_status=Status.READY)
        task_operator.hand_out()
        assert as_operator.get("/task-operator/lock").json()["isLocked"] is True
        assert as_operator.delete("/task-operator/lock").json()["lockCleared"] is True
        assert as_operator.get("/task-operator/lock").json()["isLocked"] is False

    def test_the_lock_is_free_when_no_task_holds_it(self, as_operator: OldClient) -> None:
        assert as_operator.get("/task-operator/lock").json() == {
            "success": True, "isLocked": False, "message": "Task operator lock is not held",
        }  # fmt: skip
        assert as_operator.delete("/task-operator/lock").json() == {
            "success": True, "message": "Task operator lock was not present", "lockCleared": False,
        }  # fmt: skip
