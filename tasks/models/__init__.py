from tasks.models.agent import Agent
from tasks.models.bulk_action import BulkAction
from tasks.models.event import TaskEvent
from tasks.models.heartbeat import Heartbeat
from tasks.models.limits import QueueStart, QueueTurn, UserLimits
from tasks.models.queue import DEFAULT_QUEUE, Queue
from tasks.models.system_setting import SystemSetting
from tasks.models.task import PROMPT_LENGTH, TITLE_LENGTH, ConcurrencyPolicy, Task

__all__ = [
    "DEFAULT_QUEUE",
    "PROMPT_LENGTH",
    "TITLE_LENGTH",
    "Agent",
    "BulkAction",
    "ConcurrencyPolicy",
    "Heartbeat",
    "Queue",
    "QueueStart",
    "QueueTurn",
    "SystemSetting",
    "Task",
    "TaskEvent",
    "UserLimits",
]
