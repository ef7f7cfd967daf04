"""The routes of tasks, agents and queues, below /api/v1."""

from django.urls import path

from tasks.api import agent_views, queue_views, task_verbs, task_views

urlpatterns = [
    path("/tasks", task_views.TaskList.as_view(), name="api-tasks"),
    path("/tasks/<uuid:uuid>", task_views.OneTask.as_view(), name="api-task"),
    path("/tasks/<uuid:uuid>/events", task_views.TaskEvents.as_view(), name="api-task-events"),
    path("/tasks/<uuid:uuid>/cancel", task_verbs.CancelTask.as_view(), name="api-task-cancel"),
    path("/tasks/<uuid:uuid>/retry", task_verbs.RetryTask.as_view(), name="api-task-retry"),
    path("/tasks/<uuid:uuid>/backlog", task_verbs.BacklogTask.as_view(), name="api-task-backlog"),
    path("/tasks/<uuid:uuid>/release", task_verbs.ReleaseTask.as_view(), name="api-task-release"),
    path("/tasks/<uuid:uuid>/archive", task_verbs.ArchiveTask.as_view(), name="api-task-archive"),
    path("/tasks/<uuid:uuid>/restore", task_verbs.RestoreTask.as_view(), name="api-task-restore"),
    path("/agents", agent_views.AgentList.as_view(), name="api-agents"),
    path("/agents/<uuid:uuid>", agent_views.OneAgent.as_view(), name="api-agent"),
    path("/queues", queue_views.QueueList.as_view(), name="api-queues"),
    path("/queues/<uuid:uuid>", queue_views.OneQueue.as_view(), name="api-queue"),
    path("/queues/<uuid:uuid>/pause", queue_views.PauseQueue.as_view(), name="api-queue-pause"),
    path("/queues/<uuid:uuid>/resume", queue_views.ResumeQueue.as_view(), name="api-queue-resume"),
]
