"""The usage of an attempt is noted on the way, and stops it when its allowance is used up."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from tasks import events, lifecycle, runners
from tasks.claims import Claim
from tasks.engine import Engine
from tasks.models import Agent, Budget, Spending, Task
from tasks.runners import Outcome, Piece, Request
from tasks.spending.usage import Usage
from tasks.states import Status
from tests.makers import make_agent, make_queue, make_task
from tests.tasks.test_engine import Puppet, is_over, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


class Model(Puppet):
    """A puppet whose attempts consume tokens."""

    def is_metered(self, config: Any) -> bool:
        return True

    def tells_cost(self, config: Any) -> bool:
        return True

    def output_tokens(self, config: Any) -> int | None:
        return 100


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner, kind="puppet", queue=make_queue(owner))


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(slots=4)
    yield engine
    engine.shut_down(0)


@dataclass(frozen=True)
class Stage:
    """Where tasks of the agent are carried out by the script."""

    engine: Engine
    agent: Agent
    monkeypatch: pytest.MonkeyPatch

    def play(self, *usages: Usage, last: Usage | None = None) -> Task:
        """Run one task whose attempt tells these figures, to its end."""

        async def script(request: Request) -> AsyncIterator[Piece]:
            for usage in usages:
                yield "word "
                yield usage
            yield Outcome(usage=last)

        self.monkeypatch.setitem(runners.RUNNERS, "puppet", Model(script))
        task = make_task(self.agent)
        self.engine.work(self.agent.queue_id)
        wait_for(is_over(task))
        return Task.objects.get(pk=task.pk)

    def limit(self, tokens: int | None = None, cost: str | None = None) -> None:
        money = None if cost is None else Decimal(cost)
        Budget.objects.create(
            owner=self.agent.owner, agent=self.agent, scope="month", token_limit=tokens, cost_limit=money
        )


@pytest.fixture
def stage(engine: Engine, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(engine, agent, monkeypatch)


def out(tokens: int, cost: str | None = None) -> Usage:
    return Usage(tokens_in=3, tokens_out=tokens, cost=None if cost is None else Decimal(cost))


def test_what_was_consumed_is_kept_with_task_event_and_month(stage: Stage) -> None:
    task = stage.play(out(5), last=out(20, "0.01"))
    assert (task.state, task.tokens_in, task.tokens_out, task.cost) == (Status.COMPLETE, 3, 20, Decimal("0.01"))
    assert Spending.objects.get().tokens == 23
    assert task.events.get(kind=events.COMPLETED).data["tokens_out"] == 20


def test_without_a_last_word_the_latest_figures_count(stage: Stage) -> None:
    assert stage.play(out(5), out(40)).tokens_out == 40


def test_an_attempt_is_stopped_when_its_budget_is_used_up(stage: Stage) -> None:
    stage.limit(tokens=50)
    task = stage.play(out(10), out(47), out(48), out(49), last=out(49))
    assert (task.state, task.error_code, task.tokens_out) == (Status.FAILED, "budget_exhausted", 48)
    assert (Spending.objects.get().tokens, Spending.objects.get().tokens_reserved) == (51, 0)
    assert task.events.filter(kind=events.BUDGET_WARNING).count() == 1


def test_an_attempt_is_stopped_when_its_money_is_used_up(stage: Stage) -> None:
    stage.limit(cost="0.5")
    task = stage.play(out(1, "0.5"), out(2, "0.6"), out(3, "0.7"))
    assert (task.error_code, task.cost) == ("budget_exhausted", Decimal("0.6"))


def test_to_the_last_token_it_may_go(stage: Stage) -> None:
    stage.limit(tokens=50)
    assert stage.play(out(47), last=out(47)).state == Status.COMPLETE


def test_a_question_longer_than_estimated_is_no_reason_to_stop(stage: Stage) -> None:
    stage.limit(tokens=10_000)
    long = Usage(tokens_in=900, tokens_out=90)
    assert stage.play(long, last=long).state == Status.COMPLETE


def test_a_question_longer_than_the_budget_is(stage: Stage) -> None:
    stage.limit(tokens=500)
    assert stage.play(Usage(tokens_in=900, tokens_out=1)).error_code == "budget_exhausted"


def test_an_answer_longer_than_the_agent_allows_is_stopped_by_the_budget(stage: Stage) -> None:
    stage.limit(tokens=10_000)
    assert stage.play(out(500)).error_code == "budget_exhausted"


def test_without_a_budget_nothing_is_stopped(stage: Stage) -> None:
    assert stage.play(out(10**8), last=out(10**8)).state == Status.COMPLETE


def test_small_steps_are_not_all_written_down(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[int] = []
    note = lifecycle.note_usage

    def noting(*, claim: Claim, usage: Usage) -> None:
        noted.append(usage.tokens)
        note(claim=claim, usage=usage)

    monkeypatch.setattr(lifecycle, "note_usage", noting)
    stage.play(*(out(tokens) for tokens in range(1, 200)))
    assert len(noted) < 50
    assert noted[-1] > 180
    noted.clear()
    stage.play(*[Usage(tokens_in=0, tokens_out=0)] * 50)
    assert noted == [0]
