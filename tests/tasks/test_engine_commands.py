"""Command agents from a queued task to a file that its owner downloads."""

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from personalq.lib.commands import Command, Workspace
from tasks import lifecycle
from tasks.engine import Engine
from tasks.models import Agent, Task
from tasks.states import Status
from tests.makers import make_agent, make_credential, make_queue, make_task
from tests.tasks.api.client import Api
from tests.tasks.runners.support import alive_below, attempts_in
from tests.tasks.test_engine import is_over, state_of, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
STAND_IN = Path(__file__).parent / "runners" / "programs" / "stand_in.py"
SECRET = "sk-planted-0123456789abcdef"


@pytest.fixture
def engine(settings: Settings, tmp_path: Path) -> Iterator[Engine]:
    settings.PERSONALQ_SCRATCH_DIR = str(tmp_path / "scratch")
    engine = Engine(slots=5)
    yield engine
    engine.shut_down(0)
    assert not attempts_in(tmp_path / "scratch")
    assert not alive_below(tmp_path)


def python(source: str, **members: object) -> Command:
    return Command(argv=(sys.executable, "-I", "-S", "-c", source), **members)  # type: ignore[arg-type]


def make_command_agent(owner: User, **fields: object) -> Agent:
    config = {"command": "program", **({"workspace": "start"} if fields.pop("has_workspace", False) else {})}
    return make_agent(owner, kind="command", queue=make_queue(owner), config=config, **fields)


def run_to_end(engine: Engine, agent: Agent) -> Task:
    task = make_task(agent, "the prompt")
    engine.work(agent.queue.pk)
    wait_for(is_over(task))
    return Task.objects.get(pk=task.pk)


def test_files_are_kept_listed_and_handed_out(engine: Engine, owner: User, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "notes.md").write_text("begin\n")
    settings.PERSONALQ_WORKSPACES = {"start": Workspace(path=str(tmp_path / "start"))}
    settings.PERSONALQ_COMMANDS = {"program": python("open('notes.md', 'a').write('end\\n'); print('done')")}
    task = run_to_end(engine, make_command_agent(owner, has_workspace=True))
    assert (task.state, task.result) == (Status.COMPLETE, "done\n")
    api = Api(owner)
    [artifact] = api.get(f"tasks/{task.uuid}/artifacts").json()["results"]
    assert (artifact["name"], artifact["attempt"]) == ("notes.md", 1)
    assert api.get(artifact["url"]).content == b"begin\nend\n"


def test_files_of_a_failed_attempt_stay(engine: Engine, owner: User, settings: Settings) -> None:
    settings.PERSONALQ_COMMANDS = {"program": python("open('log', 'w').write('why'); raise SystemExit(3)")}
    task = run_to_end(engine, make_command_agent(owner))
    assert (task.state, task.error_code) == (Status.FAILED, "command_failed")
    assert bytes(task.artifacts.get().content) == b"why"


def test_tokens_and_cost_of_a_coding_program_are_written_down(engine: Engine, owner: User, settings: Settings) -> None:
    argv = (sys.executable, "-I", "-S", str(STAND_IN), "claude", "-p", "--output-format", "stream-json", "--verbose")
    env = {"RECORDING": "claude-success.jsonl"}
    settings.PERSONALQ_COMMANDS = {"program": Command(argv=argv, output="claude", env=env)}
    task = run_to_end(engine, make_command_agent(owner))
    assert task.result == "I'll write the file — “jetzt”.\n\nDone: report.txt says hello."
    assert (task.tokens_in, task.tokens_out, task.cost) == (28_561, 131, Decimal("0.012734"))


@pytest.mark.security
def test_secret_is_neither_in_output_nor_in_files_nor_in_errors(
    engine: Engine, owner: User, settings: Settings
) -> None:
    source = """
import os, sys
secret = os.environ["KEY"]
os.write(1, secret[:9].encode())
os.write(1, secret[9:].encode())
open("leak", "w").write(secret)
sys.stderr.write(secret)
sys.exit(4)
"""
    settings.PERSONALQ_COMMANDS = {"program": python(source, secret_env="KEY")}
    credential = make_credential(owner, provider="command", secret=SECRET)
    task = run_to_end(engine, make_command_agent(owner, credential=credential))
    assert task.error_code == "command_failed"
    kept = [str(task.error_detail), *(str(event.data) for event in task.events.all())]
    assert not [text for text in kept if SECRET in text or SECRET[9:] in text]
    assert bytes(task.artifacts.get().content) == b"[redacted]"


@pytest.mark.security
def test_failure_tells_its_owner_nothing_of_the_machine(
    engine: Engine, owner: User, settings: Settings, tmp_path: Path
) -> None:
    """A-144: neither directories nor variables nor the user of the worker; operators see what the program said."""
    source = """
import os, sys
said = [os.getcwd() + "/x.py", sys.executable, *os.environ.items()]
sys.stderr.write(str(said))
sys.exit(4)
"""
    settings.PERSONALQ_COMMANDS = {"program": python(source)}
    task = run_to_end(engine, make_command_agent(owner))
    machine = [str(tmp_path), sys.executable, "PERSONALQ_ATTEMPT", "LANG"]
    assert all(word in task.error_detail for word in machine)
    shown = [Api(owner).get(f"tasks/{task.uuid}{more}").content.decode() for more in ("", "/events", "/attempts")]
    shown += [str(event.data) for event in task.events.all()]
    assert [(word, text) for text in shown for word in machine if word in text] == []


@pytest.mark.security
def test_cancel_ends_the_program_and_keeps_no_file(
    engine: Engine, owner: User, settings: Settings, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    source = f"import time; open('file', 'w').close(); open({str(mark)!r}, 'w').close(); time.sleep(600)"
    settings.PERSONALQ_COMMANDS = {"program": python(source)}
    agent = make_command_agent(owner)
    task = make_task(agent)
    engine.work(agent.queue.pk)
    wait_for(mark.exists)
    lifecycle.cancel(actor=owner, task=Task.objects.get(pk=task.pk))
    wait_for(lambda: not alive_below(mark))
    assert state_of(task) == Status.CANCELLED
    assert not task.artifacts.exists()
