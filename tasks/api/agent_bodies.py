"""Bodies that make or change agents: common fields and the kind's own ones side by side."""

from collections.abc import Mapping
from typing import Any

from personalq.lib.fields import StrictSerializer
from tasks.api.agent_forms import AGENT_CHANGES, AGENT_FORMS, AgentChanges, AgentForm, own_fields
from tasks.models import Agent


def read_new_agent(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `agents.create` but for the queue, which stays a name."""
    kind = body.get("kind")
    form = AGENT_FORMS.get(kind) if isinstance(kind, str) else None
    # Without a known kind nobody can tell which of the other fields are right.
    values = _checked(form, body) if form else _checked(AgentForm, _common(body))
    return _with_config(values, own_fields(values["kind"]))


def read_changes(agent: Agent, body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `agents.change` but for the queue.

    Null puts one of the kind's own fields back to its default.
    """
    own = own_fields(agent.kind)
    if own.isdisjoint(body):
        return _checked(AgentChanges, body)
    merged = {**agent.config, **body}
    kept = {name: value for name, value in merged.items() if value is not None or name not in own}
    return _with_config(_checked(AGENT_CHANGES[agent.kind], kept), own)


def _checked(form_class: type[StrictSerializer], body: Mapping[str, Any]) -> dict[str, Any]:
    form = form_class(data=body)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def _common(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name in AgentForm().fields}


def _with_config(values: dict[str, Any], own: frozenset[str]) -> dict[str, Any]:
    config = {name: value for name, value in values.items() if name in own}
    common = {name: value for name, value in values.items() if name not in own}
    return {**common, "config": config}
