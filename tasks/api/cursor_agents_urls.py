"""The routes below /cursor-agents. A middleware takes one slash off their end, as it does below /api."""

from django.urls import path, re_path

from tasks.api import cursor_agents

urlpatterns = [
    path("/health", cursor_agents.Health.as_view(), name="cursor-agents-health"),
    path("/agents", cursor_agents.Agents.as_view(), name="cursor-agents-agents"),
    path("/agents/<path:name>", cursor_agents.OneAgent.as_view(), name="cursor-agents-agent"),
    path("/queues", cursor_agents.Queues.as_view(), name="cursor-agents-queues"),
    path("/queues/<path:name>", cursor_agents.OneQueue.as_view(), name="cursor-agents-queue"),
    path("/prompts/recurring", cursor_agents.RecurringPrompts.as_view(), name="cursor-agents-prompts"),
    path("/prompts/<path:name>", cursor_agents.OnePrompt.as_view(), name="cursor-agents-prompt"),
    path("/task-operator", cursor_agents.TaskOperator.as_view(), name="cursor-agents-task-operator"),
    path("/task-operator/lock", cursor_agents.TaskOperatorLock.as_view(), name="cursor-agents-lock"),
    path("/task-operator/callback", cursor_agents.CallbackMoved.as_view(), name="cursor-agents-callback"),
    re_path(r"^/admin/queues(?:/.*)?\Z", cursor_agents.QueueBoardMoved.as_view(), name="cursor-agents-board"),
    # Last: strangers get the same 401 for routes that exist and for those that do not.
    re_path(r"^(?:/[\s\S]*)?\Z", cursor_agents.Unknown.as_view(), name="cursor-agents-unknown"),
]
