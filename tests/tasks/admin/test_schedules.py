"""Schedules in the admin: everybody's, changed only by the product's own verbs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from tasks import schedules
from tasks.models import Schedule, ScheduleFire, Task
from tests.clients import fresh_client
from tests.makers import make_agent, make_operator, make_queue, make_user

pytestmark = pytest.mark.django_db

SOME_DAY = datetime(2035, 1, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def operator() -> User:
    return make_operator()


@pytest.fixture
def admin(operator: User) -> Client:
    client = browser_of(operator)
    # The first request of a session puts it into the list of sign-ins.
    client.get("/account/sessions", secure=True)
    return client


@pytest.fixture
def schedule(owner: User) -> Schedule:
    return make(owner)


def make(owner: User, **fields: Any) -> Schedule:
    given = {"name": "morning", "timing": "cron", "cron": "0 9 * * *", "prompt": "Wake up.", **fields}
    return schedules.create(actor=owner, agent=make_agent(owner), **given)


def browser_of(user: User) -> Client:
    client = fresh_client()
    client.force_login(user)
    return client


def act(client: Client, action: str, *chosen: Schedule) -> str:
    data = {"action": action, "_selected_action": [each.pk for each in chosen]}
    answer = client.post("/admin/tasks/schedule/", data, secure=True, follow=True)
    return str(answer.content.decode())


def form_of(schedule: Schedule, **changed: Any) -> dict[str, Any]:
    names = ("name", "timing", "cron", "zone", "prompt", "title", "order", "overlap_policy", "catch_up_policy")
    return {
        **{name: getattr(schedule, name) for name in names},
        "agent": schedule.agent_id,
        "starts_at_0": f"{schedule.starts_at:%Y-%m-%d}",
        "starts_at_1": f"{schedule.starts_at:%H:%M:%S}",
        "catch_up_seconds": schedule.catch_up_seconds,
        "input": "null",
        **changed,
    }


def save(client: Client, schedule: Schedule, **changed: Any) -> Any:
    address = f"/admin/tasks/schedule/{schedule.pk}/change/"
    return client.post(address, form_of(schedule, **changed), secure=True, follow=True)


def test_schedules_are_paused_and_resumed(admin: Client, schedule: Schedule) -> None:
    act(admin, "pause", schedule)
    paused = Schedule.objects.get()
    assert (paused.is_paused, paused.next_due_at) == (True, None)
    act(admin, "resume", schedule)
    assert not Schedule.objects.get().is_paused


def test_schedules_are_run_and_the_busy_one_says_why_not(admin: Client, schedule: Schedule, operator: User) -> None:
    act(admin, "run_now", schedule)
    assert Task.objects.get().schedule == schedule
    assert schedule.events.get(kind="schedule_fired").data["by"] == operator.username
    assert "Wait for it or cancel it" in act(admin, "run_now", schedule)
    assert Task.objects.count() == 1


def test_deleting_leaves_the_row_behind_the_history(admin: Client, schedule: Schedule) -> None:
    act(admin, "delete_them", schedule)
    assert Schedule.objects.get().deleted_at is not None


def test_a_change_goes_through_the_products_own_verb(admin: Client, schedule: Schedule, operator: User) -> None:
    save(admin, schedule, cron="0 17 * * *", order=4)
    after = Schedule.objects.get()
    assert (after.cron, after.order, after.next_due_at is not None and after.next_due_at.hour) == ("0 17 * * *", 4, 17)
    changed = schedule.events.get(kind="schedule_changed")
    assert (changed.data["changed"], changed.data["by"]) == (["cron", "order"], operator.username)


def test_saving_it_as_it_is_changes_nothing(admin: Client, schedule: Schedule) -> None:
    save(admin, schedule)
    assert not schedule.events.filter(kind="schedule_changed").exists()


def test_a_bad_cron_expression_is_told_and_not_kept(admin: Client, schedule: Schedule) -> None:
    assert "minute" in save(admin, schedule, cron="61 9 * * *").content.decode()
    assert Schedule.objects.get().cron == "0 9 * * *"


def test_what_the_machine_writes_is_not_taken_from_a_form(admin: Client, schedule: Schedule, operator: User) -> None:
    forged = {"owner": operator.pk, "is_paused": "on", "warning": "late", "next_due_at_0": "2035-01-01"}
    save(admin, schedule, title="New", **forged)
    after = Schedule.objects.get()
    assert (after.title, after.owner, after.is_paused, after.warning) == ("New", schedule.owner, False, "")


@pytest.mark.parametrize("noun", ["agent", "queue"])
def test_agent_and_queue_have_to_be_the_owners(admin: Client, schedule: Schedule, operator: User, noun: str) -> None:
    foreign = make_agent(operator) if noun == "agent" else make_queue(operator)
    page = save(admin, schedule, **{noun: foreign.pk}).content.decode()
    assert f"Choose one of the owner&#x27;s {noun}s." in page
    assert not schedule.events.filter(kind="schedule_changed").exists()


def test_they_are_neither_added_nor_deleted_by_hand(admin: Client, schedule: Schedule) -> None:
    fire = ScheduleFire.objects.create(schedule=schedule, due_at=SOME_DAY, outcome="missed")
    for address in ("schedule/add/", f"schedule/{schedule.pk}/delete/", "schedulefire/add/",
                    f"schedulefire/{fire.pk}/delete/", f"schedulefire/{fire.pk}/change/"):  # fmt: skip
        assert admin.post(f"/admin/tasks/{address}", {"post": "yes"}, secure=True).status_code == 403


def test_what_became_of_each_time_is_shown(admin: Client, schedule: Schedule) -> None:
    fire = ScheduleFire.objects.create(schedule=schedule, due_at=SOME_DAY, outcome="failed", code="budget_exhausted")
    for address in ("", f"{fire.pk}/change/", "?q=morning"):
        page = admin.get(f"/admin/tasks/schedulefire/{address}", secure=True).content.decode()
        assert "budget_exhausted" in page


@pytest.mark.parametrize("model", ["schedule", "schedulefire", "taskevent"])
def test_number_of_queries_of_a_list_does_not_grow(
    admin: Client, owner: User, model: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        schedules.run(actor=owner, schedule=make(owner, name=f"number {number}"))
    with django_assert_max_num_queries(12) as captured:
        admin.get(f"/admin/tasks/{model}/", secure=True)
    assert not any('"prompt"' in query["sql"] for query in captured.captured_queries)


@pytest.mark.security
def test_who_may_only_look_cannot_act(schedule: Schedule) -> None:
    looker = make_user(is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_schedule"))
    client = browser_of(looker)
    assert client.get("/admin/tasks/schedule/", secure=True).status_code == 200
    for action in ("pause", "run_now", "delete_them"):
        act(client, action, schedule)
    after = Schedule.objects.get()
    assert (after.is_paused, after.deleted_at, Task.objects.count()) == (False, None, 0)
