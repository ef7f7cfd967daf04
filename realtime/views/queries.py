"""The query parameters of the pages."""

from typing import Any, Final

from accounts.models import Provider
from accounts.models.audit_event import Outcome
from personalq.lib.fields import StrictCharField, StrictChoiceField
from personalq.lib.queries import QueryIntegerField, QueryUUIDField, StrictQuery
from tasks import states
from tasks.models.bulk_action import BulkVerb
from tasks.runners import KINDS
from webhooks.models import DeliveryState, DoorKind

MOST_ROWS: Final = 50
DECIDED: Final = "decided"
_LONGEST_IDS: Final = MOST_ROWS * 37


class PageQuery(StrictQuery):
    """A form that asks by GET sends its empty fields too: they ask for nothing."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value({name: value for name, value in data.items() if value.strip()})


class TaskFilter(PageQuery):
    """Which tasks a list shows."""

    status = StrictChoiceField(choices=states.WORDS, required=False)
    agent = QueryUUIDField(required=False)
    queue = QueryUUIDField(required=False)
    text = StrictCharField(max_length=200, required=False)


class TaskListQuery(TaskFilter):
    before = QueryUUIDField(required=False)
    after = QueryUUIDField(required=False)


class TaskRowsQuery(TaskFilter):
    """Some rows of a list, by their ids with commas between them."""

    ids = StrictCharField(max_length=_LONGEST_IDS)


class BulkQuery(TaskFilter):
    """What to do with the tasks of a list."""

    action = StrictChoiceField(choices=BulkVerb.values)


class NeighbourQuery(PageQuery):
    """Beside which row a page of a list begins."""

    before = QueryUUIDField(required=False)
    after = QueryUUIDField(required=False)


class ApprovalListQuery(NeighbourQuery):
    """Pending ones unless others are asked for."""

    show = StrictChoiceField(choices=[DECIDED], required=False)


class NewTaskQuery(PageQuery):
    """For which agent, or going on from which task or conversation."""

    agent = QueryUUIDField(required=False)
    conversation = QueryUUIDField(required=False)
    task = QueryUUIDField(required=False)


class NewBudgetQuery(PageQuery):
    agent = QueryUUIDField(required=False)


class NewScheduleQuery(PageQuery):
    agent = QueryUUIDField(required=False)


class NewAgentQuery(PageQuery):
    kind = StrictChoiceField(choices=KINDS, required=False)


class NewCredentialQuery(PageQuery):
    provider = StrictChoiceField(choices=Provider.values, required=False)


class NewDoorQuery(PageQuery):
    # A Telegram bot brings its door with it.
    kind = StrictChoiceField(choices=[each for each in DoorKind.values if each != DoorKind.TELEGRAM], required=False)


class OutputQuery(PageQuery):
    attempt = QueryIntegerField(min_value=1, max_value=2**31 - 1, required=False)


class NothingAsked(PageQuery):
    """For pages that take no parameters."""


class ActivityQuery(NeighbourQuery):
    """All acts unless one outcome is asked for."""

    outcome = StrictChoiceField(choices=Outcome.values, required=False)


class DeliveriesQuery(NeighbourQuery):
    """All deliveries of an endpoint unless one state is asked for."""

    state = StrictChoiceField(choices=DeliveryState.values, required=False)
