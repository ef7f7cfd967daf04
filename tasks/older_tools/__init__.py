"""What the older cursor-agents service did, over our own verbs: its names, its bodies, its answers.

The HTTP mount `/cursor-agents/`, the commands and the tools of MCP all call these. Each returns the older JSON as a
dict, for the user who asks, and raises the errors of `personalq.lib.errors`.
"""

from tasks.older_tools.agents import agent_status, create_agent, delete_agent, list_agents
from tasks.older_tools.operating import check_lock, clear_lock, disable_task_operator, enable_task_operator
from tasks.older_tools.prompts import create_prompt, delete_prompt, prompt_status
from tasks.older_tools.queues import delete_queue, list_queues, queue_info

__all__ = [
    "agent_status",
    "check_lock",
    "clear_lock",
    "create_agent",
    "create_prompt",
    "delete_agent",
    "delete_prompt",
    "delete_queue",
    "disable_task_operator",
    "enable_task_operator",
    "list_agents",
    "list_queues",
    "prompt_status",
    "queue_info",
]
