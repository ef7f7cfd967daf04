"""The operators' view of agents, queues, tasks and their history."""

from tasks.admin.agents import AgentAdmin
from tasks.admin.events import TaskEventAdmin
from tasks.admin.queues import QueueAdmin
from tasks.admin.tasks import TaskAdmin

__all__ = ["AgentAdmin", "QueueAdmin", "TaskAdmin", "TaskEventAdmin"]
