"""Pages of a history, oldest first."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from rest_framework.response import Response

from tasks import feed
from tasks.api.filters import EVENTS_PER_PAGE

_CONDITIONS: Final = ("attempt", "kind")


def page_of_events(query: Mapping[str, Any], address: str, **whose: Any) -> Response:
    """Those events of something that a checked query asks for; `whose` goes to `feed.read`."""
    size = query.get("page_size", EVENTS_PER_PAGE)
    wanted: dict[str, Any] = {name: query[name] for name in _CONDITIONS if name in query}
    # One more than is shown tells whether there is more.
    found = feed.read(after=query.get("after", 0), up_to=feed.horizon(), limit=size + 1, **whose, **wanted)
    shown = found[:size]
    rest = {"after": shown[-1].id if shown else 0, "page_size": size, **wanted}
    following = f"{address}?{urlencode(rest)}" if len(found) > size else None
    return Response({"results": [event.as_json() for event in shown], "next": following})
