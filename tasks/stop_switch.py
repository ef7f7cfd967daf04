"""The operators' switch that stops everybody's tasks at once, and lets them go on."""

import logging
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import User
from tasks import dispatch, lifecycle, locks, selection, trail
from tasks.models import SystemSetting, Task
from tasks.models.system_setting import STOP_SWITCH

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StopSwitch:
    """Whether everything is stopped, and since when, by whom and why."""

    is_on: bool = False
    reason: str = ""
    by: str = ""
    at: Any = None
    stops_running: bool = True


def read() -> StopSwitch:
    """How the switch stands now."""
    value = SystemSetting.objects.value_of(STOP_SWITCH)
    if not value:
        return StopSwitch()
    return StopSwitch(**{**value, "at": parse_datetime(value["at"])})


def turn_on(*, actor: User, reason: str = "", stops_running: bool = True) -> StopSwitch:
    """Start nothing any more; unless told otherwise, also stop what runs and put it back in line.

    When this returns no task will start, and with `stops_running` none counts as running; the sweep stops those that
    a crash here left. An attempt that is stopped does not count, and begins anew when the switch is turned off.
    """
    with transaction.atomic():
        locks.hold_claims()
        _write(actor, is_on=True, reason=reason, stops_running=stops_running)
    if stops_running:
        for task_id in Task.objects.running().values_list("pk", flat=True):
            lifecycle.interrupt(task_id=task_id, reason=lifecycle.STOP_SWITCH_REASON)
    return read()


def turn_off(*, actor: User) -> StopSwitch:
    """Go on. Turning it off twice changes nothing."""
    with transaction.atomic():
        if not read().is_on:
            return read()
        _write(actor, is_on=False, reason="", stops_running=True)
        for queue_id in selection.queues_with_ready_tasks():
            dispatch.nudge_after_commit(queue_id)
    return read()


def _write(actor: User, *, is_on: bool, reason: str, stops_running: bool) -> None:
    value = {
        "is_on": is_on,
        "reason": reason,
        "by": actor.get_username(),
        "at": timezone.now().isoformat(),
        "stops_running": stops_running,
    }
    SystemSetting.objects.update_or_create(name=STOP_SWITCH, defaults={"value": value, "updated_at": timezone.now()})
    deed = "turned_on" if is_on else "turned_off"
    trail.note_switch("stop_switch", deed, actor, stops_running=stops_running)
    _logger.info("the stop switch was turned %s by %s", "on" if is_on else "off", actor.uuid)
