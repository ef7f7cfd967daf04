"""Does once more what the older scripts were recorded to do: by our commands, and by the client on a real server."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, Final

from django.core.management import load_command_class

from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Queue
from tests.commands.recorded import USAGE, USAGE_TEXT, Run, recorded_runs
from tests.commands.running import Ran, run_client
from tests.makers import claim_or_none

TARGETS: Final = ("127.0.0.1:7657", "127.0.0.1:9")
"""Where the agents of the recorded runs send their requests: for PERSONALQ_INTERNAL_HOSTS."""
RUNNER: Final = f"http://{TARGETS[0]}"
NOBODY_THERE: Final = "http://127.0.0.1:9"
FAILING: Final = frozenset({"boom", "deadtarget", "slow"})
AFTER_THE_WORK: Final = "list_queues"
"""Before this run the older service had carried out what was asked for until then."""

Call = Callable[[Run], Ran]


def replay(call: Call) -> Iterator[tuple[Run, Run]]:
    """Each recorded run and ours, in their order. Needs an operator and an empty database."""
    for recorded in recorded_runs():
        if recorded.case == AFTER_THE_WORK:
            carry_out_everything()
        yield recorded, _as_run(recorded, call(recorded))


def by_command(run: Run) -> Ran:
    """As `manage.py VERB …`, in this process."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with redirect_stdout(out), redirect_stderr(err):
        command = load_command_class("tasks", run.verb)
        try:
            command.run_from_argv(["manage.py", run.verb, *run.arguments])
        except SystemExit as ended:
            code = ended.code or 0
    return Ran(code=code, out=out.getvalue(), err=err.getvalue())


def by_client(url: str, token: str) -> Call:
    """As `personalq-cli VERB …`, against the server at this address."""

    def call(run: Run) -> Ran:
        address = NOBODY_THERE if run.needs_server_down else url
        return run_client(run.verb, *run.arguments, PERSONALQ_URL=address, PERSONALQ_TOKEN=token)

    return call


def carry_out_everything() -> None:
    """What workers would have done by now."""
    for queue in Queue.objects.all():
        while (task := claim_or_none(queue)) is not None:
            if task.agent is not None and task.agent.name in FAILING:
                lifecycle.fail(claim=Claim.of(task), code="target_failed")
            else:
                lifecycle.complete(claim=Claim.of(task), result="ok")


def _as_run(recorded: Run, ran: Ran) -> Run:
    is_help = recorded.arguments == ("--help",)
    out: Any = USAGE_TEXT if is_help and ran.out.startswith("usage: ") else _read(ran.out)
    err: Any = USAGE_TEXT if ran.code == USAGE and "usage: " in ran.err else _read(ran.err)
    told: Mapping[str, Any] = {"case": recorded.case, "script": recorded.script, "arguments": recorded.arguments}
    return Run(**told, code=ran.code, out=out, err=err)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
