"""From where on a page has to listen."""

from accounts.models import User
from tasks import feed


def last_event_id(user: User) -> int:
    """The newest event that the user's pages may know of.

    Read it before the rows: what happens in between is then told twice rather than never.
    """
    return feed.last_event_id(owner_id=user.pk, up_to=feed.horizon())
