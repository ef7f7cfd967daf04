"""Bulk actions: they mean exactly the tasks that were there, count exactly, and end whatever happens to who does it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from accounts.models import User
from personalq.lib.errors import Conflict, PermissionDenied
from tasks import bulk, dispatch, jobs, lifecycle, queues, sweep
from tasks.bulk import TooManyBulkActions
from tasks.claims import Claim
from tasks.criteria import TaskCriteria
from tasks.lifecycle import asked
from tasks.messenger import Hint, messenger
from tasks.models import Agent, BulkAction, Queue, Task
from tasks.states import Status
from tests.makers import claim_next, kinds, make_agent, make_operator, make_queue, make_running, make_task, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner() -> User:
    return make_user("alice")


@pytest.fixture
def agent(owner: User) -> Agent:
    return make_agent(owner, queue=make_queue(owner, concurrency_limit=1000), concurrency_limit=1000, max_attempts=1)


def make_dead(agent: Agent, **fields: Any) -> Task:
    make_task(agent, **fields)
    return lifecycle.fail(claim=Claim.of(claim_next(agent.queue)), code="command_try_later")


def ask(actor: User, action: str, task_owner: User | None = None, **wanted: Any) -> BulkAction:
    """Ask for an action on one's own tasks, or on somebody else's."""
    details = {name: wanted.pop(name) for name in ("queue", "reason") if name in wanted}
    return bulk.create(
        actor=actor,
        action=action,
        criteria=TaskCriteria(**wanted),
        shown_filter={"all": True},
        task_owner=task_owner or actor,
        **details,
    )


def carry_out(action: BulkAction) -> BulkAction:
    while fresh(action).is_unfinished:
        bulk.advance(action.pk)
    return fresh(action)


def fresh(action: BulkAction) -> BulkAction:
    return BulkAction.objects.get(pk=action.pk)


def counts(action: BulkAction) -> tuple[int, int, int, dict[str, int]]:
    return action.total, action.changed, action.skipped, action.errors


def statuses(*tasks: Task) -> list[str]:
    return [Task.objects.get(pk=task.pk).state.word for task in tasks]


class TestCarryingOut:
    def test_cancels_what_is_unfinished_and_tells_why(self, owner: User, agent: Agent) -> None:
        running, _ = make_running(agent)
        ready, aside = make_task(agent), make_task(agent, is_backlogged=True)
        action = carry_out(ask(owner, "cancel", reason="enough"))
        assert (action.status, counts(action)) == ("complete", (3, 3, 0, {}))
        assert statuses(running, ready, aside) == ["cancelled"] * 3
        event = running.events.get(kind="task_cancelled")
        assert (event.data["reason"], event.data["by"]) == ("enough", "alice")

    def test_retries_what_failed_or_was_cancelled(self, owner: User, agent: Agent) -> None:
        dead = make_dead(agent)
        cancelled = lifecycle.cancel(actor=owner, task=make_task(agent))
        complete = lifecycle.complete(claim=make_running(agent)[1], result="")
        action = carry_out(ask(owner, "retry"))
        assert counts(action) == (2, 2, 0, {})
        assert statuses(dead, cancelled, complete) == ["ready", "ready", "complete"]

    def test_archives_what_has_ended(self, owner: User, agent: Agent) -> None:
        dead, ready = make_dead(agent), make_task(agent)
        assert counts(carry_out(ask(owner, "archive"))) == (1, 1, 0, {})
        assert statuses(dead, ready) == ["archived", "ready"]

    def test_moves_what_neither_runs_nor_is_there_already(self, owner: User, agent: Agent) -> None:
        target = make_queue(owner)
        running, _ = make_running(agent)
        ready, there = make_task(agent), make_task(agent, queue=target)
        assert counts(carry_out(ask(owner, "move", queue=target))) == (1, 1, 0, {})
        ready.refresh_from_db()
        running.refresh_from_db()
        assert (ready.queue, running.queue) == (target, agent.queue)
        assert kinds(there) == ["task_created"]

    def test_without_a_fitting_task_is_complete_at_once(self, owner: User) -> None:
        action = carry_out(ask(owner, "cancel"))
        assert (action.status, counts(action)) == ("complete", (0, 0, 0, {}))
        assert action.started_at is not None
        assert action.finished_at is not None

    def test_many_chunks_count_every_task_once(self, owner: User, agent: Agent) -> None:
        made = [make_task(agent) for _ in range(2 * bulk.CHUNK + 7)]
        action = carry_out(ask(owner, "cancel"))
        assert counts(action) == (len(made), len(made), 0, {})
        assert action.task_ids == []

    def test_chunk_ends_in_time(self, owner: User, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
        make_task(agent)
        make_task(agent)
        action = ask(owner, "cancel")
        monkeypatch.setattr(bulk, "CHUNK_SECONDS", 0)
        assert bulk._carry_on(action.pk)
        assert (fresh(action).status, fresh(action).processed) == ("running", 1)

    def test_keyed_tasks_are_retried_by_their_policy(self, owner: User, agent: Agent) -> None:
        plain = lifecycle.cancel(actor=owner, task=make_task(agent))
        keyed = [
            lifecycle.cancel(actor=owner, task=make_task(agent, concurrency_key="k", concurrency_policy="drop_newer"))
            for _ in range(2)
        ]
        action = carry_out(ask(owner, "retry"))
        assert counts(action) == (3, 2, 1, {"concurrency_key_taken": 1})
        assert statuses(plain, *keyed) == ["ready", "ready", "cancelled"]


class TestWhichTasks:
    def test_only_the_askers_own(self, owner: User, agent: Agent) -> None:
        foreign = make_task(make_agent(make_user("bob")))
        mine = make_task(agent)
        assert counts(carry_out(ask(owner, "cancel"))) == (1, 1, 0, {})
        assert statuses(foreign, mine) == ["ready", "cancelled"]

    def test_not_what_comes_in_later(self, owner: User, agent: Agent) -> None:
        make_task(agent)
        action = ask(owner, "cancel")
        later = make_task(agent)
        assert counts(carry_out(action)) == (1, 1, 0, {})
        assert statuses(later) == ["ready"]

    def test_not_what_fits_only_later(self, owner: User, agent: Agent) -> None:
        _, claim = make_running(agent)
        dead = make_dead(agent)
        action = ask(owner, "retry", is_dead=True)
        later = lifecycle.fail(claim=claim, code="command_try_later")
        assert later.pk < dead.pk
        assert counts(carry_out(action)) == (1, 1, 0, {})
        assert statuses(dead, later) == ["ready", "failed"]

    def test_what_the_status_forbids_meanwhile_is_skipped(self, owner: User, agent: Agent) -> None:
        _, claim = make_running(agent)
        action = ask(owner, "cancel")
        lifecycle.complete(claim=claim, result="")
        assert counts(carry_out(action)) == (1, 0, 1, {"illegal_transition": 1})

    def test_what_the_filter_excludes_meanwhile_is_skipped(self, owner: User, agent: Agent) -> None:
        make_task(agent)
        action = ask(owner, "cancel", statuses=[Status.READY])
        started = claim_next(agent.queue)
        assert counts(carry_out(action)) == (1, 0, 1, {"conflict": 1})
        assert statuses(started) == ["running"]

    def test_what_was_moved_there_meanwhile_is_skipped(self, owner: User, agent: Agent) -> None:
        target, task = make_queue(owner), make_task(agent)
        action = ask(owner, "move", queue=target)
        lifecycle.move(actor=owner, task=task, queue=target)
        assert counts(carry_out(action)) == (1, 0, 1, {"conflict": 1})

    def test_what_sql_has_deleted_is_skipped(self, owner: User, agent: Agent) -> None:
        gone, left = make_task(agent), make_task(agent)
        action = ask(owner, "cancel")
        Task.objects.filter(pk=gone.pk).delete()
        assert counts(carry_out(action)) == (2, 1, 1, {"not_found": 1})
        assert statuses(left) == ["cancelled"]

    def test_gap_in_the_middle_of_a_chunk_is_skipped_too(self, owner: User, agent: Agent) -> None:
        made = [make_task(agent) for _ in range(5)]
        action = ask(owner, "cancel")
        Task.objects.filter(pk=made[2].pk).delete()
        assert counts(carry_out(action)) == (5, 4, 1, {"not_found": 1})

    def test_times_and_texts_survive_being_written_down(self, owner: User, agent: Agent) -> None:
        wanted = TaskCriteria(
            statuses=[Status.READY],
            agent_id=agent.pk,
            queue_id=agent.queue_id,
            source="api",
            search="%",
            is_dead=False,
            created_after=timezone.now() - timedelta(days=1),
            created_before=timezone.now(),
        )
        action = bulk.create(
            actor=owner, action="cancel", criteria=wanted, shown_filter={"search": "%"}, task_owner=owner
        )
        assert TaskCriteria.from_json(fresh(action).criteria) == wanted


class Killed(BaseException):
    """The process is gone: nothing of ours gets to handle it."""


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Let something happen right after the n-th cancel."""
    verb = asked.cancel

    def arrange(number: int, happen: Callable[[], None]) -> None:
        calls: Iterator[int] = iter(range(1, 1_000_000))

        def cancel(**arguments: Any) -> Task:
            done = verb(**arguments)
            if next(calls) == number:
                happen()
            return done

        monkeypatch.setattr(asked, "cancel", cancel)

    return arrange


