"""What an attempt is given before its runner starts."""

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from accounts.models import Credential, User
from personalq.lib import sealing
from personalq.lib.fields import StrictCharField, StrictSerializer
from tasks import conversations, lifecycle, runners, untrusted
from tasks.claims import Claim, ClaimLost
from tasks.desk import WorkerDesk
from tasks.models import Agent, Approval, AttemptSpending, Budget, ModelPrice, Task
from tasks.preparation import Prepared, prepare
from tasks.runners import CheckRequest, Outcome, Piece, Request, RunFailed, Runner
from tasks.spending.usage import Usage
from tasks.states import Status
from tests.makers import assert_history_is_legal, claim_next, make_agent, make_credential, make_task

pytestmark = pytest.mark.django_db
MODEL = "puppet-1"


class ModelConfig(StrictSerializer):
    system_prompt = StrictCharField(max_length=10_000, required=False, allow_blank=True)
    model = StrictCharField(max_length=100, required=False)


class PuppetModel(Runner):
    """A model that costs something and says nothing."""

    kind: ClassVar = "puppet"
    label: ClassVar = "Puppet"
    config_class: ClassVar = ModelConfig
    price_list: ClassVar = "puppet"
    is_locked = False
    most_output: int | None = 100

    async def run(self, request: Request) -> AsyncIterator[Piece]:
        yield Outcome()

    async def check(self, request: CheckRequest) -> str:
        return "ok"

    def needs_credential(self, config: Mapping[str, Any]) -> bool:
        return self.is_locked

    def output_tokens(self, config: Mapping[str, Any]) -> int | None:
        return self.most_output


@pytest.fixture(autouse=True)
def puppet(monkeypatch: pytest.MonkeyPatch) -> PuppetModel:
    runner = PuppetModel()
    monkeypatch.setitem(runners.RUNNERS, "puppet", runner)
    return runner


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner, kind="puppet", config={"model": MODEL})


@pytest.fixture
def price(db: Any) -> ModelPrice:
    return ModelPrice.objects.create(
        provider="puppet", model="puppet-*", input_price=3, output_price=15, context_window=10_000, most_output=50
    )


def prepared(agent: Agent, prompt: str = "say this", **fields: Any) -> Prepared:
    make_task(agent, prompt, **fields)
    return prepared_next(agent)


def prepared_next(agent: Agent) -> Prepared:
    task = claim_next(agent.queue)
    return prepare(task, WorkerDesk(task=task, database=None))  # type: ignore[arg-type]  # nobody asks at the desk


def with_system_prompt(agent: Agent, text: str) -> Agent:
    agent.config = {"system_prompt": text, "model": MODEL}
    agent.save()
    return agent


def code_of(caught: pytest.ExceptionInfo[RunFailed]) -> str:
    return caught.value.code


# --- Prompt and system prompt -----------------------------------------------------------------------------


def test_an_owners_own_words_go_as_they_are(agent: Agent) -> None:
    found = prepared(agent, "say this", input={"any": 1})
    assert (found.request.prompt, found.request.system, found.request.input) == ("say this", "", {"any": 1})
    assert (found.canary, found.request.messages) == ("", [])


def test_text_from_outside_is_delimited_as_data(agent: Agent) -> None:
    found = prepared(agent, "summarise", untrusted_text="the page says hello", trusted=True)
    head, data = found.request.prompt.split("\n\n", 1)
    assert (head, "the page says hello" in data, "<<<data " in data) == ("summarise", True, True)
    assert untrusted.RULE in found.request.system


def test_a_prompt_from_outside_is_delimited_too(agent: Agent) -> None:
    found = prepared(agent, "please call back", trusted=False)
    assert not found.request.prompt.startswith("please")
    assert "\nplease call back\n" in found.request.prompt
    assert untrusted.RULE in found.request.system


def test_an_earlier_prompt_from_outside_brings_the_rule_along(agent: Agent) -> None:
    conversation = conversations.begin(agent=agent)
    make_task(agent, "from outside", conversation=conversation, trusted=False)
    lifecycle.complete(claim=Claim.of(claim_next(agent.queue)), result="answered")
    found = prepared(agent, "my own words", conversation=conversation)
    assert found.request.prompt == "my own words"
    assert untrusted.RULE in found.request.system
    assert found.request.messages[0].text != "from outside"


