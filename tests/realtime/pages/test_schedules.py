"""Schedules by forms, and what the pages tell of their times."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import User
from tasks import schedules
from tasks.clock import database_now
from tasks.models import Agent, Budget, BudgetScope, Schedule, ScheduleFire, Task
from tests.accounts.clients import SecureClient
from tests.makers import make_agent, make_queue, make_user
from tests.realtime.pages.conftest import browser_of
from tests.realtime.pages.reading import attribute, tasks_in, text_of

pytestmark = pytest.mark.django_db

SOME_DAY = datetime(2035, 1, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def form(agent: Agent) -> dict[str, str]:
    return {
        "name": "morning", "agent": str(agent.uuid), "prompt": "Good morning.", "timing": "cron",
        "cron": "0 9 * * *", "every": "", "unit": "minutes", "starts_at": "", "zone": "Europe/Berlin",
        "overlap_policy": "skip", "catch_up_policy": "last", "catch_up_seconds": "86400",
        "title": "", "order": "0", "queue": "",
    }  # fmt: skip


@pytest.fixture
def schedule(agent: Agent) -> Schedule:
    return make(agent)


def make(agent: Agent, **fields: Any) -> Schedule:
    given = {"name": "morning", "timing": "cron", "cron": "0 9 * * *", "zone": "Europe/Berlin", "prompt": "Wake up."}
    return schedules.create(actor=agent.owner, agent=agent, **{**given, **fields})


def note(schedule: Schedule, **fields: Any) -> ScheduleFire:
    return ScheduleFire.objects.create(schedule=schedule, **{"due_at": SOME_DAY, **fields})


class TestNew:
    def test_is_made_of_the_forms_values(
        self, page: SecureClient, agent: Agent, alice: User, form: dict[str, str]
    ) -> None:
        queue = make_queue(alice)
        sent = form | {
            "prompt": "Good\r\nmorning.", "title": "Hello", "order": "-4", "queue": str(queue.uuid),
            "overlap_policy": "allow", "catch_up_policy": "none", "catch_up_seconds": "60",
        }  # fmt: skip
        answer = page.post("/schedules/new", sent)
        made = Schedule.objects.get()
        assert (answer.status_code, answer["Location"]) == (302, f"/schedules/{made.uuid}")
        assert (made.owner, made.agent, made.name, made.prompt) == (alice, agent, "morning", "Good\nmorning.")
        assert (made.timing, made.cron, made.every_seconds, made.zone) == ("cron", "0 9 * * *", None, "Europe/Berlin")
        assert (made.title, made.order, made.queue) == ("Hello", -4, queue)
        assert (made.overlap_policy, made.catch_up_policy, made.catch_up_seconds) == ("allow", "none", 60)

    @pytest.mark.parametrize(
        ("every", "unit", "seconds"),
        [("90", "seconds", 90), ("15", "minutes", 900), ("2", "hours", 7_200), ("1", "days", 86_400)],
    )
    def test_interval_has_a_unit(
        self, page: SecureClient, form: dict[str, str], every: str, unit: str, seconds: int
    ) -> None:
        page.post("/schedules/new", form | {"timing": "interval", "every": every, "unit": unit})
        made = Schedule.objects.get()
        assert (made.timing, made.every_seconds, made.cron) == ("interval", seconds, "")

    def test_start_is_meant_in_the_zone_that_stands_beside_it(self, page: SecureClient, form: dict[str, str]) -> None:
        page.post("/schedules/new", form | {"timing": "once", "starts_at": "2035-07-01T09:30"})
        assert Schedule.objects.get().starts_at == datetime(2035, 7, 1, 7, 30, tzinfo=UTC)

    def test_chooses_the_agent_that_is_asked_for(self, page: SecureClient, agent: Agent) -> None:
        shown = page.get(f"/schedules/new?agent={agent.uuid}").content.decode()
        assert f'<option value="{agent.uuid}" selected>' in shown

    def test_needs_an_agent_first(self, strange_page: SecureClient) -> None:
        assert "First an agent" in text_of(strange_page.get("/schedules/new"))

    def test_cannot_use_what_is_somebody_elses(self, page: SecureClient, bob: User, form: dict[str, str]) -> None:
        foreign = make_agent(bob, name="bobs-own")
        assert "bobs-own" not in text_of(page.get("/schedules/new"))
        assert page.get(f"/schedules/new?agent={foreign.uuid}").status_code == 403
        for wrong in ({"agent": str(foreign.uuid)}, {"queue": str(make_queue(bob).uuid)}):
            assert page.post("/schedules/new", form | wrong).status_code == 400
        assert not Schedule.objects.exists()

    @pytest.mark.parametrize(
        ("changed", "field", "reason"),
        [
            ({"cron": "61 9 * * *"}, "cron", "The minute is not understood."),
            ({"cron": "0 0 30 2 *"}, "cron", "It never comes"),
            ({"cron": ""}, "cron", "five fields"),
            ({"cron": "*" * 10_000}, "cron", "at most 200 characters"),
            ({"zone": "Europe/Atlantis"}, "zone", "There is no time zone of this name."),
            ({"zone": "../../etc/passwd"}, "zone", "There is no time zone of this name."),
            ({"zone": ""}, "zone", "This field is required."),
            ({"timing": "interval"}, "every", "Say after how many seconds"),
            ({"timing": "interval", "every": "0"}, "every", "greater than or equal to 1"),
            ({"timing": "interval", "every": "31536000", "unit": "days"}, "every", "less than or equal to"),
            ({"timing": "once"}, "starts_at", "Say when."),
            ({"timing": "once", "starts_at": "2020-01-01T00:00"}, "starts_at", "This time has gone by."),
            ({"starts_at": "2035-02-30T00:00"}, "starts_at", "Enter a valid date/time."),
            ({"starts_at": "2035-03-25T02:30"}, "starts_at", "may be ambiguous or it may not exist"),
            ({"timing": "daily"}, "timing", "Select a valid choice."),
            ({"name": "a/b"}, "name", "Use letters, digits"),
            ({"name": "a\nb"}, "name", "Use one line"),
            ({"name": "n" * 10_000}, "name", "at most 100 characters"),
            ({"prompt": " "}, "prompt", "Write something"),
            ({"agent": "x"}, "agent", "is not a valid UUID"),
            ({"catch_up_seconds": "2592001"}, "catch_up_seconds", "less than or equal to"),
        ],
    )
    def test_bad_value_is_told_at_its_field_and_nothing_written(
        self, page: SecureClient, form: dict[str, str], changed: dict[str, str], field: str, reason: str
    ) -> None:
        answer = page.post("/schedules/new", form | changed)
        assert answer.status_code == 400
        found = re.search(rf'id="id_{field}_error">(.*?)</ul>', answer.content.decode(), re.DOTALL)
        assert found is not None
        assert reason in found[1]
        assert not Schedule.objects.exists()

    def test_name_that_is_taken_is_refused_and_what_was_typed_stays(
        self, page: SecureClient, schedule: Schedule, form: dict[str, str]
    ) -> None:
        answer = page.post("/schedules/new", form)
        assert answer.status_code == 409
        assert "You already have a schedule of this name." in text_of(answer)
        assert "Good morning." in answer.content.decode()

    def test_too_many_changes_are_refused(self, page: SecureClient, form: dict[str, str], settings: Settings) -> None:
        settings.PERSONALQ_RATE_AGENT_CHANGE = "1/h"
        page.post("/schedules/new", form)
        assert page.post("/schedules/new", form | {"name": "evening"}).status_code == 429


class TestPreview:
    def test_tells_the_next_five_times_by_both_clocks(self, page: SecureClient, form: dict[str, str]) -> None:
        answer = page.post("/schedules/preview", form | {"starts_at": "2035-01-02T00:00"})
        shown = text_of(answer)
        assert (answer.status_code, answer.content.decode().count("<tr>")) == (200, 6)
        assert "Tue 2 Jan 2035, 09:00 +01:00 Tue 2 Jan 2035, 08:00 UTC" in shown
        assert not Schedule.objects.exists()

    def test_needs_none_of_the_other_fields(self, page: SecureClient, form: dict[str, str]) -> None:
        timing = {name: form[name] for name in ("timing", "cron", "every", "unit", "starts_at", "zone")}
        assert "+01:00" in text_of(page.post("/schedules/preview", timing | {"starts_at": "2035-01-02T00:00"}))

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"cron": "0 9 * *"}, "Cron expression: The number of fields is 4."),
            ({"zone": "Nowhere"}, "Time zone: There is no time zone of this name."),
            ({"timing": "interval"}, "Every: Say after how many seconds"),
            ({"timing": "once"}, "Start: Say when."),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, page: SecureClient, form: dict[str, str], changed: dict[str, str], reason: str
    ) -> None:
        answer = page.post("/schedules/preview", form | changed)
        # What is half typed is no mistake yet.
        assert answer.status_code == 200
        assert reason in text_of(answer)

    def test_has_the_limit_of_reading(self, page: SecureClient, form: dict[str, str], settings: Settings) -> None:
        settings.PERSONALQ_RATE_READ = "1/h"
        assert [page.post("/schedules/preview", form).status_code for _ in range(2)] == [200, 429]


class TestList:
    def test_shows_what_comes_next_by_both_clocks(self, page: SecureClient, agent: Agent) -> None:
        make(agent, timing="once", cron="", starts_at=SOME_DAY)
        answer = page.get("/schedules")
        assert "Next: Tue 2 Jan 2035, 08:00 UTC Tue 2 Jan 2035, 09:00 +01:00" in text_of(answer)
        assert "scribe" in text_of(answer)

    def test_says_in_words_when_it_is_due(self, page: SecureClient, agent: Agent) -> None:
        for name, seconds in (("a", 3_600), ("b", 5_400), ("c", 172_800)):
            make(agent, name=name, timing="interval", cron="", every_seconds=seconds)
        make(agent, name="d", timing="once", cron="", starts_at=SOME_DAY)
        make(agent, name="e")
        shown = text_of(page.get("/schedules"))
        for words in ("every hour ·", "every 90 minutes ·", "every 2 days ·", "once ·", "0 9 * * * ·"):
            assert words in shown

    @pytest.mark.parametrize("warning", ["late", "missed", "failed"])
    def test_badge_tells_what_went_wrong(self, page: SecureClient, schedule: Schedule, warning: str) -> None:
        assert f">{warning}</span>" not in page.get("/schedules").content.decode()
        Schedule.objects.update(warning=warning, warned_at=SOME_DAY)
        assert f">{warning}</span>" in page.get("/schedules").content.decode()

    def test_badge_tells_that_it_is_paused_or_over(self, page: SecureClient, schedule: Schedule, alice: User) -> None:
        schedules.pause(actor=alice, schedule=schedule)
        assert "paused" in text_of(page.get("/schedules"))
        assert "Resume" in text_of(page.get("/schedules"))
        Schedule.objects.update(is_paused=False, next_due_at=None)
        assert "not any more" in text_of(page.get("/schedules"))

    def test_has_nothing_of_others(self, strange_page: SecureClient, schedule: Schedule) -> None:
        assert "Nothing is queued by the clock." in text_of(strange_page.get("/schedules"))

    def test_rows_come_without_the_page_around_them(self, page: SecureClient, schedule: Schedule) -> None:
        rows = page.get("/schedules/rows").content.decode()
        assert f"/schedules/{schedule.uuid}" in rows
        assert "<html" not in rows

    def test_more_rows_need_no_more_queries(self, page: SecureClient, schedule: Schedule, agent: Agent) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as context:
                page.get("/schedules")
            return len(context)

        page.get("/schedules")  # the first one of a session notes when it was used
        few = queries()
        for number in range(8):
            make(agent, name=f"more {number}", queue=make_queue(agent.owner))
        assert queries() == few

    @pytest.mark.parametrize("query", ["before=x", "owner=bob"])
    def test_bad_query_is_refused(self, page: SecureClient, query: str) -> None:
        assert page.get(f"/schedules?{query}").status_code == 400

    def test_goes_on_page_by_page(self, page: SecureClient, agent: Agent) -> None:
        for number in range(26):
            make(agent, name=f"number {number:02}")
        first = page.get("/schedules")
        assert "number 25" in text_of(first)
        assert "number 00" not in text_of(first)
        oldest = Schedule.objects.get(name="number 01")
        assert "number 00" in text_of(page.get(f"/schedules?before={oldest.uuid}"))


class TestOne:
    def test_shows_facts_and_the_next_five_times(self, page: SecureClient, schedule: Schedule) -> None:
        answer = page.get(f"/schedules/{schedule.uuid}")
        shown = text_of(answer)
        for words in ("morning", "0 9 * * *", "Wake up.", "Europe/Berlin", "leave this time out", "older than 1 day"):
            assert words in shown
        assert len(re.findall(r"<time [^>]*data-exact>", answer.content.decode())) == 5
        assert "It has not been due yet." in shown

    def test_links_each_time_to_its_task(self, page: SecureClient, schedule: Schedule, alice: User) -> None:
        task = schedules.run(actor=alice, schedule=schedule)
        answer = page.get(f"/schedules/{schedule.uuid}")
        assert tasks_in(answer) == [str(task.uuid)]
        assert "ready by hand" in text_of(answer)

    @pytest.mark.parametrize(
        ("fire", "words"),
        [
            ({"outcome": "fired", "drift_seconds": 0.4}, "fired Tue 2 Jan 2035, 08:00 UTC on time"),
            ({"outcome": "fired", "drift_seconds": 3_700}, "1 h 1 min late"),
            ({"outcome": "skipped", "code": "schedule_busy"}, "skipped Tue 2 Jan 2035, 08:00 UTC an earlier task was"),
            ({"outcome": "failed", "code": "budget_exhausted"}, "the budget was used up"),
            ({"outcome": "failed", "code": "quite_new"}, "quite new"),
            (
                {"outcome": "missed", "count": 1_200, "until_at": SOME_DAY + timedelta(hours=1)},
                "missed Tue 2 Jan 2035, 08:00 UTC to Tue 2 Jan 2035, 09:00 UTC , 1,200 times nothing could fire then",
            ),
        ],
    )
    def test_tells_what_became_of_a_time(
        self, page: SecureClient, schedule: Schedule, fire: dict[str, Any], words: str
    ) -> None:
        note(schedule, **fire)
        assert words in text_of(page.get(f"/schedules/{schedule.uuid}"))

    def test_shows_the_latest_and_says_where_the_others_are(self, page: SecureClient, schedule: Schedule) -> None:
        for number in range(26):
            note(schedule, due_at=SOME_DAY + timedelta(minutes=number), outcome="skipped")
        answer = page.get(f"/schedules/{schedule.uuid}")
        assert "2035-01-02T08:25" in answer.content.decode()
        assert "2035-01-02T08:00" not in answer.content.decode()
        assert f"/api/v1/schedules/{schedule.uuid}/fires" in answer.content.decode()

    def test_says_what_went_wrong(self, page: SecureClient, schedule: Schedule) -> None:
        Schedule.objects.update(warning="missed", warned_at=database_now())
        assert "Times went by at which nothing could fire." in text_of(page.get(f"/schedules/{schedule.uuid}"))

    def test_panel_has_the_parts_that_change(self, page: SecureClient, schedule: Schedule) -> None:
        whole = page.get(f"/schedules/{schedule.uuid}")
        panel = page.get(f"/schedules/{schedule.uuid}/panel").content.decode()
        for part in attribute(whole, "data-parts").split():
            assert f'id="{part}"' in panel
            assert f'id="{part}"' in whole.content.decode()

    def test_survives_a_zone_that_is_no_more(self, page: SecureClient, schedule: Schedule) -> None:
        Schedule.objects.update(zone="Europe/Atlantis", next_due_at=None)
        for address in ("/schedules", f"/schedules/{schedule.uuid}", f"/schedules/{schedule.uuid}/edit"):
            assert "Europe/Atlantis" in page.get(address).content.decode()

    def test_shows_what_is_written_in_it_as_text(self, page: SecureClient, agent: Agent) -> None:
        attack = "<script>alert(1)</script>"
        schedule = make(agent, prompt=attack, title=attack)
        for address in (f"/schedules/{schedule.uuid}", f"/schedules/{schedule.uuid}/edit"):
            assert attack not in page.get(address).content.decode()


class TestVerbs:
    def test_pause_and_resume_lead_back_to_where_they_stood(self, page: SecureClient, schedule: Schedule) -> None:
        answer = page.post(f"/schedules/{schedule.uuid}/pause", {"back": "list"})
        assert (answer.status_code, answer["Location"]) == (302, "/schedules")
        assert Schedule.objects.get().is_paused
        answer = page.post(f"/schedules/{schedule.uuid}/resume")
        assert (answer.status_code, answer["Location"]) == (302, f"/schedules/{schedule.uuid}")
        assert not Schedule.objects.get().is_paused

    def test_running_it_leads_to_the_task(self, page: SecureClient, schedule: Schedule) -> None:
        answer = page.post(f"/schedules/{schedule.uuid}/run", {"form_key": str(uuid4())})
        task = Task.objects.get()
        assert (answer.status_code, answer["Location"]) == (302, f"/tasks/{task.uuid}")
        assert task.schedule == schedule

    def test_pressing_twice_runs_it_once(self, page: SecureClient, agent: Agent) -> None:
        schedule = make(agent, overlap_policy="allow")
        key = {"form_key": str(uuid4())}
        answers = [page.post(f"/schedules/{schedule.uuid}/run", key) for _ in range(2)]
        assert answers[0]["Location"] == answers[1]["Location"]
        assert Task.objects.count() == 1

    def test_busy_schedule_says_so_and_stays_on_the_page(self, page: SecureClient, schedule: Schedule) -> None:
        page.post(f"/schedules/{schedule.uuid}/run")
        answer = page.post(f"/schedules/{schedule.uuid}/run")
        assert answer.status_code == 409
        assert "A task of this schedule has not ended." in text_of(answer)
        assert Task.objects.count() == 1

    def test_exhausted_budget_is_told(self, page: SecureClient, schedule: Schedule, alice: User, agent: Agent) -> None:
        Budget.objects.create(owner=alice, agent=agent, scope=BudgetScope.TOTAL, token_limit=1)
        agent.spending.create(owner=alice, month="2026-01-01", tokens=5)
        answer = page.post(f"/schedules/{schedule.uuid}/run")
        assert answer.status_code == 402
        assert "The budget is used up." in text_of(answer)

    def test_forged_key_is_refused(self, page: SecureClient, schedule: Schedule) -> None:
        assert page.post(f"/schedules/{schedule.uuid}/run", {"form_key": "x"}).status_code == 400
        assert not Task.objects.exists()

    def test_running_has_the_limit_of_tasks(self, page: SecureClient, agent: Agent, settings: Settings) -> None:
        settings.PERSONALQ_RATE_TASK_CREATE = "1/h"
        schedule = make(agent, overlap_policy="allow")
        answers = [page.post(f"/schedules/{schedule.uuid}/run").status_code for _ in range(2)]
        assert answers == [302, 429]


class TestEdit:
    def test_changes_what_was_changed_and_nothing_else(
        self, page: SecureClient, schedule: Schedule, form: dict[str, str]
    ) -> None:
        Schedule.objects.update(input={"kept": True})
        before = Schedule.objects.get()
        answer = page.post(f"/schedules/{schedule.uuid}/edit", form | {"cron": "0 0 17 * * *", "prompt": "Good night."})
        after = Schedule.objects.get()
        assert (answer.status_code, answer["Location"]) == (302, f"/schedules/{schedule.uuid}")
        assert (after.cron, after.prompt, after.input) == ("0 0 17 * * *", "Good night.", {"kept": True})
        assert after.starts_at == before.starts_at
        changed = schedule.events.get(kind="schedule_changed")
        assert changed.data["changed"] == ["cron", "prompt"]

    def test_saving_it_as_it_is_changes_nothing(self, page: SecureClient, agent: Agent, form: dict[str, str]) -> None:
        start = datetime(2035, 1, 2, 8, 0, 30, tzinfo=UTC)
        schedule = make(agent, prompt="Two\r\nlines", starts_at=start)
        sent = form | {"prompt": "Two\r\nlines", "starts_at": "2035-01-02T09:00"}
        assert page.post(f"/schedules/{schedule.uuid}/edit", sent).status_code == 302
        assert Schedule.objects.get().starts_at == start
        assert not schedule.events.filter(kind="schedule_changed").exists()

    def test_shows_the_start_by_the_schedules_own_clock(self, page: SecureClient, agent: Agent) -> None:
        schedule = make(agent, starts_at=SOME_DAY)
        shown = page.get(f"/schedules/{schedule.uuid}/edit").content.decode()
        assert 'value="2035-01-02T09:00"' in shown

    def test_start_is_moved(self, page: SecureClient, agent: Agent, form: dict[str, str]) -> None:
        schedule = make(agent, timing="once", cron="", starts_at=SOME_DAY)
        sent = form | {"timing": "once", "starts_at": "2035-01-02T09:00"}
        page.post(f"/schedules/{schedule.uuid}/edit", sent | {"zone": "Asia/Tokyo"})
        assert Schedule.objects.get().starts_at == datetime(2035, 1, 2, 0, 0, tzinfo=UTC)
        page.post(f"/schedules/{schedule.uuid}/edit", sent | {"zone": "Asia/Tokyo", "starts_at": "2035-01-02T10:00"})
        assert Schedule.objects.get().starts_at == datetime(2035, 1, 2, 1, 0, tzinfo=UTC)

    def test_another_zone_does_not_move_the_start_of_a_cron_expression(
        self, page: SecureClient, agent: Agent, form: dict[str, str]
    ) -> None:
        schedule = make(agent, starts_at=SOME_DAY)
        sent = form | {"starts_at": "2035-01-02T09:00", "zone": "America/New_York"}
        page.post(f"/schedules/{schedule.uuid}/edit", sent)
        after = Schedule.objects.get()
        assert (after.zone, after.starts_at) == ("America/New_York", SOME_DAY)

    def test_gets_another_timing(self, page: SecureClient, schedule: Schedule, form: dict[str, str]) -> None:
        sent = form | {"timing": "interval", "every": "2", "unit": "hours"}
        assert page.post(f"/schedules/{schedule.uuid}/edit", sent).status_code == 302
        after = Schedule.objects.get()
        assert (after.timing, after.cron, after.every_seconds) == ("interval", "", 7_200)

    def test_form_of_an_interval_has_its_largest_unit(self, page: SecureClient, agent: Agent) -> None:
        schedule = make(agent, timing="interval", cron="", every_seconds=5_400)
        shown = page.get(f"/schedules/{schedule.uuid}/edit").content.decode()
        assert 'value="90"' in shown
        assert '<option value="minutes" selected>' in shown

    def test_bad_change_is_told_at_its_field(
        self, page: SecureClient, schedule: Schedule, form: dict[str, str]
    ) -> None:
        answer = page.post(f"/schedules/{schedule.uuid}/edit", form | {"cron": "99 * * * *"})
        assert answer.status_code == 400
        assert "The minute is not understood." in text_of(answer)

    def test_asks_before_it_deletes(self, page: SecureClient, schedule: Schedule) -> None:
        assert "Delete morning?" in text_of(page.get(f"/schedules/{schedule.uuid}/delete"))
        answer = page.post(f"/schedules/{schedule.uuid}/delete")
        assert (answer.status_code, answer["Location"]) == (302, "/schedules")
        assert page.get(f"/schedules/{schedule.uuid}").status_code == 404


class TestOthers:
    def test_strangers_are_refused(self, strange_page: SecureClient, schedule: Schedule, form: dict[str, str]) -> None:
        for path in ("", "/panel", "/edit", "/delete"):
            assert strange_page.get(f"/schedules/{schedule.uuid}{path}").status_code == 403
        for path in ("/edit", "/delete", "/run", "/pause", "/resume"):
            assert strange_page.post(f"/schedules/{schedule.uuid}{path}", form).status_code == 403
        assert Schedule.objects.get().updated_at == schedule.updated_at
        assert not Task.objects.exists()

    def test_operators_change_it_with_the_owners_agents(
        self, operators_page: SecureClient, operator: User, schedule: Schedule, form: dict[str, str]
    ) -> None:
        mine = make_agent(operator, name="olgas-own")
        assert "olgas-own" not in text_of(operators_page.get(f"/schedules/{schedule.uuid}/edit"))
        address = f"/schedules/{schedule.uuid}/edit"
        assert operators_page.post(address, form | {"agent": str(mine.uuid)}).status_code == 400
        assert operators_page.post(address, form | {"order": "7"}).status_code == 302
        assert Schedule.objects.get().order == 7

    def test_operator_who_may_only_look_gets_no_buttons(self, schedule: Schedule) -> None:
        looker = make_user(is_staff=True)
        looker.user_permissions.add(Permission.objects.get(codename="view_schedule"))
        browser = browser_of(looker)
        for path in ("", "/panel"):
            assert "<button" not in browser.get(f"/schedules/{schedule.uuid}{path}").content.decode().split("<main")[-1]
        assert browser.post(f"/schedules/{schedule.uuid}/run").status_code == 403


class TestTasks:
    def test_tell_which_schedule_they_came_from(self, page: SecureClient, schedule: Schedule, alice: User) -> None:
        task = schedules.run(actor=alice, schedule=schedule)
        answer = page.get(f"/tasks/{task.uuid}")
        assert "a schedule: morning" in text_of(answer)
        assert f'href="/schedules/{schedule.uuid}"' in answer.content.decode()
        schedules.delete(actor=alice, schedule=schedule)
        answer = page.get(f"/tasks/{task.uuid}")
        assert "morning (deleted)" in text_of(answer)
        assert f'href="/schedules/{schedule.uuid}"' not in answer.content.decode()

    def test_form_of_a_task_leads_to_schedules(self, page: SecureClient, agent: Agent) -> None:
        assert 'href="/schedules/new"' in page.get("/tasks/new").content.decode()

    def test_deleted_agent_is_told(self, page: SecureClient, schedule: Schedule) -> None:
        Agent.objects.update(deleted_at=SOME_DAY)
        assert "scribe (deleted)" in text_of(page.get(f"/schedules/{schedule.uuid}"))
        assert "scribe (deleted)" in text_of(page.get("/schedules"))
