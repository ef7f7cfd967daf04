"""The addresses of the pages."""

from django.urls import path

from realtime.views import (
    agent_verbs,
    agents,
    bulk_actions,
    dead_letters,
    overview,
    queues,
    socket_token,
    stop_switch,
    task_detail,
    task_edit,
    task_list,
    task_new,
)
from realtime.views.task_panel import VERBS as TASK_VERBS

urlpatterns = [
    path("", overview.show, name="overview"),
    path("overview/summary", overview.summary, name="overview-summary"),
    path("tasks", task_list.show, name="task-list"),
    path("tasks/rows", task_list.rows, name="task-rows"),
    path("tasks/new", task_new.new, name="task-new"),
    path("tasks/<uuid:uuid>", task_detail.show, name="task"),
    path("tasks/<uuid:uuid>/panel", task_detail.panel, name="task-panel"),
    path("tasks/<uuid:uuid>/output", task_detail.output, name="task-output"),
    *(path(f"tasks/<uuid:uuid>/{verb}", task_detail.act, {"verb": verb}, name=f"task-{verb}") for verb in TASK_VERBS),
    path("tasks/<uuid:uuid>/edit", task_edit.edit, name="task-edit"),
    path("bulk-actions", bulk_actions.show_list, name="bulk-action-list"),
    path("bulk-actions/new", bulk_actions.new, name="bulk-action-new"),
    path("bulk-actions/<uuid:uuid>", bulk_actions.show, name="bulk-action"),
    path("bulk-actions/<uuid:uuid>/panel", bulk_actions.panel, name="bulk-action-panel"),
    path("bulk-actions/<uuid:uuid>/stop", bulk_actions.stop, name="bulk-action-stop"),
    path("dead-letters", dead_letters.show_list, name="dead-letter-list"),
    path("dead-letters/retry", dead_letters.retry_all, name="dead-letters-retry"),
    path("dead-letters/discard", dead_letters.discard_all, name="dead-letters-discard"),
    path("agents", agents.show_list, name="agent-list"),
    path("agents/new", agents.new, name="agent-new"),
    path("agents/<uuid:uuid>", agents.edit, name="agent"),
    path("agents/<uuid:uuid>/delete", agents.delete, name="agent-delete"),
    *(
        path(f"agents/<uuid:uuid>/{verb}", agent_verbs.act, {"verb": verb}, name=f"agent-{verb}")
        for verb in agent_verbs.VERBS
    ),
    path("queues", queues.show_list, name="queue-list"),
    path("queues/new", queues.new, name="queue-new"),
    path("queues/<uuid:uuid>", queues.edit, name="queue"),
    path("queues/<uuid:uuid>/delete", queues.delete, name="queue-delete"),
    *(path(f"queues/<uuid:uuid>/{verb}", queues.act, {"verb": verb}, name=f"queue-{verb}") for verb in queues.VERBS),
    path("stop-switch/on", stop_switch.turn_on, name="stop-switch-on"),
    path("stop-switch/off", stop_switch.turn_off, name="stop-switch-off"),
    path("session/socket-token", socket_token.issue, name="socket-token"),
]
