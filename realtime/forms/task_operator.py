"""The form by which operators turn the task operator on, or change what it does."""

from typing import Any, Final

from django import forms
from django.db.models import Q

from accounts.models import User
from realtime.forms.fields import AnswerableForm, OwnAgentField, QueueField
from tasks import access
from tasks.models import Agent, Queue

_SURE: Final = "Tick this first: from then on the agent carries out what others write into the table of tasks."


class TaskOperatorForm(AnswerableForm):
    """Who carries the tasks out, where, and as what the prompts count."""

    agent = OwnAgentField(label="Default agent", help_text="An agent of an operator.")
    queue = QueueField(
        label="Queue", required=False, empty_label="The agent's own", help_text="A shared one, or one of yours."
    )
    trusts_prompts = forms.BooleanField(
        label="The prompts are instructions",
        required=False,
        help_text="Whoever may write rows by SQL then says what the agent does. Without this it gets the prompts as "
        "text from outside. Either way the agent's policy looks at them.",
    )
    sure = forms.BooleanField(
        label="Let the agent carry out what stands in rows without an agent", error_messages={"required": _SURE}
    )

    def __init__(self, operator: User, *args: Any, is_on: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        agent: Any = self.fields["agent"]
        queue: Any = self.fields["queue"]
        agent.queryset = _agents_for(operator)
        queue.queryset = Queue.objects.filter(Q(owner=operator) | Q(owner__isnull=True)).order_by("owner_id", "name")
        if is_on:
            del self.fields["sure"]


def _agents_for(operator: User) -> Any:
    """Those that the operator may change, if their owners are operators, own ones first."""
    sees_all = access.is_operator_for(operator, Agent, "change")
    found = access.everybodys_agents(operator) if sees_all else access.agents_of(operator)
    return found.filter(owner__is_staff=True, owner__is_active=True).order_by("name", "pk")
