from django.contrib import admin

from personalq.lib.admin import ReadOnly, SafeModelAdmin
from tasks.models import OlderAgent


@admin.register(OlderAgent)
class OlderAgentAdmin(ReadOnly, SafeModelAdmin[OlderAgent]):
    """Agents and prompts that the older tools have made. Agents, schedules and queues themselves stand under theirs."""

    list_display = ("agent", "kind", "schedule", "made_queue", "created_at")
    list_filter = ("kind", "created_at")
    list_select_related = ("agent", "schedule", "made_queue")
    search_fields = ("agent__name", "agent__uuid", "schedule__name")
    fields = readonly_fields = (
        "kind", "agent", "has_own_agent", "schedule", "schedule_text", "timeout_milliseconds", "made_queue",
        "secret_headers", "created_at",
    )  # fmt: skip
    show_full_result_count = False
