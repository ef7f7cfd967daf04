"""Every state change of a task, one verb each: the only way in.

A verb is one transaction: lock the row, check the status it expects (and, for a worker, the attempt), change the
row, write the event. Whatever leaves the database happens after the commit; the sweep repeats what got lost.
Locks are taken in the order concurrency key, queue, claims (`tasks.locks`), task, agent.
"""

from tasks.lifecycle.asked import archive, backlog, cancel, edit, move, release, restore, retry
from tasks.lifecycle.attempts import (
    Claimed,
    claim,
    complete,
    fail,
    give_back,
    heartbeat,
    record_output,
    still_held,
)
from tasks.lifecycle.healing import STOP_SWITCH_REASON, adopt, end_overdue, expire, interrupt, recover_lost
from tasks.lifecycle.incoming import Submission, submit, submit_many
from tasks.lifecycle.keys import ConcurrencyKeyTaken

__all__ = [
    "STOP_SWITCH_REASON",
    "Claimed",
    "ConcurrencyKeyTaken",
    "Submission",
    "adopt",
    "archive",
    "backlog",
    "cancel",
    "claim",
    "complete",
    "edit",
    "end_overdue",
    "expire",
    "fail",
    "give_back",
    "heartbeat",
    "interrupt",
    "move",
    "record_output",
    "recover_lost",
    "release",
    "restore",
    "retry",
    "still_held",
    "submit",
    "submit_many",
]
