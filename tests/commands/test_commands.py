"""The older tools as management commands."""

import os
import subprocess
import sys
from argparse import ArgumentParser
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from personalq.embedded.layout import REPOSITORY
from tasks.cli import personalq_cli
from tests.commands.recorded import Run
from tests.commands.replay import by_command
from tests.commands.running import Ran
from tests.makers import make_operator, make_user

VERBS = [*personalq_cli.OLDER]


def run(verb: str, *arguments: str) -> Ran:
    return by_command(Run(case="", script=f"{verb}.py", arguments=arguments, code=0, out="", err=""))


def manage(*arguments: str, **env: str) -> Ran:
    """A whole process of its own, on the tests' database unless told otherwise."""
    named = {
        "DJANGO_SETTINGS_MODULE": "tests.realtime.sockets.served_settings",
        "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **named, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(code=done.returncode, out=done.stdout, err=done.stderr)


@pytest.mark.django_db(transaction=True)
class TestForWhom:
    def queues(self, *arguments: str) -> list[str]:
        return sorted(queue["name"] for queue in run("list_queues", *arguments).json["queues"])

    @pytest.fixture(autouse=True)
    def people(self) -> list[User]:
        gone = make_operator("aaron")
        gone.is_active = False
        gone.save()
        return [gone, make_user("first"), make_operator("olga"), make_operator("adam")]

    def test_first_active_superuser_unless_named(self) -> None:
        run("create_agent", "-n", "hers", "-u", "https://example.com/run", "-o", "-q", "of-olga")
        assert self.queues() == ["default", "of-olga"]
        assert self.queues("--as", "adam") == ["default"]
        assert self.queues("--as", "olga") == ["default", "of-olga"]

    @pytest.mark.parametrize("name", ["nobody", "aaron", "OLGA", "' OR 1=1 --"])
    def test_somebody_unknown_or_inactive_is_an_error(self, name: str) -> None:
        ran = run("list_agents", "--as", name)
        assert (ran.code, ran.error["code"], ran.error["status"]) == (1, "no_such_user", 404)
        assert "Correct --as" in ran.err

    def test_ordinary_people_cannot_turn_the_task_operator(self) -> None:
        for verb in ("enable_task_operator", "disable_task_operator", "clear_task_operator_lock"):
            ran = run(verb, "--as", "first")
            assert (ran.code, ran.error["code"], ran.error["status"]) == (1, "permission_denied", 403)

    def test_without_any_superuser_somebody_has_to_be_named(self) -> None:
        User.objects.filter(is_superuser=True).update(is_superuser=False)
        assert run("list_agents").error["code"] == "no_such_user"
        assert run("list_agents", "--as", "first").json == {"agents": []}


@pytest.mark.django_db(transaction=True)
class TestProcesses:
    def test_output_is_json_and_nothing_else_also_with_much_logging(self) -> None:
        make_operator()
        made = manage(
            "create_agent",
            "-n",
            "once",
            "-u",
            "https://example.com/run",
            "-o",
            LOG_LEVEL="DEBUG",
            PYTHONWARNINGS="default",
        )
        assert (made.code, made.json["success"], made.err) == (0, True, "")
        refused = manage("create_agent", "-n", "two", "-u", "https://10.0.0.1/run", "-o", LOG_LEVEL="DEBUG")
        assert (refused.code, refused.error["status"]) == (1, 400)
        assert "targetUrl" in refused.error["error"]

    def test_wrong_usage_is_2_and_help_is_0(self) -> None:
        for arguments in (["create_agent"], ["get_agent_status"], ["list_agents", "--nothing"]):
            ran = manage(*arguments)
            assert (ran.code, ran.out) == (2, "")
            assert "usage:" in ran.err
        assert manage("delete_queue", "--help").code == 0

    def test_without_a_database_the_sentence_says_so(self) -> None:
        ran = manage(
            "list_agents",
            DJANGO_SETTINGS_MODULE="personalq.settings",
            DATABASE_URL="postgres://personalq:0123456789abcdef@127.0.0.1:9/personalq",
            REDIS_URL="redis://:0123456789abcdef@127.0.0.1:9/0",
        )
        assert (ran.code, ran.error["code"], ran.error["status"]) == (1, "unavailable", 503)
        assert ran.error["error"].startswith("The database cannot be reached.")

    def test_in_a_database_of_another_version_the_sentence_says_so(self) -> None:
        make_operator()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE older_agents RENAME TO older_agents_hidden")
        try:
            ran = run("list_agents")
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE older_agents_hidden RENAME TO older_agents")
        assert (ran.code, ran.error["status"]) == (1, 503)
        assert "manage.py migrate" in ran.error["error"]


@pytest.mark.parametrize("verb", VERBS)
def test_commands_take_the_same_flags_as_the_client(verb: str) -> None:
    ran = run(verb, "--help")
    assert ran.code == 0
    for flag in flags_of(verb):
        assert f"{flag}" in ran.out


def flags_of(verb: str) -> list[str]:
    parser: Any = ArgumentParser()
    personalq_cli.OLDER[verb].add_arguments(parser)
    return [flag for action in parser._actions for flag in action.option_strings]


OLDER_FLAGS = {
    "create_agent": "-n --name -u --target-url -m --method -H --headers -b --body -s --schedule -o --one-time "
    "-t --timeout -q --queue",
    "get_agent_status": "-n --name",
    "delete_agent": "-n --name",
    "get_queue_info": "-q --queue-name",
    "delete_queue": "-q --queue-name",
    "enable_task_operator": "-q --queue",
}


@pytest.mark.parametrize("verb", VERBS)
def test_flags_are_those_of_the_older_scripts(verb: str) -> None:
    assert flags_of(verb) == ["-h", "--help", *OLDER_FLAGS.get(verb, "").split()]


@pytest.mark.django_db(transaction=True)
def test_errors_are_plain_json_also_in_colour() -> None:
    assert manage("list_agents", "--force-color").error["code"] == "no_such_user"