def die() -> None:
    raise Killed


def lose_the_connection() -> None:
    connection.connection.close()


class TestInterrupted:
    @pytest.fixture
    def action(self, owner: User, agent: Agent) -> BulkAction:
        for _ in range(3 * bulk.CHUNK):
            make_task(agent)
        return ask(owner, "cancel")

    @pytest.mark.parametrize("number", [1, bulk.CHUNK, bulk.CHUNK + 20])
    def test_killed_worker_loses_and_repeats_nothing(self, after: Any, action: BulkAction, number: int) -> None:
        after(number, die)
        with pytest.raises(Killed):
            carry_out(action)
        begun = fresh(action)
        assert begun.processed == Task.objects.filter(status=Status.CANCELLED).count() < number
        assert counts(carry_out(action)) == (150, 150, 0, {})
        assert all(kinds(task).count("task_cancelled") == 1 for task in Task.objects.all())

    def test_lost_connection_is_an_interruption_and_no_skipped_task(self, after: Any, action: BulkAction) -> None:
        after(bulk.CHUNK + 20, lose_the_connection)
        with pytest.raises(OperationalError):
            carry_out(action)
        connection.close()
        assert counts(carry_out(action)) == (150, 150, 0, {})

    def test_task_that_cannot_be_changed_does_not_hold_up_the_others(self, after: Any, action: BulkAction) -> None:
        def stumble() -> None:
            raise IntegrityError("a rule of the database")

        after(2, stumble)
        assert counts(carry_out(action))[2:] == (1, {"internal_error": 1})

    def test_sweep_hands_it_on(self, action: BulkAction, hints: list[Hint]) -> None:
        sweep.sweep()
        assert bulk_hints(hints) == [action.pk]
        carry_out(action)
        hints.clear()
        sweep.sweep()
        assert bulk_hints(hints) == []


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[Hint]:
    posted: list[Hint] = []
    monkeypatch.setattr(messenger, "post", posted.append)
    return posted


