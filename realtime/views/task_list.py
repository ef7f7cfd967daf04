"""The list of tasks and the rows that it fetches when something happens."""

from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from rest_framework.exceptions import ValidationError

from personalq.lib.errors import InvalidInput
from personalq.lib.fields import StrictUUIDField
from realtime.views import live
from realtime.views.bulk_words import offered
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import MOST_ROWS, TaskListQuery, TaskRowsQuery
from realtime.views.task_rows import counts_of, query_string, rows_of
from tasks import access, states
from tasks.criteria import bounded_search

PAGE_SIZE: Final = 25
_MOST_TO_CHOOSE: Final = 500


@page("GET")
def show(request: HttpRequest) -> HttpResponse:
    """A page of the user's tasks, newest first."""
    user = person(request)
    wanted = TaskListQuery.read(request)
    before, after = wanted.pop("before", None), wanted.pop("after", None)
    last_event_id = live.last_event_id(user)
    with bounded_search(wanted.get("search")):
        tasks = page_of(rows_of(user, wanted), among=access.tasks_of(user), size=PAGE_SIZE, before=before, after=after)
    context = {
        "section": "tasks",
        "page": tasks,
        "page_size": PAGE_SIZE,
        "wanted": wanted,
        "filter_query": query_string(wanted),
        "older": query_string(wanted, before=tasks.older_than),
        "newer": query_string(wanted, after=tasks.newer_than),
        "lanes": _lanes(wanted, counts_of(user)),
        "agents": access.agents_of(user).order_by("name")[:_MOST_TO_CHOOSE],
        "queues": access.queues_of(user).order_by("name")[:_MOST_TO_CHOOSE],
        "bulk_actions": offered(wanted),
        "last_event_id": last_event_id,
    }
    return render(request, "pages/task_list.html", context)


@page("GET")
def rows(request: HttpRequest) -> HttpResponse:
    """Those of some tasks that a filter lets through, as rows, and the counts beside the filters."""
    user = person(request)
    wanted = TaskRowsQuery.read(request)
    ids = _read_ids(wanted.pop("ids"))
    context = {
        "rows": rows_of(user, wanted).filter(uuid__in=ids).order_by("-pk"),
        "lanes": _lanes(wanted, counts_of(user)),
    }
    return render(request, "pages/_task_rows.html", context)


def _lanes(wanted: dict[str, Any], counts: dict[str, int]) -> list[dict[str, Any]]:
    """The statuses to choose from, with their counts where these mean something to do."""
    everything = {
        "word": "",
        "label": "All",
        "query": query_string(wanted, status=None),
        "is_current": "status" not in wanted,
    }
    order = ["running", "ready", "backlogged", "failed", "complete", "cancelled", "archived"]
    return [everything] + [
        {
            "word": word,
            "label": word.capitalize(),
            "query": query_string(wanted, status=word),
            "is_current": wanted.get("status") == word,
            "count": counts.get(word),
        }
        for word in sorted(states.WORDS, key=order.index)
    ]


def _read_ids(text: str) -> list[UUID]:
    parts = text.split(",")
    if len(parts) > MOST_ROWS:
        raise InvalidInput.for_field("ids", "max_length", f"Ask for at most {MOST_ROWS} tasks at once.")
    try:
        return [StrictUUIDField().run_validation(part) for part in parts]
    except ValidationError:
        raise InvalidInput.for_field("ids", "invalid", "Send ids with commas between them.") from None
