"""What an agent answers is text: whatever it says, nothing comes of it."""

from collections import Counter

import pytest
from django.apps import apps

from accounts.models import User
from tasks import events, lifecycle
from tasks.claims import Claim
from tasks.sweep import sweep
from tests.data.injections.make import make_samples
from tests.makers import claim_next, kinds, make_agent, make_queue, make_task

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]
NUMBER = 100
OF_EACH_TASK = [events.CREATED, events.STARTED, events.OUTPUT, events.COMPLETED]


def attacks() -> list[str]:
    """Attacks of all kinds, evenly out of the whole corpus."""
    found = [sample.text for sample in make_samples() if sample.is_attack]
    return found[:: len(found) // NUMBER][:NUMBER]


def rows() -> Counter[str]:
    """How many rows each table of ours has."""
    return Counter(
        {model.__name__: model._default_manager.count() for model in apps.get_models() if model._meta.managed}
    )


def test_attacks_that_are_answers_bring_nothing_about(owner: User) -> None:
    agent = make_agent(owner, queue=make_queue(owner))
    said = attacks()
    assert len(said) == NUMBER
    tasks = [make_task(agent) for _ in said]
    sweep()
    before = rows()
    for text in said:
        claim = Claim.of(claim_next(agent.queue))
        lifecycle.record_output(claim=claim, text=text, offset=0)
        lifecycle.complete(claim=claim, result=text)
    sweep()
    # The start, the output and the end of each, and nothing else anywhere.
    assert rows() - before == Counter({"TaskEvent": 3 * NUMBER})
    assert before - rows() == Counter()
    for task, text in zip(tasks, said, strict=True):
        task.refresh_from_db()
        assert (task.result, kinds(task)) == (text, OF_EACH_TASK)
