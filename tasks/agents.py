"""Making, changing, pausing and deleting agents, for API, pages, commands and admin alike.

Callers find the objects through `tasks.access` first; the rules about values hold whoever calls.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, Unpack

from django.db import transaction
from django.db.models import PROTECT
from django.utils import timezone

from accounts.models import Credential, User
from accounts.refusals import not_yours
from personalq.lib.constraints import NameTaken, conflicts
from personalq.lib.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from tasks import dispatch, locks, quotas, trail
from tasks.models import Agent, Queue
from tasks.runners import KINDS, RUNNERS
from tasks.states import UNFINISHED, Status

_logger = logging.getLogger(__name__)
_MOST_NAMED: Final = 5
_POLICY: Final = ("untrusted_policy", "needs_approval")
_QUEUE_GONE: Final = "The queue was deleted at this moment. Choose another queue."


class AgentInUse(Conflict):
    """The agent has work to do."""

    code = "agent_in_use"
    title = "The agent is in use."
    advice = "Cancel its unfinished tasks or wait for them, then delete the agent."


class AgentFields(TypedDict, total=False):
    """What agents of every kind have."""

    description: str
    queue: Queue
    concurrency_limit: int
    timeout_seconds: int
    output_limit_bytes: int
    max_attempts: int
    retry_base_seconds: int
    retry_cap_seconds: int
    idle_timeout_seconds: int | None
    waiting_timeout_seconds: int | None
    credential: Credential | None
    untrusted_policy: str
    needs_approval: bool


class AgentChanges(AgentFields, total=False):
    """What can be changed later. `config` replaces the kind's own fields as a whole."""

    name: str
    config: Mapping[str, Any]


def create(
    *,
    actor: User,
    name: str,
    kind: str,
    config: Mapping[str, Any] | None = None,
    **fields: Unpack[AgentFields],
) -> Agent:
    """Make an agent of `actor`; without a queue it uses the default one.

    Raises ValidationError or InvalidInput naming the field, NameTaken, QuotaReached, or Conflict when the queue
    vanished.
    """
    if kind not in RUNNERS:
        raise InvalidInput.for_field("kind", "invalid_choice", f"Use one of: {', '.join(KINDS)}.")
    fields.setdefault("queue", Queue.objects.shared_default())
    agent = Agent(owner=actor, name=name, kind=kind, config=checked_config(kind, config or {}), **fields)
    _check_credential(actor, agent)
    with conflicts(taken=_name_taken(), gone=Conflict(_QUEUE_GONE)), transaction.atomic():
        quotas.take_place_for_agent(actor)
        _save(agent)
        trail.note("made", agent, actor, agent_kind=kind, has_credential=agent.credential is not None)
    _log("created", agent, actor)
    return agent


def change(*, actor: User, agent: Agent, **changes: Unpack[AgentChanges]) -> Agent:
    """Change an agent; what is not given stays. Running attempts go on as they began.

    Raises as `create`, NotFound when the agent was deleted meanwhile, and PermissionDenied when somebody else than its
    owner would have the owner's secret sent elsewhere.
    """
    if "config" in changes:
        changes["config"] = checked_config(agent.kind, changes["config"])
    with conflicts(taken=_name_taken(), gone=Conflict(_QUEUE_GONE)), transaction.atomic():
        current = _lock(agent)
        # Whoever claims at this moment goes first: after this nothing starts beyond the new limits.
        locks.hold_claims()
        _keep_secret_from_others(actor, current, changes)
        before = _values(current)
        for name, value in changes.items():
            setattr(current, name, value)
        _check_credential(actor, current)
        _save(current)
        _note_changes(current, actor, before)
        dispatch.nudge_after_commit(current.queue_id)
    _log("changed", current, actor)
    return current


def pause(*, actor: User, agent: Agent) -> Agent:
    """Start no more tasks of the agent; those that run go on. Repeating it changes nothing."""
    return _set_waiting(agent, actor, "paused", is_paused=True)


def resume(*, actor: User, agent: Agent) -> Agent:
    """Go on with a paused agent. Repeating it changes nothing."""
    return _set_waiting(agent, actor, "resumed", is_paused=False)


def end_hold(*, actor: User, agent: Agent) -> Agent:
    """Go on before a provider's limit is said to end. Repeating it changes nothing."""
    return _set_waiting(agent, actor, "hold_ended", held_until_at=None, held_code="")


@transaction.atomic
def delete(*, actor: User, agent: Agent) -> None:
    """Delete an agent; it stays behind the history of its tasks, and its name becomes free.

    Raises Conflict `agent_in_use` while it has unfinished tasks, schedules or doors, and NotFound when it is deleted
    already.
    """
    # The full row lock waits for tasks that are being submitted, and makes later ones wait for this decision.
    current = _lock(agent, no_key=False)
    unfinished = current.tasks.filter(status__in=UNFINISHED).count()
    if unfinished:
        raise AgentInUse(f"{_count(unfinished)} not finished. {AgentInUse.advice}")
    _refuse_if_scheduled(current)
    _refuse_if_used_elsewhere(current)
    current.deleted_at = timezone.now()
    # So that the credential can be deleted, too.
    current.credential = None
    current.save(update_fields=["deleted_at", "credential", "updated_at"])
    trail.note("deleted", current, actor, name=current.name)
    _log("deleted", current, actor)


