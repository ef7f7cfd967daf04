"""Dead letters: tasks that failed because their attempts were used up."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.pagination import PageParameters
from tasks.api import documents
from tasks.api.base import READ_LIMIT, ApiView, read_body
from tasks.api.bulk_bodies import BulkActionDocument, DeadLetterFilter
from tasks.api.bulk_views import BULK_LIMIT, LOCATION, TOO_MANY, AskingView
from tasks.api.filters import DeadLetterQuery, tasks_listed
from tasks.api.representations import task_row, task_rows
from tasks.models.bulk_action import BulkVerb


class DeadLetterList(ApiView):
    """Your dead letters."""

    scope: ClassVar[str] = "tasks"
    query_class = DeadLetterQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT}

    @extend_schema(
        operation_id="list_dead_letters",
        summary="List tasks whose attempts were used up",
        description="Newest first, as in the list of tasks with `dead=true`.",
        tags=["dead letters"],
        parameters=[DeadLetterQuery, PageParameters],
        responses={200: documents.TaskPage},
    )
    def get(self, request: Request) -> Response:
        return self.page(task_rows(tasks_listed(self.user, {**self.query, "dead": True})), task_row(request))


class DeadLetterVerb(AskingView):
    """A POST about all of your dead letters, or those of an agent or queue; its body may be left out."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": BULK_LIMIT}
    filter_place = ""
    action: ClassVar[BulkVerb]

    def post(self, request: Request) -> Response:
        conditions = {"dead": True, **read_body(DeadLetterFilter, request)}
        return self.accepted(self.ask(action=self.action, conditions=conditions, shown=conditions))


def _describe(operation_id: str, summary: str, description: str) -> Any:
    operation = extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=f"{description} Answers with the bulk action that does it.",
        tags=["dead letters"],
        request=DeadLetterFilter,
        parameters=[LOCATION],
        responses={202: BulkActionDocument, **TOO_MANY},
    )
    return extend_schema_view(post=operation)


@_describe("retry_dead_letters", "Try dead letters again", "Each gets a fresh set of attempts.")
class RetryDeadLetters(DeadLetterVerb):
    """Tries dead letters again."""

    action = BulkVerb.RETRY


@_describe("discard_dead_letters", "Archive dead letters", "They can be restored.")
class DiscardDeadLetters(DeadLetterVerb):
    """Puts dead letters out of sight."""

    action = BulkVerb.ARCHIVE
