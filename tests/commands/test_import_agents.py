"""Taking the agents of the older service over."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import Credential, User
from tasks import agents, schedules
from tasks.models import Agent, Queue, Schedule, Task
from tests.commands.recorded import Run
from tests.commands.replay import by_command
from tests.commands.running import Ran
from tests.makers import make_agent, make_operator, make_user
from tests.wire.server import Exchange, WireServer

pytestmark = pytest.mark.django_db(transaction=True)

HOURLY: dict[str, Any] = {
    "name": "hourly", "isActive": True, "lastRun": "2026-11-22T04:30:58.579Z", "nextRun": "2026-11-22T05:00:00.000Z",
    "jobId": "repeat:8ddd:1795321864000", "queue": "sync", "targetUrl": "https://example.com/t", "method": "POST",
    "headers": {"X-Test": "1"}, "body": {"prompt": "tidy up"}, "schedule": "0 * * * *", "timeout": 5000,
}  # fmt: skip
ONCE: dict[str, Any] = {
    "name": "once", "isActive": False, "jobId": "agent:once:1795321858570", "queue": "default",
    "targetUrl": "https://example.com/o", "method": "GET", "headers": {}, "body": {"left": "over"}, "timeout": 30000,
}  # fmt: skip
OPERATOR: dict[str, Any] = {
    "name": "task-operator", "isActive": False, "targetUrl": "task-operator://internal", "method": "POST",
    "headers": {}, "body": {"type": "task_operator"}, "queue": "task-operator", "timeout": 30000,
}  # fmt: skip
ALL = [HOURLY, ONCE, OPERATOR]
Import = Callable[..., Ran]


@pytest.fixture
def olga() -> User:
    return make_operator("olga")


@pytest.fixture
def import_from(tmp_path: Path, olga: User) -> Import:
    """Imports these agents from a file."""
    path = tmp_path / "agents.json"

    def run(found: Any, *arguments: str) -> Ran:
        path.write_text(json.dumps({"agents": found}))
        return import_agents("--from-file", str(path), *arguments)

    return run


def import_agents(*arguments: str) -> Ran:
    return by_command(Run(case="", script="import_agents", arguments=arguments, code=0, out="", err=""))


def outcomes(ran: Ran) -> dict[str, str]:
    return {each["name"]: each["outcome"] for each in ran.json["agents"]}


class TestWhatComesOver:
    def test_recurring_agent_comes_with_its_schedule_paused(self, import_from: Import, olga: User) -> None:
        ran = import_from([HOURLY])
        assert ran.code == 0
        assert ran.json["agents"] == [{"name": "hourly", "outcome": "imported", "kind": "recurring", "is_paused": True}]
        schedule = Schedule.objects.get()
        assert (schedule.owner, schedule.cron, schedule.is_paused, schedule.next_due_at) == (
            olga, "0 * * * *", True, None,
        )  # fmt: skip
        assert (schedule.agent.queue.name, schedule.agent.timeout_seconds) == ("sync", 5)
        assert schedule.agent.config["body"] == {"prompt": "tidy up"}
        assert schedule.agent.config["headers"] == {"X-Test": "1"}

    def test_it_fires_at_once_only_when_told_so(self, import_from: Import) -> None:
        assert import_from([HOURLY], "--no-paused").json["agents"][0]["is_paused"] is False
        assert Schedule.objects.get().next_due_at is not None

    def test_what_the_older_service_had_stopped_stays_stopped(self, import_from: Import) -> None:
        import_from([{**HOURLY, "isActive": False}], "--no-paused")
        assert Schedule.objects.get().is_paused

    def test_one_time_agent_does_not_run_again(self, import_from: Import) -> None:
        ran = import_from([ONCE])
        assert ran.json["agents"] == [{"name": "once", "outcome": "imported", "kind": "one_time"}]
        assert (Agent.objects.get().config["method"], Task.objects.count(), Schedule.objects.count()) == ("GET", 0, 0)

    def test_task_operator_is_left_out_with_a_note(self, import_from: Import) -> None:
        ran = import_from(ALL)
        assert (ran.code, outcomes(ran)) == (
            0, {"hourly": "imported", "once": "imported", "task-operator": "left_out"},
        )  # fmt: skip
        assert "enable_task_operator" in ran.json["agents"][2]["reason"]
        assert ran.json["counts"] == {"imported": 2, "unchanged": 0, "left_out": 1, "refused": 0}

    @pytest.mark.security
    def test_secret_headers_go_into_a_credential_and_not_into_the_report(self, import_from: Import) -> None:
        ran = import_from([{**HOURLY, "headers": {"Authorization": "Bearer planted-secret-value"}}])
        assert outcomes(ran) == {"hourly": "imported"}
        assert "planted" not in ran.out + ran.err
        assert "planted" not in json.dumps(Agent.objects.get().config)
        assert Credential.objects.count() == 1

    def test_zone_of_the_older_machine_can_be_named(self, import_from: Import) -> None:
        import_from([HOURLY], "--zone", "Europe/Berlin")
        assert Schedule.objects.get().zone == "Europe/Berlin"
        refused = import_from([HOURLY], "--zone", "Europe/Nowhere")
        assert (refused.code, refused.error["status"]) == (1, 400)

    def test_it_is_for_the_user_who_is_named(self, import_from: Import) -> None:
        make_user("ada")
        assert import_from([ONCE], "--as", "ada").json["owner"] == "ada"
        assert Agent.objects.get().owner.username == "ada"


class TestAgain:
    def test_running_it_again_changes_nothing(self, import_from: Import, olga: User) -> None:
        import_from(ALL)
        schedules.resume(actor=olga, schedule=Schedule.objects.get())
        agents.change(actor=olga, agent=Agent.objects.get(name="once"), description="mine now")
        before = [*Agent.objects.values(), *Schedule.objects.values(), *Queue.objects.values()]
        again = import_from([{**HOURLY, "schedule": "1 * * * *"}, ONCE, OPERATOR])
        assert outcomes(again) == {"hourly": "unchanged", "once": "unchanged", "task-operator": "left_out"}
        assert [*Agent.objects.values(), *Schedule.objects.values(), *Queue.objects.values()] == before

    def test_dry_run_says_the_same_and_leaves_nothing(self, import_from: Import) -> None:
        tried = import_from([*ALL, HOURLY, {"name": "bad"}], "--dry-run")
        assert tried.code == 1
        assert (Agent.objects.count(), Schedule.objects.count(), Queue.objects.count()) == (0, 0, 0)
        done = import_from([*ALL, HOURLY, {"name": "bad"}])
        assert done.json == {**tried.json, "dry_run": False}
        assert Agent.objects.count() == 2


class TestRefused:
    def test_each_with_its_reason_while_the_rest_comes_over(self, import_from: Import, olga: User) -> None:
        make_agent(olga, name="taken")
        wrong: list[Any] = [
            {**HOURLY, "name": "bad cron", "schedule": "99 * * * *"},
            {**HOURLY, "name": "inside", "targetUrl": "http://10.0.0.1/t"},
            {**HOURLY, "name": "a/b"},
            {**HOURLY, "name": "x" * 10_000},
            {**HOURLY, "name": "taken"},
            {**HOURLY, "name": "a\nb"},
            {**HOURLY, "name": 7},
            {**HOURLY, "name": "slow", "timeout": 10**12},
            {"name": "nothing"},
            "hourly",
            None,
        ]
        ran = import_from([*wrong, ONCE])
        assert ran.code == 1
        assert ran.err == ""
        assert ran.json["counts"] == {"imported": 1, "unchanged": 0, "left_out": 0, "refused": len(wrong)}
        for each in ran.json["agents"][:-1]:
            assert each["reason"]
            assert each["code"]
            assert len(each["name"]) <= 100
        assert "schedule" in ran.json["agents"][0]["reason"]
        assert "targetUrl" in ran.json["agents"][1]["reason"]
        assert {*Agent.objects.values_list("name", flat=True)} == {"taken", "once"}
        assert (Queue.objects.filter(name="sync").count(), Schedule.objects.count()) == (0, 0)

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "{}", '{"agents": {}}', '{"agents": null}', "[" * 1000, '{"agents": [NaN]}', "\ufeff{}"],
    )
    def test_file_that_is_no_such_list_is_an_error(self, text: str, tmp_path: Path, olga: User) -> None:
        path = tmp_path / "agents.json"
        path.write_text(text)
        ran = import_agents("--from-file", str(path))
        assert (ran.code, ran.error["code"]) == (1, "source_unreadable")

    def test_missing_file_is_an_error(self, tmp_path: Path, olga: User) -> None:
        assert import_agents("--from-file", str(tmp_path / "none")).error["code"] == "source_unreadable"

    def test_source_has_to_be_named_once(self, olga: User) -> None:
        assert import_agents().code == 2
        assert import_agents("--from-file", "a", "--from-url", "b").code == 2


class TestFromTheService:
    """It forgets agents in its list that its queues name."""

    ANSWERS = {
        "/agents": {"agents": [ONCE]},
        "/queues": {
            "queues": [{"name": "default", "agents": ["once", "gone"]}, {"name": "sync", "agents": ["hourly"]}]
        },
        "/agents/hourly": HOURLY,
    }

    @pytest.fixture
    def service(self) -> Iterator[WireServer]:
        async def handle(exchange: Exchange) -> None:
            found = self.ANSWERS.get(exchange.request.path)
            body = json.dumps(found if found is not None else {"error": "not found"}).encode()
            await exchange.answer(404 if found is None else 200, {"Content-Type": "application/json"}, body)

        with WireServer(handle) as server:
            yield server

    def test_list_is_made_complete(self, service: WireServer, settings: Settings, olga: User) -> None:
        settings.PERSONALQ_INTERNAL_HOSTS = [service.target]
        ran = import_agents("--from-url", f"{service.url}/agents")
        assert outcomes(ran) == {"once": "imported", "hourly": "imported"}
        assert ran.json["notes"] == ['A queue names the agent "gone", and the service does not know it.']

    @pytest.mark.security
    def test_internal_service_needs_the_operators_word(self, service: WireServer, olga: User) -> None:
        ran = import_agents("--from-url", f"{service.url}/agents")
        assert (ran.code, ran.error["code"]) == (1, "source_unreadable")
        assert "PERSONALQ_INTERNAL_HOSTS" in ran.error["error"] or "https" in ran.error["error"]
        assert service.connections == 0

    def test_other_address_is_explained(self, service: WireServer, settings: Settings, olga: User) -> None:
        settings.PERSONALQ_INTERNAL_HOSTS = [service.target]
        assert "/agents" in import_agents("--from-url", service.url).error["error"]
        assert "404" in import_agents("--from-url", f"{service.url}/x/agents").error["error"]
