"""The operators' view of agents, queues, schedules, tasks, their history and what keeps them going."""

from tasks.admin.agents import AgentAdmin
from tasks.admin.approvals import ApprovalAdmin
from tasks.admin.budgets import AttemptSpendingAdmin, BudgetAdmin, SpendingAdmin
from tasks.admin.bulk_actions import BulkActionAdmin
from tasks.admin.events import TaskEventAdmin
from tasks.admin.limits import UserLimitsAdmin
from tasks.admin.older_agents import OlderAgentAdmin
from tasks.admin.prices import ModelPriceAdmin
from tasks.admin.queues import QueueAdmin
from tasks.admin.schedules import ScheduleAdmin, ScheduleFireAdmin
from tasks.admin.system import HeartbeatAdmin, SystemSettingAdmin
from tasks.admin.tasks import TaskAdmin
from tasks.admin.work import ArtifactAdmin, ConversationAdmin, ExpectedReportAdmin, RunnerTargetAdmin

__all__ = [
    "AgentAdmin",
    "ApprovalAdmin",
    "ArtifactAdmin",
    "AttemptSpendingAdmin",
    "BudgetAdmin",
    "BulkActionAdmin",
    "ConversationAdmin",
    "ExpectedReportAdmin",
    "HeartbeatAdmin",
    "ModelPriceAdmin",
    "OlderAgentAdmin",
    "QueueAdmin",
    "RunnerTargetAdmin",
    "ScheduleAdmin",
    "ScheduleFireAdmin",
    "SpendingAdmin",
    "SystemSettingAdmin",
    "TaskAdmin",
    "TaskEventAdmin",
    "UserLimitsAdmin",
]
