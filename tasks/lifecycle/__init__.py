"""Every state change of a task, one verb each: the only way in.

A verb is one transaction: lock the row, check the status it expects (and, for a worker, the attempt), change the
row, write the event. Whatever leaves the database happens after the commit; the sweep repeats what got lost.
Locks are taken in the order schedule, concurrency key, queue, claims (`tasks.locks`), task, approval, spending, agent.
"""

from tasks.lifecycle.approvals import (
    REASONS as APPROVAL_REASONS,
)
from tasks.lifecycle.approvals import (
    ApprovalDecided,
    ApprovalPending,
    ApprovalTextChanged,
    assess_again,
    digest_of,
    expire_approval,
    hold_back,
    may_run,
)
from tasks.lifecycle.attempts import (
    Claimed,
    claim,
    complete,
    expect_report,
    fail,
    give_back,
    heartbeat,
    keep,
    note_usage,
    park,
    raise_alarm,
    record_output,
    record_outputs,
    reserve,
    still_held,
)
from tasks.lifecycle.audited import approve, archive, backlog, cancel, deny, edit, move, release, restore, retry
from tasks.lifecycle.handing import CLEARED, SWITCHED, WorkHandedOver, hand_out, put_behind, take_back
from tasks.lifecycle.healing import (
    STOP_SWITCH_REASON,
    adopt,
    end_overdue,
    end_unreported,
    expire,
    interrupt,
    recover_lost,
)
from tasks.lifecycle.importing import KEPT_ID_LIMIT, Intake, OlderTask, bring_in, set_ids_aside
from tasks.lifecycle.incoming import Look, Submission, UntrustedTextRefused, look_at, submit, submit_many
from tasks.lifecycle.keys import ConcurrencyKeyTaken
from tasks.lifecycle.pruning import Pruned, prune_some
from tasks.lifecycle.rows import ContentsRemoved
from tasks.lifecycle.spent import settle_forgotten

__all__ = [
    "APPROVAL_REASONS",
    "CLEARED",
    "KEPT_ID_LIMIT",
    "STOP_SWITCH_REASON",
    "SWITCHED",
    "ApprovalDecided",
    "ApprovalPending",
    "ApprovalTextChanged",
    "Claimed",
    "ConcurrencyKeyTaken",
    "ContentsRemoved",
    "Intake",
    "Look",
    "OlderTask",
    "Pruned",
    "Submission",
    "UntrustedTextRefused",
    "WorkHandedOver",
    "adopt",
    "approve",
    "archive",
    "assess_again",
    "backlog",
    "bring_in",
    "cancel",
    "claim",
    "complete",
    "deny",
    "digest_of",
    "edit",
    "end_overdue",
    "end_unreported",
    "expect_report",
    "expire",
    "expire_approval",
    "fail",
    "give_back",
    "hand_out",
    "heartbeat",
    "hold_back",
    "interrupt",
    "keep",
    "look_at",
    "may_run",
    "move",
    "note_usage",
    "park",
    "prune_some",
    "put_behind",
    "raise_alarm",
    "record_output",
    "record_outputs",
    "recover_lost",
    "release",
    "reserve",
    "restore",
    "retry",
    "set_ids_aside",
    "settle_forgotten",
    "still_held",
    "submit",
    "submit_many",
    "take_back",
]
