from typing import Any

import pytest
from django.test import override_settings

from accounts.models import Credential, User
from tasks import lifecycle, schedules
from tasks.claims import Claim
from tasks.models import Agent, OlderAgent, Queue, Schedule, Task
from tasks.states import Status
from tests.makers import claim_next, kinds, make_agent, make_credential, make_queue
from tests.tasks.older_tools.client import OldClient

pytestmark = pytest.mark.django_db
URL = "https://target.example.org/run"
SECRET = "Bearer planted-key-1234567"


def the_agent(name: str = "once") -> Agent:
    return Agent.objects.existing().get(name=name)


def rows() -> list[int]:
    """How much there is of everything that creating could make."""
    return [model.objects.count() for model in (Agent, OlderAgent, Schedule, Credential, Task, Queue)]


class TestWhatIsMade:
    def test_a_one_time_agent_has_a_task_at_once(self, as_alice: OldClient, alice: User) -> None:
        answer = as_alice.make("once", body={"prompt": "hello", "n": 1}, headers={"X-Test": "1"})
        agent, task = the_agent(), Task.objects.get()
        milliseconds = int(task.createdat.timestamp() * 1000)
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "success": True,
                "message": 'Agent "once" created successfully',
                "agent": {
                    "name": "once",
                    "jobId": f"agent:once:{milliseconds}",
                    "targetUrl": URL,
                    "method": "POST",
                    "oneTime": True,
                    "queue": "default",
                },
            },
        )
        assert (agent.kind, agent.owner, agent.max_attempts, task.agent, task.prompt) == (
            "http",
            alice,
            1,
            agent,
            "hello",
        )
        assert agent.config == {
            "protocol": "plain", "target_url": URL, "method": "POST", "headers": {"X-Test": "1"},
            "body": {"prompt": "hello", "n": 1},
        }  # fmt: skip

    def test_a_recurring_agent_has_a_schedule_and_no_task(self, as_alice: OldClient) -> None:
        answer = as_alice.make("cron", schedule="0 */5 * * * *", queue="sync").json()["agent"]
        schedule = Schedule.objects.get()
        assert schedule.next_due_at is not None
        due = int(schedule.next_due_at.timestamp() * 1000)
        assert (schedule.name, schedule.cron, schedule.agent.name) == ("cron", "0 */5 * * * *", "cron")
        assert (answer["jobId"], answer["schedule"], answer["queue"], answer["oneTime"]) == (
            f"repeat:{schedule.uuid.hex}:{due}",
            "0 */5 * * * *",
            "sync",
            False,
        )
        assert not Task.objects.exists()

    @pytest.mark.parametrize(
        ("given", "seconds"),
        [
            ("every 30 seconds", 30), ("every second", 1), ("Every 5 Minutes", 300), ("every hour", 3600),
            ("every 2 days", 172_800), ({"every": 30_000}, 30),
        ],
    )  # fmt: skip
    def test_intervals(self, as_alice: OldClient, given: Any, seconds: int) -> None:
        as_alice.make("cron", schedule=given)
        assert Schedule.objects.get().every_seconds == seconds
        assert as_alice.get("/agents/cron").json()["schedule"] == given

    @pytest.mark.parametrize(
        ("members", "prompt"),
        [
            ({}, f"POST {URL}"), ({"method": "GET"}, f"GET {URL}"), ({"body": {"prompt": " "}}, f"POST {URL}"),
            ({"body": {"prompt": 7}}, f"POST {URL}"), ({"body": ["p"]}, f"POST {URL}"),
            ({"body": {"prompt": "p"}}, "p"),
        ],
    )  # fmt: skip
    def test_the_prompt_says_what_is_done(self, as_alice: OldClient, members: Any, prompt: str) -> None:
        assert as_alice.make("once", **members).status_code == 200
        assert Task.objects.get().prompt == prompt

    @pytest.mark.parametrize(
        ("milliseconds", "seconds"), [(1, 1), (700, 1), (1000, 1), (1001, 2), (86_400_000, 86_400)]
    )
    def test_the_timeout_is_rounded_up_and_kept(self, as_alice: OldClient, milliseconds: int, seconds: int) -> None:
        as_alice.make("once", timeout=milliseconds)
        assert the_agent().timeout_seconds == seconds
        assert as_alice.get("/agents/once").json()["timeout"] == milliseconds

    def test_members_in_snake_case_and_nulls_are_understood(self, as_alice: OldClient) -> None:
        body = {"name": "once", "target_url": URL, "one_time": True, "schedule": None, "queue": None, "body": None}
        assert as_alice.post("/agents", body).status_code == 200

    def test_a_key_sent_again_runs_nothing_twice(self, as_alice: OldClient) -> None:
        body = {"name": "once", "targetUrl": URL, "oneTime": True}
        first, second = (as_alice.send("POST", "/agents", body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))
        assert (first.json(), Task.objects.count()) == (second.json(), 1)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("members", "field"),
        [
            ({"name": None}, "name"), ({"name": ""}, "name"), ({"name": "a/b"}, "name"), ({"name": "a\nb"}, "name"),
            ({"name": "a" * 10_000}, "name"), ({"name": "123e4567-e89b-42d3-a456-426614174000"}, "name"),
            ({"name": "50%"}, "name"), ({"name": 7}, "name"), ({"targetUrl": None}, "targetUrl"),
            ({"targetUrl": "ftp://x"}, "targetUrl"), ({"targetUrl": "http://cursor-runner:3001"}, "targetUrl"),
            ({"method": "HEAD"}, "method"), ({"headers": [1]}, "headers"), ({"headers": {"X-A": 1}}, "headers"),
            ({"headers": {"Authorization": "a\nb"}}, "headers"), ({"method": "GET", "body": {}}, "body"),
            ({"body": {"text": "{{prompt}}"}}, "body"), ({"body": ["{{ secret }}"]}, "body"),
            ({"oneTime": False}, "schedule"), ({"oneTime": True, "schedule": "* * * * *"}, "schedule"),
            ({"oneTime": "yes"}, "oneTime"), ({"timeout": 0}, "timeout"), ({"timeout": "30"}, "timeout"),
            ({"queue": "a:b"}, "queue"), ({"queue": "a b"}, "queue"), ({"priority": 1}, "priority"),
            ({"target_url": URL}, "targetUrl"),
        ],
    )  # fmt: skip
    def test_a_wrong_member_is_named_and_nothing_is_made(self, as_alice: OldClient, members: Any, field: str) -> None:
        before = rows()
        body = {"name": "once", "targetUrl": URL, "oneTime": True, **members}
        answer = as_alice.post("/agents", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
        assert f"{field}: " in answer.json()["error"]
        assert rows() == before

    @pytest.mark.parametrize(
        "given",
        [
            "61 * * * *", "* * *", "every 0 seconds", "every now and then", "", "x" * 300, {"every": 1500},
            {"every": "1"}, {}, 7,
        ],
    )  # fmt: skip
    def test_a_wrong_schedule_is_named_and_nothing_is_made(self, as_alice: OldClient, given: Any) -> None:
        before = rows()
        answer = as_alice.make("cron", schedule=given, queue="new", headers={"Authorization": SECRET})
        assert (answer.status_code, answer.json()["error"].startswith("schedule: ")) == (400, True)
        assert rows() == before

    def test_an_inner_address_names_what_the_operator_may_set(self, as_alice: OldClient) -> None:
        answer = as_alice.make("once", targetUrl="http://cursor-runner:3001/health")
        assert "PERSONALQ_INTERNAL_HOSTS" in answer.json()["error"]
        with override_settings(PERSONALQ_INTERNAL_HOSTS=["cursor-runner:3001"]):
            assert as_alice.make("once", targetUrl="http://cursor-runner:3001/health").status_code == 200

    def test_an_agent_made_elsewhere_keeps_its_name(self, as_alice: OldClient, alice: User) -> None:
        make_agent(alice, name="once")
        answer = as_alice.make("once")
        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
        assert the_agent().kind == "echo"

    def test_a_schedule_made_elsewhere_leaves_nothing_half_made(self, as_alice: OldClient, alice: User) -> None:
        schedules.create(actor=alice, name="cron", timing="cron", cron="* * * * *", agent=make_agent(alice), prompt="p")
        before = rows()
        answer = as_alice.make("cron", schedule="* * * * *", queue="new", headers={"Authorization": SECRET})
        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
        assert rows() == before


@pytest.mark.security
class TestSecrets:
    def test_they_go_into_a_credential_and_are_never_shown(self, as_alice: OldClient) -> None:
        made = as_alice.make("once", headers={"Authorization": SECRET, "X-Test": "1"})
        shown = as_alice.get("/agents/once")
        assert shown.json()["headers"] == {"X-Test": "1", "Authorization": "***"}
        assert (the_agent().config["headers"], Credential.objects.get().provider) == ({"X-Test": "1"}, "http")
        listed = as_alice.get("/agents")
        assert not [answer for answer in (made, shown, listed) if b"planted" in answer.content]
        assert "planted" not in str(OlderAgent.objects.values()) + str(Agent.objects.values())

    def test_a_wrong_one_is_not_repeated(self, as_alice: OldClient) -> None:
        answer = as_alice.make("once", headers={"Authorization": "planted\n"})
        assert (answer.status_code, b"planted" in answer.content) == (400, False)

    def test_a_new_one_replaces_the_old_one(self, as_alice: OldClient) -> None:
        as_alice.make("once", headers={"Authorization": SECRET})
        before = Credential.objects.get()
        as_alice.make("once", headers={"X-Api-Key": SECRET})
        after = Credential.objects.get()
        assert (after.pk, after.sealed_secret == before.sealed_secret) == (before.pk, False)
        assert as_alice.get("/agents/once").json()["headers"] == {"X-Api-Key": "***"}

    def test_without_secrets_the_credential_goes(self, as_alice: OldClient) -> None:
        as_alice.make("once", headers={"Authorization": SECRET})
        as_alice.make("once")
        assert (Credential.objects.count(), the_agent().credential) == (0, None)

    def test_one_that_its_owner_chose_stays(self, as_alice: OldClient, alice: User) -> None:
        as_alice.make("once")
        chosen = make_credential(alice, provider="http", secret={"Authorization": SECRET})
        Agent.objects.update(credential=chosen)
        as_alice.make("once")
        as_alice.delete("/agents/once")
        assert list(Credential.objects.all()) == [chosen]


class TestAgain:
    def test_the_same_name_changes_the_agent_and_runs_once_more(self, as_alice: OldClient) -> None:
        as_alice.make("once")
        before = the_agent()
        answer = as_alice.make("once", method="PUT", timeout=5_000, queue="other")
        after = the_agent()
        assert (after.pk, after.config["method"], after.timeout_seconds, after.queue.name) == (
            before.pk,
            "PUT",
            5,
            "other",
        )
        assert (answer.status_code, Task.objects.count(), OlderAgent.objects.count()) == (200, 2, 1)

    def test_what_its_owner_changed_elsewhere_stays(self, as_alice: OldClient) -> None:
        as_alice.make("once")
        Agent.objects.update(max_attempts=4, description="mine")
        as_alice.make("once")
        assert (the_agent().max_attempts, the_agent().description) == (4, "mine")

    def test_a_recurring_one_gets_another_schedule(self, as_alice: OldClient, alice: User) -> None:
        as_alice.make("cron", schedule="* * * * *")
        first = Schedule.objects.get()
        schedules.pause(actor=alice, schedule=first)
        as_alice.make("cron", schedule="every 30 seconds")
        again = Schedule.objects.existing().get()
        assert (again.pk, again.timing, again.every_seconds, again.is_paused) == (first.pk, "interval", 30, False)

    def test_a_recurring_one_becomes_a_one_time_one_and_back(self, as_alice: OldClient) -> None:
        as_alice.make("cron", schedule="* * * * *")
        as_alice.make("cron")
        assert (Schedule.objects.existing().count(), Task.objects.count()) == (0, 1)
        as_alice.make("cron", schedule="* * * * *")
        assert (Schedule.objects.existing().count(), Task.objects.count()) == (1, 1)

    def test_a_name_is_free_after_the_agent_was_deleted_elsewhere(self, as_alice: OldClient) -> None:
        as_alice.make("once")
        Task.objects.all().delete()
        Agent.objects.update(deleted_at="2026-01-01T00:00Z")
        assert as_alice.get("/agents/once").status_code == 404
        assert as_alice.make("once").status_code == 200

    def test_a_queue_that_was_made_for_it_goes_when_it_leaves(self, as_alice: OldClient) -> None:
        as_alice.make("cron", schedule="* * * * *", queue="sync")
        as_alice.make("cron", schedule="* * * * *", queue="other")
        assert set(Queue.objects.values_list("name", flat=True)) == {"default", "other"}


class TestStatus:
    def test_a_one_time_agent_is_active_until_its_task_ends(self, as_alice: OldClient) -> None:
        as_alice.make("once", body={"prompt": "p"})
        waiting = as_alice.get("/agents/once").json()
        task = claim_next(Queue.objects.shared_default())
        lifecycle.complete(claim=Claim.of(task), result="done")
        done = as_alice.get("/agents/once").json()
        assert task.started_at is not None
        assert waiting == {
            "name": "once", "isActive": True, "jobId": waiting["jobId"], "queue": "default", "targetUrl": URL,
            "method": "POST", "headers": {}, "body": {"prompt": "p"}, "timeout": 30_000,
        }  # fmt: skip
        assert (done["isActive"], done["jobId"]) == (False, waiting["jobId"])
        assert done["lastRun"] == f"{task.started_at:%Y-%m-%dT%H:%M:%S}.{task.started_at.microsecond // 1000:03}Z"

    def test_a_recurring_agent_tells_when_it_runs_next_unless_it_is_paused(
        self, as_alice: OldClient, alice: User
    ) -> None:
        as_alice.make("cron", schedule="* * * * *")
        schedule = Schedule.objects.get()
        active = as_alice.get("/agents/cron").json()
        schedules.pause(actor=alice, schedule=schedule)
        paused = as_alice.get("/agents/cron").json()
        assert (active["isActive"], active["nextRun"].endswith(":00.000Z"), active["schedule"]) == (
            True,
            True,
            "* * * * *",
        )
        assert (paused["isActive"], "nextRun" in paused) == (False, False)

    def test_the_list_holds_what_these_tools_made(
        self, as_alice: OldClient, alice: User, django_assert_num_queries: Any
    ) -> None:
        make_agent(alice, name="made elsewhere")
        for name in ("a", "b", "c"):
            as_alice.make(name, schedule="* * * * *")
        agents = as_alice.get("/agents").json()["agents"]
        assert agents == [as_alice.get(f"/agents/{name}").json() for name in ("a", "b", "c")]
        with django_assert_num_queries(2):
            as_alice.get("/agents")

    def test_agents_of_others_are_not_there(self, as_alice: OldClient, as_bob: OldClient) -> None:
        as_alice.make("once")
        assert as_bob.get("/agents").json() == {"agents": []}
        assert (as_bob.get("/agents/once").status_code, as_bob.delete("/agents/once").status_code) == (404, 404)
        assert as_bob.make("once").status_code == 200
        assert Agent.objects.filter(name="once").count() == 2

    @pytest.mark.parametrize(
        "name", ["nope", "a%2Fb%20c", "%00", "x" * 3_000, "%0A", "123e4567-e89b-42d3-a456-426614174000"]
    )
    def test_unknown_names_are_not_found(self, as_alice: OldClient, name: str) -> None:
        for method in ("GET", "DELETE"):
            answer = as_alice.send(method, f"/agents/{name}")
            assert (answer.status_code, set(answer.json())) == (404, {"error", "code", "request_id"})
            assert len(answer.json()["error"]) < 300

    def test_an_encoded_name_is_found(self, as_alice: OldClient) -> None:
        as_alice.make("a: b.c")
        assert as_alice.get("/agents/a%3A%20b.c").json()["name"] == "a: b.c"


class TestDeleting:
    def test_everything_that_was_made_goes(self, as_alice: OldClient) -> None:
        as_alice.make("cron", schedule="* * * * *", queue="sync", headers={"Authorization": SECRET})
        answer = as_alice.delete("/agents/cron")
        assert (answer.status_code, answer.json()) == (
            200,
            {"success": True, "message": 'Agent "cron" deleted successfully'},
        )
        assert not Agent.objects.existing().exists()
        assert not Schedule.objects.existing().exists()
        assert (Credential.objects.count(), OlderAgent.objects.count()) == (0, 0)
        assert not Queue.objects.filter(name="sync").exists()

    def test_unfinished_tasks_are_cancelled_with_a_reason(self, as_alice: OldClient) -> None:
        as_alice.make("once")
        running = claim_next(Queue.objects.shared_default())
        as_alice.make("once")
        as_alice.delete("/agents/once")
        assert {task.state for task in Task.objects.all()} == {Status.CANCELLED}
        assert kinds(running)[-1] == "task_cancelled"
        assert running.events.order_by("-id")[0].data["reason"] == "Its agent was deleted."

    def test_a_second_time_there_is_nothing(self, as_alice: OldClient) -> None:
        as_alice.make("once")
        assert [as_alice.delete("/agents/once").status_code for _ in range(2)] == [200, 404]

    def test_a_queue_stays_until_its_last_agent_goes(self, as_alice: OldClient) -> None:
        as_alice.make("a", queue="sync")
        as_alice.make("b", queue="sync")
        as_alice.delete("/agents/a")
        assert Queue.objects.filter(name="sync").exists()
        as_alice.delete("/agents/b")
        assert not Queue.objects.filter(name="sync").exists()

    def test_a_queue_made_elsewhere_or_used_by_others_stays(self, as_alice: OldClient, alice: User) -> None:
        make_queue(alice, name="mine")
        as_alice.make("a", queue="mine")
        as_alice.make("b", queue="sync")
        make_agent(alice, queue=Queue.objects.get(name="sync"))
        as_alice.delete("/agents/a")
        assert as_alice.delete("/agents/b").status_code == 200
        assert set(Queue.objects.values_list("name", flat=True)) == {"default", "mine", "sync"}

    def test_an_agent_that_another_schedule_uses_stays_whole(self, as_alice: OldClient, alice: User) -> None:
        as_alice.make("once")
        schedules.create(actor=alice, name="mine", timing="cron", cron="* * * * *", agent=the_agent(), prompt="p")
        assert as_alice.delete("/agents/once").status_code == 409
        assert (Task.objects.get().state, OlderAgent.objects.count()) == (Status.READY, 1)
