"""Agents, queues and users that a request names: what does not exist is a mistake in that field."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from accounts import credential_access
from accounts.models import Credential, User
from personalq.lib.errors import InvalidInput, NotFound
from personalq.lib.identifiers import as_uuid
from tasks import access, conversations
from tasks.models import Agent, Conversation, Queue

NO_AGENT: Final = "You have no agent of this name or id. GET /api/v1/agents and the page Agents list yours."
NO_QUEUE: Final = (
    "You have no queue of this name or id, and none is shared. GET /api/v1/queues and the page Queues list them."
)
NO_CONVERSATION: Final = "Send new, or the id of one of your conversations or tasks."
NEW_CONVERSATION: Final = "new"


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


def credential_to_use(owner: User, name: str) -> Credential:
    """One of the owner's own credentials."""
    with naming("credential", "You have no credential of this name or id."):
        return credential_access.credential_to_use(owner, name)


def with_objects(values: dict[str, Any], owner: User) -> dict[str, Any]:
    """The values with the agent, queue and credential that they name: those of this owner, whoever asks."""
    named: dict[str, Any] = {}
    if values.get("agent") is not None:
        named["agent"] = agent_to_use(owner, values["agent"])
    if values.get("queue") is not None:
        named["queue"] = queue_to_use(owner, values["queue"])
    if values.get("credential") is not None:
        named["credential"] = credential_to_use(owner, values["credential"])
    return {**values, **named}


def conversation_to_use(user: User, agent: Agent, name: str) -> Conversation:
    """The conversation that a new task continues: a new one, one by its id, or that of an earlier task by its id."""
    if name == NEW_CONVERSATION:
        return conversations.begin(agent=agent)
    uuid = as_uuid(name)
    if uuid is None:
        raise InvalidInput.for_field("conversation", "not_found", NO_CONVERSATION)
    found = access.conversations_of(agent.owner).filter(uuid=uuid).first()
    if found is None:
        with naming("conversation", NO_CONVERSATION):
            return conversations.continue_task(task=access.task_for(user, uuid), agent=agent)
    conversations.check_agent(found.agent_id, agent)
    return found


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
