"""docs/mcp.md says what is there, and its example does what it says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.models import User
from personalq.embedded.layout import REPOSITORY
from tasks.engine import Engine
from tasks.mcp.tools import TOOLS
from tasks.models import Task
from tests.makers import make_agent, make_queue
from tests.mcp.talking import token_of
from tests.realtime.sockets.serving import wait_for

DOCUMENT = (REPOSITORY / "docs" / "mcp.md").read_text()


def test_table_of_tools_is_complete_and_true() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", DOCUMENT, re.MULTILINE)
    written = {name: set(re.findall(r"`([\w:]+)`", scopes)) for name, scopes in rows}
    assert written == {name: {*tool.scopes, *tool.other_scopes} for name, tool in TOOLS.items()}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(slots=2)
    yield engine
    engine.shut_down(0)


@pytest.mark.django_db(transaction=True)
def test_example_runs(url: str, alice: User, engine: Engine, tmp_path: Path) -> None:
    queue = make_queue(alice)
    make_agent(alice, name="Echo", queue=queue, config={"word_delay_ms": 0})
    (example,) = re.findall(r"```python\n(.+?)```", DOCUMENT, re.DOTALL)
    program = tmp_path / "example.py"
    program.write_text(example.replace("http://127.0.0.1:8000/mcp", url))
    environment = {**os.environ, "PERSONALQ_TOKEN": token_of(alice)}
    with subprocess.Popen([sys.executable, program], env=environment, stdout=subprocess.PIPE, text=True) as process:
        wait_for(Task.objects.exists, "the example's task")
        engine.work(queue.pk)
        assert process.communicate(timeout=60)[0] == "Say this back to me.\n"
    assert process.returncode == 0