def checked_config(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The kind's own fields as they are stored; raises ValidationError naming the wrong ones."""
    form = RUNNERS[kind].config_class(data=dict(config))
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def _check_credential(actor: User, agent: Agent) -> None:
    """Raises InvalidInput unless the agent's credential is its owner's and of the provider that the kind needs."""
    runner = RUNNERS[agent.kind]
    provider = runner.credential_provider_of(agent.config)
    if agent.credential is None:
        if runner.needs_credential(agent.config):
            raise InvalidInput.for_field("credential", "required", f"Such an agent needs a credential of {provider}.")
        return
    if agent.credential.owner_id != agent.owner_id:
        raise not_yours(actor, agent.credential)
    if agent.credential.provider != provider:
        wanted = f"Use a credential of {provider}." if provider else "Agents like this one take no credential."
        raise InvalidInput.for_field("credential", "wrong_provider", wanted)


def _keep_secret_from_others(actor: User, agent: Agent, changes: AgentChanges) -> None:
    """Raises PermissionDenied when somebody else than the owner decides where a secret of the owner goes."""
    credential = changes.get("credential", agent.credential)
    if credential is None or actor.pk == agent.owner_id:
        return
    # The kind's own fields say who gets the secret: an address, or a program.
    if credential.pk != agent.credential_id or changes.get("config", agent.config) != agent.config:
        raise PermissionDenied(
            "This would send a secret of the agent's owner elsewhere, which only the owner may do. "
            "Ask the owner, or take the credential off the agent first."
        )


@transaction.atomic
def _set_waiting(agent: Agent, actor: User, deed: str, **wanted: Any) -> Agent:
    current = _lock(agent)
    locks.hold_claims()
    if any(getattr(current, name) != value for name, value in wanted.items()):
        for name, value in wanted.items():
            setattr(current, name, value)
        current.save(update_fields=[*wanted, "updated_at"])
        trail.note(deed, current, actor)
        _log(deed, current, actor)
    for queue_id in _queues_of(current):
        dispatch.nudge_after_commit(queue_id)
    return current


def _values(agent: Agent) -> dict[str, Any]:
    fields = [field for field in Agent._meta.concrete_fields if field.name in AgentChanges.__annotations__]
    return {field.name: field.value_from_object(agent) for field in fields}


def _note_changes(agent: Agent, actor: User, before: Mapping[str, Any]) -> None:
    """Tell which fields have changed; where secrets go and who is asked is worth a row of its own."""
    changed = [name for name, value in _values(agent).items() if value != before[name]]
    if changed:
        trail.note("changed", agent, actor, changed=sorted(changed))
    if "credential" in changed:
        trail.note("credential_changed", agent, actor, has_credential=agent.credential is not None)
    policy = {name: getattr(agent, name) for name in _POLICY if name in changed}
    if policy:
        trail.note("policy_changed", agent, actor, **policy)


def _queues_of(agent: Agent) -> list[int]:
    """Where tasks of the agent wait."""
    waiting = agent.tasks.filter(status=Status.READY, queue__isnull=False).order_by()
    return list(waiting.values_list("queue_id", flat=True).distinct())


def _lock(agent: Agent, *, no_key: bool = True) -> Agent:
    current = Agent.objects.existing().select_for_update(no_key=no_key).filter(pk=agent.pk).first()
    if current is None:
        raise NotFound
    return current


def _save(agent: Agent) -> None:
    agent.clean_fields(exclude={"owner", "queue"})
    agent.save()


def _name_taken() -> NameTaken:
    return NameTaken("You already have an agent of this name.")


def _refuse_if_scheduled(agent: Agent) -> None:
    names = list(agent.schedules.existing().order_by("id").values_list("name", flat=True)[: _MOST_NAMED + 1])
    if names:
        raise AgentInUse(f"Schedules use it: {_listed(names)}. Give them another agent or delete them first.")


def _refuse_if_used_elsewhere(agent: Agent) -> None:
    # Whoever stands above us, such as doors, is found by the foreign key. A deleted agent keeps its row.
    for relation in Agent._meta.related_objects:
        other: Any = relation.related_model
        if other._meta.app_label == Agent._meta.app_label or relation.on_delete is not PROTECT:
            continue
        rows = other._base_manager.filter(**{relation.field.name: agent}).order_by("pk")[: _MOST_NAMED + 1]
        if names := [str(row) for row in rows]:
            nouns = str(other._meta.verbose_name_plural)
            raise AgentInUse(f"Used by {nouns}: {_listed(names)}. Give them another agent or delete them first.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (" and more" if len(names) > _MOST_NAMED else "")


def _count(tasks: int) -> str:
    return "One task of this agent is" if tasks == 1 else f"{tasks} tasks of this agent are"


def _log(deed: str, agent: Agent, actor: User) -> None:
    _logger.info("agent %s was %s by %s", agent.uuid, deed, actor.uuid)
