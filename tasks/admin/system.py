from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from personalq.lib.admin import ReadOnly, SafeModelAdmin
from tasks import access, task_operator
from tasks.admin.acting import act_on_each, operator
from tasks.models import Heartbeat, SystemSetting
from tasks.models.system_setting import TASK_OPERATOR


@admin.register(SystemSetting)
class SystemSettingAdmin(ReadOnly, SafeModelAdmin[SystemSetting]):
    """Switches as they stand. They have doors of their own, which check and record who turns them."""

    list_display = ("name", "in_words", "value", "updated_at")
    search_fields = ("name",)
    ordering = ("name",)
    fields = readonly_fields = ("name", "in_words", "value", "updated_at")
    show_full_result_count = False
    actions = ("turn_on", "turn_off", "free")

    @admin.display(description="in words")
    def in_words(self, setting: SystemSetting) -> str:
        """What the switch of the task operator means; the others say it themselves."""
        return _in_words(task_operator.read()) if setting.name == TASK_OPERATOR else ""

    def has_turn_permission(self, request: HttpRequest) -> bool:
        """Asked by the actions. Nothing else may be changed here."""
        return access.is_operator_for(operator(request), SystemSetting, "change")

    @admin.action(description="Task operator: turn on with the agent of before", permissions=["turn"])
    def turn_on(self, request: HttpRequest, chosen: QuerySet[SystemSetting]) -> None:
        self._turn(request, chosen, task_operator.turn_on, "Turned on")

    @admin.action(description="Task operator: turn off", permissions=["turn"])
    def turn_off(self, request: HttpRequest, chosen: QuerySet[SystemSetting]) -> None:
        self._turn(request, chosen, task_operator.turn_off, "Turned off")

    @admin.action(description="Task operator: free it from the task that holds it", permissions=["turn"])
    def free(self, request: HttpRequest, chosen: QuerySet[SystemSetting]) -> None:
        self._turn(request, chosen, task_operator.clear, "Freed")

    def _turn(self, request: HttpRequest, chosen: QuerySet[SystemSetting], verb: Callable[..., Any], done: str) -> None:
        if not self.has_turn_permission(request):
            raise PermissionDenied
        actor: User = operator(request)
        act_on_each(self, request, chosen.filter(name=TASK_OPERATOR), lambda _: verb(actor=actor), done)


def _in_words(now: task_operator.TaskOperator) -> str:
    words = ["On." if now.is_on else "Off."]
    if now.agent is not None:
        words.append(f"Agent {now.agent} of {now.agent.owner}, queue {now.queue or now.agent.queue}.")
        words.append("Prompts are instructions." if now.trusts_prompts else "Prompts are text from outside.")
    if now.problem is not None:
        words.append(now.problem.sentence)
    words.append(f"Waiting: {now.waiting}.")
    words.append(f"Held by {now.holder.uuid}." if now.holder else "No task holds it.")
    return " ".join(words)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnly, SafeModelAdmin[Heartbeat]):
    """Which processes are at work, and when each was last heard of."""

    list_display = ("name", "role", "started_at", "seen_at")
    list_filter = ("role", "seen_at")
    search_fields = ("name",)
    fields = readonly_fields = ("name", "role", "started_at", "seen_at", "data")
    show_full_result_count = False