def test_a_system_prompt_gets_a_canary_of_its_own_each_time(agent: Agent) -> None:
    with_system_prompt(agent, "Be brief.")
    first, second = prepared(agent), prepared(agent)
    assert first.request.system.startswith("Be brief.")
    assert first.canary in first.request.system
    assert untrusted.RULE not in first.request.system
    assert first.canary != second.canary


# --- Earlier turns ----------------------------------------------------------------------------------------


def continue_talk(agent: Agent, answer_length: int) -> Prepared:
    conversation = conversations.begin(agent=agent)
    for number in range(3):
        make_task(agent, f"question {number}", conversation=conversation)
        lifecycle.complete(claim=Claim.of(claim_next(agent.queue)), result="a" * answer_length)
    return prepared(agent, "and now?", conversation=conversation)


def test_earlier_turns_are_sent_along(agent: Agent) -> None:
    found = continue_talk(agent, 10)
    assert [message.role for message in found.request.messages] == ["user", "assistant"] * 3
    assert found.request.messages[0].text == "question 0"


def test_earlier_turns_are_cut_to_the_models_window(agent: Agent, price: ModelPrice) -> None:
    # Of 10,000 tokens the answer may take 100 and the rules 700: two turns of about 4,200 fit, a third does not.
    found = continue_talk(agent, 12_000)
    assert [message.text for message in found.request.messages if message.role == "user"] == [
        "question 1",
        "question 2",
    ]


def test_a_prompt_that_fills_the_window_leaves_no_room(agent: Agent, price: ModelPrice) -> None:
    conversation = conversations.begin(agent=agent)
    make_task(agent, "before", conversation=conversation)
    lifecycle.complete(claim=Claim.of(claim_next(agent.queue)), result="answer")
    assert prepared(agent, "x" * 60_000, conversation=conversation).request.messages == []


# --- Money ------------------------------------------------------------------------------------------------


def test_what_it_may_cost_is_reserved_before_it_starts(agent: Agent, price: ModelPrice) -> None:
    Budget.objects.create(owner=agent.owner, agent=agent, scope="month", token_limit=10_000, cost_limit=Decimal(1))
    found = prepared(agent, "x" * 300)
    entry = AttemptSpending.objects.get()
    assert (entry.tokens_reserved, entry.cost_reserved) == (200, Decimal("0.0018"))
    assert found.request.token_limit == 100


def test_the_models_own_limit_counts_when_the_agent_has_none(
    agent: Agent, puppet: PuppetModel, price: ModelPrice
) -> None:
    puppet.most_output = None
    Budget.objects.create(owner=agent.owner, agent=None, scope="month", token_limit=10_000)
    assert prepared(agent, "x" * 300).request.token_limit == 50


def test_the_price_is_known_without_any_budget(agent: Agent, price: ModelPrice) -> None:
    found = prepared(agent)
    assert found.price == price
    assert found.priced(Usage(tokens_in=10**6)).cost == Decimal(3)
    assert found.priced(Usage(tokens_in=10**6, cost=Decimal(9))).cost == Decimal(9)


def test_nobody_spends_limited_money_at_an_unknown_price(agent: Agent) -> None:
    Budget.objects.create(owner=agent.owner, agent=agent, scope="month", cost_limit=Decimal(1))
    with pytest.raises(RunFailed) as caught:
        prepared(agent)
    assert (code_of(caught), caught.value.facts) == ("price_unknown", {"model": MODEL})


def test_without_a_price_the_cost_stays_unknown(agent: Agent) -> None:
    assert prepared(agent).priced(Usage(tokens_in=5)).cost is None


def test_an_exhausted_budget_stops_it_before_it_starts(agent: Agent) -> None:
    Budget.objects.create(owner=agent.owner, agent=agent, scope="task", token_limit=3)
    with pytest.raises(RunFailed) as caught:
        prepared(agent, "a prompt that is longer than that")
    assert code_of(caught) == "budget_exhausted"
    assert caught.value.facts["budget"].startswith("What is left of the budget")


