"""The addresses of the pages."""

from django.urls import path

from realtime.views import agents, overview, socket_token, task_detail, task_list, task_new

urlpatterns = [
    path("", overview.show, name="overview"),
    path("overview/summary", overview.summary, name="overview-summary"),
    path("tasks", task_list.show, name="task-list"),
    path("tasks/rows", task_list.rows, name="task-rows"),
    path("tasks/new", task_new.new, name="task-new"),
    path("tasks/<uuid:uuid>", task_detail.show, name="task"),
    path("tasks/<uuid:uuid>/panel", task_detail.panel, name="task-panel"),
    path("tasks/<uuid:uuid>/output", task_detail.output, name="task-output"),
    *(
        path(f"tasks/<uuid:uuid>/{verb}", task_detail.act, {"verb": verb}, name=f"task-{verb}")
        for verb in task_detail.VERBS
    ),
    path("agents", agents.show_list, name="agent-list"),
    path("agents/new", agents.new, name="agent-new"),
    path("agents/<uuid:uuid>", agents.edit, name="agent"),
    path("agents/<uuid:uuid>/delete", agents.delete, name="agent-delete"),
    path("session/socket-token", socket_token.issue, name="socket-token"),
]
