"""Which coding runner the older prompts and the task operator go to."""

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings

from accounts.models import User
from personalq.lib.errors import Conflict
from tasks import access
from tasks.models import Agent
from tasks.runners.web.config import CURSOR_RUNNER

KIND: Final = "http"
NAME: Final = "cursor-runner"


class NoCodingRunner(Conflict):
    """Neither the user nor the operator has said where a coding runner is."""

    code = "no_coding_runner"
    title = "There is no coding runner."
    advice = (
        f"Make an agent named {NAME} of the kind http with the protocol {CURSOR_RUNNER}, or ask the operator to set "
        "PERSONALQ_CURSOR_RUNNER_URL."
    )


def named(actor: User) -> Agent | None:
    """The user's own agent of the usual name, if there is one."""
    return access.agents_of(actor).select_related("credential", "queue").filter(name=NAME).first()


def config_with(runner: Agent | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an agent that works in another repository or branch. Raises NoCodingRunner."""
    if runner is not None and runner.kind == KIND and runner.config.get("protocol", CURSOR_RUNNER) == CURSOR_RUNNER:
        return {**runner.config, **options}
    if not settings.PERSONALQ_CURSOR_RUNNER_URL:
        raise NoCodingRunner
    return {"protocol": CURSOR_RUNNER, "target_url": settings.PERSONALQ_CURSOR_RUNNER_URL, **options}