def bulk_hints(hints: list[Hint]) -> list[int]:
    return [number for hint in hints if hint.send is dispatch._send_bulk_nudge for number in hint.numbers]


class TestTurns:
    def test_workers_are_nudged_after_the_commit(self, owner: User, agent: Agent, hints: list[Hint]) -> None:
        with transaction.atomic():
            action = ask(owner, "cancel")
            assert bulk_hints(hints) == []
        assert bulk_hints(hints) == [action.pk]

    def test_job_that_runs_out_of_time_asks_for_its_next_turn(
        self, owner: User, agent: Agent, hints: list[Hint], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(bulk.CHUNK + 1):
            make_task(agent)
        action = ask(owner, "cancel")
        monkeypatch.setattr(bulk, "CALL_SECONDS", 0)
        hints.clear()
        jobs.advance_bulk_action(action.pk)
        assert 0 < fresh(action).processed < fresh(action).total
        assert bulk_hints(hints) == [action.pk]

    def test_job_that_has_finished_asks_for_nothing(self, owner: User, agent: Agent, hints: list[Hint]) -> None:
        make_task(agent)
        action = ask(owner, "cancel")
        hints.clear()
        jobs.advance_bulk_action(action.pk)
        assert (fresh(action).status, bulk_hints(hints)) == ("complete", [])

    def test_job_for_nothing_is_harmless(self) -> None:
        jobs.advance_bulk_action(4711)


class TestStopping:
    def test_rest_is_left_alone(self, owner: User, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = make_task(agent), make_task(agent)
        action = ask(owner, "cancel")
        monkeypatch.setattr(bulk, "CHUNK_SECONDS", 0)
        bulk._carry_on(action.pk)
        bulk.stop(actor=owner, action=action)
        bulk.advance(action.pk)
        stopped = fresh(action)
        assert (stopped.status, counts(stopped), stopped.task_ids) == ("stopped", (2, 1, 0, {}), [])
        assert stopped.finished_at is not None
        assert statuses(first, second) == ["cancelled", "ready"]

    def test_again_changes_nothing(self, owner: User, agent: Agent) -> None:
        action = ask(owner, "cancel")
        bulk.stop(actor=owner, action=action)
        ended_at = fresh(action).finished_at
        bulk.stop(actor=owner, action=action)
        assert fresh(action).finished_at == ended_at

    def test_after_the_end_changes_nothing(self, owner: User, agent: Agent) -> None:
        action = carry_out(ask(owner, "cancel"))
        bulk.stop(actor=owner, action=action)
        assert fresh(action).status == "complete"

    def test_deleted_queue_stops_a_move(self, owner: User, agent: Agent) -> None:
        target, task = make_queue(owner), make_task(agent)
        action = ask(owner, "move", queue=target)
        queues.delete(actor=owner, queue=target)
        stopped = carry_out(action)
        assert (stopped.status, counts(stopped)) == ("stopped", (1, 0, 0, {"not_found": 1}))
        assert statuses(task) == ["ready"]


@pytest.mark.security
class TestRights:
    def test_who_is_no_operator_cannot_ask_for_others(self, owner: User, agent: Agent) -> None:
        with pytest.raises(PermissionDenied):
            ask(make_user("bob"), "cancel", owner)

    def test_operator_who_may_only_look_cannot_ask_for_others(self, owner: User, agent: Agent) -> None:
        onlooker = make_user("erin", is_staff=True)
        onlooker.user_permissions.add(Permission.objects.get(codename="view_task"))
        with pytest.raises(PermissionDenied):
            ask(onlooker, "cancel", owner)
        assert not BulkAction.objects.exists()

    def test_operator_changes_the_tasks_of_the_one_named(self, owner: User, agent: Agent) -> None:
        task, other = make_task(agent), make_task(make_agent(make_user("bob")))
        carry_out(ask(make_operator(), "cancel", owner))
        assert statuses(task, other) == ["cancelled", "ready"]

    def test_deactivated_user_changes_nothing_any_more(self, owner: User, agent: Agent) -> None:
        task = make_task(agent)
        action = ask(owner, "cancel")
        User.objects.filter(pk=owner.pk).update(is_active=False)
        stopped = carry_out(action)
        assert (stopped.status, counts(stopped)) == ("stopped", (1, 0, 0, {"permission_denied": 1}))
        assert statuses(task) == ["ready"]

    def test_former_operator_stops_in_the_middle(
        self, owner: User, agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = make_task(agent), make_task(agent)
        operator = make_operator()
        action = ask(operator, "cancel", owner)
        monkeypatch.setattr(bulk, "CHUNK_SECONDS", 0)
        bulk._carry_on(action.pk)
        User.objects.filter(pk=operator.pk).update(is_superuser=False)
        stopped = carry_out(action)
        assert (stopped.status, counts(stopped)) == ("stopped", (2, 1, 0, {"permission_denied": 1}))
        assert statuses(first, second) == ["cancelled", "ready"]


class TestHowMany:
    def test_sixth_unfinished_one_is_refused(self, owner: User) -> None:
        first, *_ = [ask(owner, "cancel") for _ in range(bulk.MOST_UNFINISHED)]
        with pytest.raises(TooManyBulkActions):
            ask(owner, "cancel")
        carry_out(first)
        ask(owner, "cancel")

    def test_others_do_not_count(self, owner: User) -> None:
        for _ in range(bulk.MOST_UNFINISHED):
            ask(owner, "cancel")
        ask(make_user("bob"), "cancel")


class TestRulesOfTheDatabase:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"status": "complete", "finished_at": timezone.now()},
            {"status": "complete", "changed": 1},
            {"finished_at": timezone.now()},
            {"status": "paused"},
            {"changed": 1, "skipped": 1},
            {"action": "explode"},
        ],
    )
    def test_row_that_contradicts_itself_is_refused(self, owner: User, agent: Agent, wrong: dict[str, Any]) -> None:
        make_task(agent)
        action = ask(owner, "cancel")
        with pytest.raises(IntegrityError):
            BulkAction.objects.filter(pk=action.pk).update(**wrong)


def test_move_to_a_queue_that_vanishes_is_a_conflict(owner: User, agent: Agent) -> None:
    queue = make_queue(owner)
    Queue.objects.filter(pk=queue.pk).delete()
    with pytest.raises(Conflict) as met:
        ask(owner, "move", queue=queue)
    assert met.value.code == "conflict"