def test_who_only_lacks_what_others_reserved_is_tried_again(agent: Agent) -> None:
    Budget.objects.create(owner=agent.owner, agent=agent, scope="month", token_limit=103)
    prepared(agent)
    make_task(agent)
    task = claim_next(agent.queue)
    with pytest.raises(RunFailed) as caught:
        prepare(task, WorkerDesk(task=task, database=None))  # type: ignore[arg-type]
    assert code_of(caught) == "budget_reserved"
    lifecycle.fail(claim=Claim.of(task), code=code_of(caught))
    assert (Task.objects.get(pk=task.pk).state, Agent.objects.get().held_code) == (Status.READY, "budget_reserved")


# --- Credential -------------------------------------------------------------------------------------------


@pytest.fixture
def credential(owner: User) -> Credential:
    return make_credential(owner, provider="anthropic", secret="sk-ant-0123456789abcdef")


def test_the_runner_gets_the_plain_key_and_nothing_else_shows_it(agent: Agent, credential: Credential) -> None:
    Agent.objects.filter(pk=agent.pk).update(credential=credential)
    found = prepared(agent)
    assert found.request.secret == "sk-ant-0123456789abcdef"
    assert "0123456789" not in repr(found)
    assert "0123456789" not in found.mask.whole("it is sk-ant-0123456789abcdef")
    assert Credential.objects.get().last_used_at is not None


def test_without_a_credential_there_is_no_key(agent: Agent) -> None:
    assert (prepared(agent).request.secret, prepared(agent).secrets) == (None, ())


def test_a_missing_credential_is_told(agent: Agent, puppet: PuppetModel) -> None:
    puppet.is_locked = True
    with pytest.raises(RunFailed) as caught:
        prepared(agent)
    assert code_of(caught) == "credential_missing"


def test_an_unreadable_credential_is_told(agent: Agent, credential: Credential) -> None:
    Agent.objects.filter(pk=agent.pk).update(credential=credential)
    Credential.objects.update(sealed_secret=sealing.seal("x" * 20, context="another row"))
    with pytest.raises(RunFailed) as caught:
        prepared(agent)
    assert code_of(caught) == "credential_unreadable"


# --- The last gate ----------------------------------------------------------------------------------------


def test_a_task_that_needs_approval_by_now_is_asked_about_instead_of_begun(agent: Agent) -> None:
    task = make_task(agent)
    Agent.objects.filter(pk=agent.pk).update(needs_approval=True)
    with pytest.raises(ClaimLost):
        prepared_next(agent)
    task.refresh_from_db()
    assert (task.state, task.attempts - task.free_attempts) == (Status.BACKLOGGED, 0)
    assert Approval.objects.get(task=task).state == "pending"
    assert_history_is_legal(task)


def test_an_approved_task_is_begun(agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(needs_approval=True)
    agent.refresh_from_db()
    task = make_task(agent)
    lifecycle.approve(actor=agent.owner, approval=task.approvals.get(), text_digest=lifecycle.digest_of(task))
    assert prepared_next(agent).request.prompt == "say this"


def test_an_approval_does_not_hold_for_a_text_that_sql_put_in(agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(needs_approval=True)
    agent.refresh_from_db()
    task = make_task(agent)
    lifecycle.approve(actor=agent.owner, approval=task.approvals.get(), text_digest=lifecycle.digest_of(task))
    Task.objects.filter(pk=task.pk).update(prompt="something else")
    with pytest.raises(ClaimLost):
        prepared_next(agent)
    assert task.approvals.filter(state="pending").count() == 1


def test_a_deleted_agent_does_nothing(agent: Agent) -> None:
    task = make_task(agent)
    running = claim_next(agent.queue)
    Agent.objects.filter(pk=agent.pk).update(deleted_at=task.createdat)
    running.refresh_from_db()
    with pytest.raises(RunFailed) as caught:
        prepare(Task.objects.get(pk=running.pk), WorkerDesk(task=running, database=None))  # type: ignore[arg-type]
    assert code_of(caught) == "agent_deleted"
