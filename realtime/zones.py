"""Time zones of what is shown already."""

from datetime import UTC, tzinfo

from personalq.lib.errors import InvalidInput
from tasks.timing import zone_named


def zone_or_utc(name: str) -> tzinfo:
    """The zone of this name; UTC when there is none, as of a schedule whose zone is no more."""
    try:
        return zone_named(name)
    except InvalidInput:
        return UTC
