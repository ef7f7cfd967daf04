"""docs/websocket.md says what is so, and its example works as it stands."""

import re
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from realtime import refusals
from realtime.refusals import Refusal
from tasks import events
from tasks.models import Agent
from tests.makers import PASSWORD, make_task
from tests.realtime.sockets.conftest import StartWeb
from tests.realtime.sockets.serving import wait_for
from tests.realtime.sockets.writing import write

DOCS = (Path(settings.BASE_DIR) / "docs" / "websocket.md").read_text(encoding="utf-8")
ALL_REFUSALS = [value for value in vars(refusals).values() if isinstance(value, Refusal)]


@pytest.mark.parametrize("refusal", ALL_REFUSALS, ids=lambda refusal: f"{refusal.close_code}-{refusal.code}")
def test_each_refusal_has_its_row(refusal: Refusal) -> None:
    if refusal.close_code is None:
        assert re.search(rf"^\| `{refusal.code}` \|", DOCS, re.MULTILINE)
    else:
        assert re.search(rf"^\| {refusal.close_code} \| `{refusal.code}`", DOCS, re.MULTILINE)


def test_each_close_code_of_the_table_exists() -> None:
    named = re.findall(r"^\| (\d{4}) \| `(\w+)`", DOCS, re.MULTILINE)
    assert {(int(code), name) for code, name in named} == {
        (refusal.close_code, refusal.code) for refusal in ALL_REFUSALS if refusal.close_code is not None
    }


@pytest.mark.parametrize("kind", events.KINDS)
def test_each_kind_of_event_is_explained(kind: str) -> None:
    assert f"`{kind}`" in DOCS


def test_each_setting_of_sockets_is_named_with_its_value() -> None:
    names = [name for name in dir(settings) if name.startswith("PERSONALQ_SOCKET")]
    assert [name for name in names if f"`{name}`" not in DOCS] == []
    assert len(names) == 7


class Example:
    """The Python client of the page, run as its reader would."""

    def __init__(self, directory: Path, server: str, user: User) -> None:
        (code,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
        script = directory / "follow.py"
        script.write_text(code, encoding="utf-8")
        self.said = directory / "said.txt"
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", script, server, user.get_username(), PASSWORD],
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def numbers(self) -> list[int]:
        """What the events heard so far are numbered with."""
        assert self.process.poll() is None, self.said.read_text()
        return [int(number) for number in re.findall(r'{"number": (\d+)}$', self.said.read_text(), re.MULTILINE)]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.django_db(transaction=True)
def test_python_example_misses_nothing_over_a_restart(
    start_web: StartWeb, tmp_path: Path, alice: User, agent: Agent
) -> None:
    web, task, numbers = start_web(), make_task(agent), count()

    def write_next() -> int:
        number = next(numbers)
        write(task, number=number)
        return number

    example = Example(tmp_path, f"http://127.0.0.1:{web.port}", alice)
    try:
        wait_for(lambda: write_next() >= 0 and example.numbers(), "the example to hear something")
        web.stop()
        for _ in range(3):
            write_next()
        start_web(port=web.port)
        last = write_next()
        wait_for(lambda: last in example.numbers(), "the example to come back")
        heard = example.numbers()
        assert heard == list(range(heard[0], last + 1))
    finally:
        example.stop()
