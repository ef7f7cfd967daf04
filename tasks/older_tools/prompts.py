"""Prompts that come again and again, for a coding runner."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import User
from tasks import agents
from tasks.models import Agent, OlderAgent, OlderKind
from tasks.older_tools import coding_runner, status
from tasks.older_tools.belongings import hold_names, older_agents_of, put_schedule
from tasks.older_tools.forms import PROMPT_PREFIX, PromptForm, read
from tasks.older_tools.timing import read_schedule
from tasks.older_tools.unmaking import delete_with_belongings
from tasks.older_tools.words import expect_storable, in_older_words, no_such


def create_prompt(*, actor: User, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Give a prompt to the coding runner by a schedule, or change the prompt of that name. All of it or nothing.

    Args:
        actor: Whose prompt it becomes.
        wanted: The older body: name, prompt, schedule, options with repository and branch.

    Raises:
        InvalidInput: It names the wrong members.
        NoCodingRunner: Nobody has said where one is.
        Conflict: Another schedule has the name, or a quota is reached.
    """
    with in_older_words():
        asked = read(PromptForm, wanted)
        asked["when"] = read_schedule(asked["schedule"])
        with transaction.atomic():
            _put(actor, asked)
    return {"success": True, "jobId": f"recurring:{asked['name']}", "name": asked["name"]}


def prompt_status(*, actor: User, name: str) -> dict[str, Any]:
    """One prompt. Raises NotFound."""
    return status.of_prompt(_find(actor, name))


def delete_prompt(*, actor: User, name: str) -> dict[str, Any]:
    """Delete a prompt with its schedule, and the agent that was made for it. Raises NotFound or Conflict."""
    with transaction.atomic():
        hold_names(actor)
        delete_with_belongings(actor, _find(actor, name))
    return {"success": True, "message": f'Prompt "{name}" deleted successfully'}


def _put(actor: User, asked: Mapping[str, Any]) -> None:
    hold_names(actor)
    older = older_agents_of(actor, OlderKind.PROMPT).filter(schedule__name=asked["name"]).first()
    agent, is_own = _agent_for(actor, asked, older)
    left = older.agent if older is not None and older.has_own_agent and older.agent != agent else None
    older = older or OlderAgent(kind=OlderKind.PROMPT)
    older.schedule = put_schedule(
        actor,
        agent=agent,
        name=asked["name"],
        prompt=asked["prompt"],
        when=asked["when"],
        before=older.schedule,
    )
    older.agent, older.has_own_agent, older.schedule_text = agent, is_own, asked["schedule"]
    older.save()
    if left is not None:
        agents.delete(actor=actor, agent=left)


def _agent_for(actor: User, asked: Mapping[str, Any], older: OlderAgent | None) -> tuple[Agent, bool]:
    """Who carries the prompt out, and whether that agent is made for it alone."""
    options = asked.get("options", {})
    runner = coding_runner.named(actor)
    if runner is not None and not options:
        return runner, False
    config = coding_runner.config_with(runner, options)
    if older is not None and older.has_own_agent:
        return agents.change(actor=actor, agent=older.agent, config=config), True
    credential = runner.credential if runner else None
    name = f"{PROMPT_PREFIX}{asked['name']}"
    return agents.create(actor=actor, name=name, kind=coding_runner.KIND, config=config, credential=credential), True


def _find(actor: User, name: str) -> OlderAgent:
    expect_storable("Prompt", name)
    found = status.with_last_run(older_agents_of(actor, OlderKind.PROMPT)).filter(schedule__name=name).first()
    if found is None:
        raise no_such("Prompt", name)
    return found
