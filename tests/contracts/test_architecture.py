"""What the house looks like from outside: sizes, and rules that no type checker knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
ROOMS = ("personalq", "accounts", "tasks", "realtime", "webhooks")


def sources(*rooms: str) -> Iterator[Path]:
    for room in rooms or ROOMS:
        yield from (path for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def offenders(pattern: str, *, allowed: set[str]) -> list[str]:
    wanted = re.compile(pattern)
    found = []
    for path in sources():
        name = str(path.relative_to(ROOT))
        if name not in allowed and wanted.search(path.read_text(encoding="utf-8")):
            found.append(name)
    return found


def test_no_file_is_longer_than_400_lines() -> None:
    # Whoever fetches the client fetches one file.
    shipped_whole = ROOT / "tasks" / "cli" / "personalq_cli.py"
    lengths = {
        str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources() if path != shipped_whole
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path in sources()
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert long == []


def test_status_of_a_task_is_written_in_the_lifecycle_only() -> None:
    doorway = {str(path.relative_to(ROOT)) for path in sources("tasks/lifecycle")}
    assert offenders(r"(?m)^\s*\w+\.(?:recorded_)?status = |update\(status=|SET\s+status", allowed=doorway) == []


def test_tasks_are_fetched_by_users_through_access_only() -> None:
    edges = [path for path in sources("tasks/api", "realtime") if "Task.objects" in path.read_text(encoding="utf-8")]
    assert edges == []


@pytest.mark.security
@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (r"\bpickle\b|\bmarshal\b|yaml\.load\(", set()),
        (r"\beval\(|\bexec\(|shell=True|os\.system\(", set()),
        (r"mark_safe\(|\|safe\b|autoescape off", set()),
        # Doors of other systems, which show a secret of their own and bring no cookies.
        (
            r"csrf_exempt",
            {
                "webhooks/runner_callbacks.py",
                "webhooks/inbound/views.py",
                "webhooks/telegram/intake.py",
                "webhooks/voice/agent_tools.py",
                "realtime/views/notices.py",
                # Browsers send reports without cookies, and reports change nothing.
                "personalq/lib/csp_reports.py",
            },
        ),
        (r"verify=False|CERT_NONE", set()),
        (r"\.extra\(|RawSQL\(|\.raw\(", set()),
        (r"ALLOWED_HOSTS = \[\"\*\"\]", set()),
    ],
)
def test_dangerous_calls_are_absent(pattern: str, allowed: set[str]) -> None:
    assert offenders(pattern, allowed=allowed) == []


@pytest.mark.security
def test_secrets_are_compared_in_constant_time_only() -> None:
    compared = re.compile(
        r"(secret|digest|signature|token)\w*\s*(==|!=)|(==|!=)\s*\w*(secret|digest|signature|token)\b"
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if compared.search(line) and not line.lstrip().startswith("#")
    ]
    assert found == []


@pytest.mark.security
def test_environment_is_read_in_one_place() -> None:
    # The embedded servers hand the environment on to their children; the entry points name the settings module.
    # The guard of a command is a process of its own that gets an environment made for it.
    # The client is run on other people's machines.
    allowed = {
        "personalq/asgi.py",
        "personalq/celery.py",
        "personalq/lib/env.py",
        "tasks/cli/personalq_cli.py",
        "tasks/runners/processes/guard.py",
    }
    found = offenders(r"os\.environ|getenv\(", allowed=allowed)
    assert [name for name in found if not name.startswith("personalq/embedded/")] == []


@pytest.mark.security
def test_celery_and_cache_carry_json_only() -> None:
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert settings.CELERY_TASK_SERIALIZER == "json"
    options: Any = settings.CACHES["default"]["OPTIONS"]
    assert options["SERIALIZER"] == "django_redis.serializers.json.JSONSerializer"
