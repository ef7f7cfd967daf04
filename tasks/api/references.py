"""Agents, queues and users that a request names: what does not exist is a mistake in that field."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from accounts.models import User
from personalq.lib.errors import InvalidInput, NotFound
from tasks import access
from tasks.models import Agent, Queue

NO_AGENT: Final = "You have no agent of this name or id."
NO_QUEUE: Final = "You have no queue of this name or id, and none is shared."


@contextmanager
def naming(field: str, message: str) -> Iterator[None]:
    """Turn NotFound into 400 that names the field. NotYours stays 403."""
    try:
        yield
    except NotFound:
        raise InvalidInput.for_field(field, "not_found", message) from None


def agent_to_use(user: User, name: str) -> Agent:
    """One of the user's own agents."""
    with naming("agent", NO_AGENT):
        return access.agent_named(user, name)


def queue_to_use(user: User, name: str) -> Queue:
    """A queue that the user may put tasks into."""
    with naming("queue", NO_QUEUE):
        return access.queue_named(user, name)


def agent_to_list(user: User, name: str) -> Agent:
    """An agent whose tasks the user may see: by id also somebody else's, for operators."""
    uuid = as_uuid(name)
    with naming("agent", NO_AGENT):
        return access.agent_named(user, name) if uuid is None else access.agent_for(user, uuid)


def queue_to_list(user: User, name: str) -> Queue:
    """A queue whose tasks the user may see: by id also somebody else's, for operators."""
    uuid = as_uuid(name)
    with naming("queue", NO_QUEUE):
        return access.queue_named(user, name) if uuid is None else access.queue_for(user, uuid)


def owner_to_list(name: str) -> User:
    """The user of this name; only operators may ask."""
    owner = User.objects.filter(username=name).first()
    if owner is None:
        raise InvalidInput.for_field("owner", "not_found", "There is no user of this name.")
    return owner


def as_uuid(text: str) -> UUID | None:
    """The id that a text is in its 36-character form."""
    try:
        uuid = UUID(text)
    except ValueError:
        return None
    return uuid if str(uuid) == text.lower() else None
