"""The routes of tasks, agents, queues, the stop switch and readiness, below /api/v1."""

from django.urls import path

from tasks.api import (
    agent_verbs,
    agent_views,
    bulk_views,
    dead_letter_views,
    queue_views,
    readiness_views,
    stop_switch_views,
    task_batch,
    task_verbs,
    task_views,
)

urlpatterns = [
    path("/tasks", task_views.TaskList.as_view(), name="api-tasks"),
    path("/tasks/batch", task_batch.TaskBatch.as_view(), name="api-task-batch"),
    path("/tasks/<uuid:uuid>", task_views.OneTask.as_view(), name="api-task"),
    path("/tasks/<uuid:uuid>/events", task_views.TaskEvents.as_view(), name="api-task-events"),
    path("/tasks/<uuid:uuid>/attempts", task_views.TaskAttempts.as_view(), name="api-task-attempts"),
    path("/tasks/<uuid:uuid>/cancel", task_verbs.CancelTask.as_view(), name="api-task-cancel"),
    path("/tasks/<uuid:uuid>/retry", task_verbs.RetryTask.as_view(), name="api-task-retry"),
    path("/tasks/<uuid:uuid>/backlog", task_verbs.BacklogTask.as_view(), name="api-task-backlog"),
    path("/tasks/<uuid:uuid>/release", task_verbs.ReleaseTask.as_view(), name="api-task-release"),
    path("/tasks/<uuid:uuid>/archive", task_verbs.ArchiveTask.as_view(), name="api-task-archive"),
    path("/tasks/<uuid:uuid>/restore", task_verbs.RestoreTask.as_view(), name="api-task-restore"),
    path("/bulk-actions", bulk_views.BulkActionList.as_view(), name="api-bulk-actions"),
    path("/bulk-actions/<uuid:uuid>", bulk_views.OneBulkAction.as_view(), name="api-bulk-action"),
    path("/bulk-actions/<uuid:uuid>/stop", bulk_views.StopBulkAction.as_view(), name="api-bulk-action-stop"),
    path("/dead-letters", dead_letter_views.DeadLetterList.as_view(), name="api-dead-letters"),
    path("/dead-letters/retry", dead_letter_views.RetryDeadLetters.as_view(), name="api-dead-letters-retry"),
    path("/dead-letters/discard", dead_letter_views.DiscardDeadLetters.as_view(), name="api-dead-letters-discard"),
    path("/agents", agent_views.AgentList.as_view(), name="api-agents"),
    path("/agents/<uuid:uuid>", agent_views.OneAgent.as_view(), name="api-agent"),
    path("/agents/<uuid:uuid>/pause", agent_verbs.PauseAgent.as_view(), name="api-agent-pause"),
    path("/agents/<uuid:uuid>/resume", agent_verbs.ResumeAgent.as_view(), name="api-agent-resume"),
    path("/agents/<uuid:uuid>/end-hold", agent_verbs.EndAgentHold.as_view(), name="api-agent-end-hold"),
    path("/queues", queue_views.QueueList.as_view(), name="api-queues"),
    path("/queues/<uuid:uuid>", queue_views.OneQueue.as_view(), name="api-queue"),
    path("/queues/<uuid:uuid>/pause", queue_views.PauseQueue.as_view(), name="api-queue-pause"),
    path("/queues/<uuid:uuid>/resume", queue_views.ResumeQueue.as_view(), name="api-queue-resume"),
    path("/stop-switch", stop_switch_views.StopSwitchView.as_view(), name="api-stop-switch"),
    path("/readiness", readiness_views.Readiness.as_view(), name="api-readiness"),
]
