"""One product with a single place for tasks, and the outside systems that its agents call."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.product.caller import Caller
from tests.product.installation import Installation, installed
from tests.product.scripted import Scripted, model_of, path_of
from tests.wire.cursor_runner import CursorRunner
from tests.wire.webhook_receiver import WebhookReceiver

PROGRAMS = Path(__file__).parents[1] / "tasks" / "runners" / "programs"
TELLS_ITS_SECRET = 'cat >/dev/null; echo "out $KEY"; echo "err $KEY" >&2; echo "file $KEY" > kept.txt; exit '


def play(program: str, recording: str, *arguments: str) -> dict[str, Any]:
    """A stand-in for a coding program, as an operator would allow it."""
    return {
        "argv": [sys.executable, "-I", "-S", str(PROGRAMS / "stand_in.py"), program, *arguments],
        "network": "host",
        "files": "all",
        "output": program,
        "env": {"RECORDING": recording},
    }


def shell(script: str, *arguments: str, **more: Any) -> dict[str, Any]:
    return {"argv": ["/bin/sh", "-c", script, *arguments], "network": "host", "files": "all", **more}


COMMANDS = {
    "claude": play("claude", "claude-success.jsonl", "-p", "--output-format", "stream-json", "--verbose"),
    "codex": play("codex", "codex-success.jsonl", "exec", "--json", "-"),
    "cursor": play("cursor", "cursor-success.jsonl", "-p", "--output-format", "stream-json"),
    "build": shell("cat > artifact.txt; mkdir -p out; cp start.txt out/copy.html; echo built"),
    "tell": shell(f"{TELLS_ITS_SECRET}0", "", secret_env="KEY"),
    "tell-and-fail": shell(f"{TELLS_ITS_SECRET}3", "", secret_env="KEY"),
    "tell-and-fail-later": shell(f"{TELLS_ITS_SECRET}3", "." * 25, secret_env="KEY"),
}


@dataclass(frozen=True)
class Stage:
    """A product and everything outside that it may call."""

    installation: Installation
    anthropic: Scripted
    openai: Scripted
    plain: Scripted
    runner: CursorRunner
    receiver: WebhookReceiver

    @property
    def operator(self) -> Caller:
        return self.installation.operator


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    start = tmp_path_factory.mktemp("workspace")
    (start / "start.txt").write_text("<script>alert(1)</script>")
    with ExitStack() as stack:
        anthropic, openai = (stack.enter_context(Scripted(model_of)) for _ in range(2))
        plain, runner = stack.enter_context(Scripted(path_of)), stack.enter_context(CursorRunner(reports=False))
        receiver = stack.enter_context(WebhookReceiver())
        outside = (anthropic, openai, plain, runner, receiver)
        settings = {
            "PERSONALQ_INTERNAL_HOSTS": ",".join(one.server.target for one in outside),
            "PERSONALQ_MODEL_BASE_URLS": f"{anthropic.url},{openai.url}/v1",
            "PERSONALQ_COMMANDS": COMMANDS,
            "PERSONALQ_WORKSPACES": {"started": str(start)},
            "PERSONALQ_WORKER_SLOTS": "1",
            # What is never written at the most talkative level is never written.
            "LOG_LEVEL": "DEBUG",
        }
        installation = stack.enter_context(installed(tmp_path_factory.mktemp("product"), settings))
        installation.start()
        yield Stage(installation, anthropic, openai, plain, runner, receiver)
