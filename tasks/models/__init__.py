from tasks.models.agent import Agent
from tasks.models.event import TaskEvent
from tasks.models.queue import DEFAULT_QUEUE, Queue
from tasks.models.task import PROMPT_LENGTH, TITLE_LENGTH, Task

__all__ = ["DEFAULT_QUEUE", "PROMPT_LENGTH", "TITLE_LENGTH", "Agent", "Queue", "Task", "TaskEvent"]
