"""The operators' view of agents, queues, tasks, their history and what keeps them going."""

from tasks.admin.agents import AgentAdmin
from tasks.admin.bulk_actions import BulkActionAdmin
from tasks.admin.events import TaskEventAdmin
from tasks.admin.limits import UserLimitsAdmin
from tasks.admin.queues import QueueAdmin
from tasks.admin.system import HeartbeatAdmin, SystemSettingAdmin
from tasks.admin.tasks import TaskAdmin

__all__ = [
    "AgentAdmin",
    "BulkActionAdmin",
    "HeartbeatAdmin",
    "QueueAdmin",
    "SystemSettingAdmin",
    "TaskAdmin",
    "TaskEventAdmin",
    "UserLimitsAdmin",
]
