from tasks.models.agent import Agent, UntrustedPolicy
from tasks.models.approval import Approval, ApprovalState
from tasks.models.artifact import Artifact
from tasks.models.budget import AttemptSpending, Budget, BudgetScope, Spending
from tasks.models.bulk_action import BulkAction
from tasks.models.conversation import Conversation
from tasks.models.event import TaskEvent
from tasks.models.heartbeat import Heartbeat
from tasks.models.limits import QueueStart, QueueTurn, UserLimits
from tasks.models.older_agent import OlderAgent, OlderKind
from tasks.models.price import ModelPrice
from tasks.models.queue import DEFAULT_QUEUE, Queue
from tasks.models.report import ExpectedReport, RunnerTarget
from tasks.models.schedule import CatchUpPolicy, FireOutcome, OverlapPolicy, Schedule, ScheduleFire, Timing
from tasks.models.system_setting import SystemSetting
from tasks.models.task import PROMPT_LENGTH, TITLE_LENGTH, ConcurrencyPolicy, Task

__all__ = [
    "DEFAULT_QUEUE",
    "PROMPT_LENGTH",
    "TITLE_LENGTH",
    "Agent",
    "Approval",
    "ApprovalState",
    "Artifact",
    "AttemptSpending",
    "Budget",
    "BudgetScope",
    "BulkAction",
    "CatchUpPolicy",
    "ConcurrencyPolicy",
    "Conversation",
    "ExpectedReport",
    "FireOutcome",
    "Heartbeat",
    "ModelPrice",
    "OlderAgent",
    "OlderKind",
    "OverlapPolicy",
    "Queue",
    "QueueStart",
    "QueueTurn",
    "RunnerTarget",
    "Schedule",
    "ScheduleFire",
    "Spending",
    "SystemSetting",
    "Task",
    "TaskEvent",
    "Timing",
    "UntrustedPolicy",
    "UserLimits",
]
