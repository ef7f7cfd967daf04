"""Schedules over the API."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tasks import events
from tasks.clock import database_now
from tasks.models import Agent, Schedule, ScheduleFire, Task
from tests.makers import make_agent, make_queue, make_token
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db

MORNING = {"name": "morning", "timing": "cron", "cron": "0 9 * * *", "agent": "scribe", "prompt": "Good morning."}


@pytest.fixture(autouse=True)
def scribe(agent: Agent) -> Agent:
    return agent


def make(api: Api, **body: Any) -> Any:
    return api.post("schedules", {**MORNING, **body})


def made(api: Api, **body: Any) -> dict[str, Any]:
    answer = make(api, **body)
    assert answer.status_code == 201, answer.content
    shown: dict[str, Any] = answer.json()
    return shown


def fire(schedule: UUID | str, **fields: Any) -> ScheduleFire:
    fields.setdefault("due_at", database_now())
    return ScheduleFire.objects.create(schedule=Schedule.objects.get(uuid=schedule), **fields)


def test_a_new_schedule_is_described_in_full(as_alice: Api, agent: Agent) -> None:
    answer = make(as_alice, zone="Europe/Berlin", input={"a": [1]}, title="Greeting", order=-3)
    body = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (201, body["url"])
    upcoming = body.pop("upcoming")
    assert body["next_due_at"] == upcoming[0]["at"]
    for name in ("uuid", "url", "created_at", "updated_at", "starts_at", "next_due_at"):
        assert body.pop(name)
    assert body == {
        "name": "morning", "timing": "cron", "cron": "0 9 * * *", "every_seconds": None, "zone": "Europe/Berlin",
        "agent": str(agent.uuid), "agent_name": "scribe", "queue": None, "prompt": "Good morning.",
        "title": "Greeting", "order": -3, "input": {"a": [1]}, "overlap_policy": "skip", "catch_up_policy": "last",
        "catch_up_seconds": 86_400, "state": "active", "is_paused": False, "last_due_at": None,
        "last_fired_at": None, "warning": None, "owner": "alice",
    }  # fmt: skip


def test_the_next_five_times_are_told_by_three_clocks(as_alice: Api) -> None:
    url = made(as_alice, zone="Europe/Berlin")["url"]
    upcoming = as_alice.get(url, zone="America/New_York").json()["upcoming"]
    assert len(upcoming) == 5
    for time in upcoming:
        moment = datetime.fromisoformat(time["at"])
        assert time["at"].endswith("Z")
        assert time["local_at"] == moment.astimezone(ZoneInfo("Europe/Berlin")).isoformat()
        assert time["local_at"][10:19] == "T09:00:00"
        assert time["viewer_at"] == moment.astimezone(ZoneInfo("America/New_York")).isoformat()


def test_without_a_zone_the_readers_clock_is_not_guessed(as_alice: Api) -> None:
    url = made(as_alice)["url"]
    for body in (as_alice.get("schedules").json()["results"][0], as_alice.get(url).json()):
        assert {time["viewer_at"] for time in body["upcoming"]} == {None}


@pytest.mark.parametrize("path", ["schedules", "one"])
@pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "europe/berlin", "", "localtime", "a" * 65])
def test_an_unknown_zone_of_the_reader_is_named(as_alice: Api, path: str, zone: str) -> None:
    url = made(as_alice)["url"]
    answer = as_alice.get(url if path == "one" else path, zone=zone)
    assert (answer.status_code, list(codes(answer))) == (400, ["zone"])


def test_intervals_and_single_times(as_alice: Api) -> None:
    start = (database_now() + timedelta(days=1)).replace(microsecond=0)
    every = made(as_alice, name="often", timing="interval", cron="", every_seconds=90, starts_at=start.isoformat())
    moments = [datetime.fromisoformat(time["at"]) for time in every["upcoming"]]
    assert moments == [start + timedelta(seconds=90) * number for number in range(5)]
    once = made(as_alice, name="once", timing="once", cron="", starts_at=start.isoformat())
    assert [datetime.fromisoformat(time["at"]) for time in once["upcoming"]] == [start]


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"cron": "0 9 * *"}, "cron"),
        ({"cron": "61 9 * * *"}, "cron"),
        ({"cron": "0 9 * * MON-XYZ"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": ""}, "cron"),
        ({"cron": "* " * 5_000}, "cron"),
        ({"cron": "0 9\n* * *"}, "cron"),
        ({"cron": 5}, "cron"),
        ({"timing": "interval", "cron": ""}, "every_seconds"),
        ({"timing": "interval", "cron": "", "every_seconds": 0}, "every_seconds"),
        ({"timing": "interval", "cron": "", "every_seconds": 31_536_001}, "every_seconds"),
        ({"timing": "interval", "cron": "", "every_seconds": "60"}, "every_seconds"),
        ({"timing": "once", "cron": ""}, "starts_at"),
        ({"starts_at": "2030-02-30T09:00:00Z"}, "starts_at"),
        ({"starts_at": "2030-01-01T09:00:00"}, "starts_at"),
        ({"starts_at": "tomorrow"}, "starts_at"),
        ({"timing": "daily"}, "timing"),
        ({"timing": None}, "timing"),
        ({"zone": "Europe/Atlantis"}, "zone"),
        ({"zone": "../zoneinfo/UTC"}, "zone"),
        ({"zone": "UTC\n"}, "zone"),
        ({"zone": "z" * 10_000}, "zone"),
        ({"name": "a/b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "*"}, "name"),
        ({"name": "%"}, "name"),
        ({"name": "n" * 10_000}, "name"),
        ({"name": " n"}, "name"),
        ({"name": ""}, "name"),
        ({"agent": "nobody"}, "agent"),
        ({"agent": "scrib%"}, "agent"),
        ({"agent": "a/b"}, "agent"),
        ({"agent": "a" * 10_000}, "agent"),
        ({"agent": None}, "agent"),
        ({"queue": "nowhere"}, "queue"),
        ({"queue": "*"}, "queue"),
        ({"queue": "q" * 10_000}, "queue"),
        ({"prompt": " \n"}, "prompt"),
        ({"prompt": "p" * 200_001}, "prompt"),
        ({"title": "two\nlines"}, "title"),
        ({"order": 2**31}, "order"),
        ({"input": "i" * 70_000}, "input"),
        ({"overlap_policy": "replace"}, "overlap_policy"),
        ({"catch_up_policy": "some"}, "catch_up_policy"),
        ({"catch_up_seconds": 0}, "catch_up_seconds"),
        ({"catch_up_seconds": 2_592_001}, "catch_up_seconds"),
        ({"next_due_at": "2030-01-01T00:00:00Z"}, "next_due_at"),
        ({"is_paused": True}, "is_paused"),
        ({"owner": "bob"}, "owner"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_written(as_alice: Api, changed: dict[str, Any], wrong: str) -> None:
    answer = make(as_alice, **changed)
    assert answer.status_code == 400, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert list(codes(answer)) == [wrong]
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("missing", ["name", "timing", "agent", "prompt"])
def test_what_has_to_be_there_is_named(as_alice: Api, missing: str) -> None:
    body = {name: value for name, value in MORNING.items() if name != missing}
    assert codes(as_alice.post("schedules", body)) == {missing: "required"}


@pytest.mark.parametrize(
    ("cron", "place"),
    [("61 9 * * *", "minute"), ("0 9 32 * *", "day of month"), ("0 9 * 13 *", "month"), ("99 0 9 * * *", "second")],
)
def test_a_bad_cron_expression_says_which_part_is_wrong(as_alice: Api, cron: str, place: str) -> None:
    (error,) = make(as_alice, cron=cron).json()["errors"]
    assert (error["field"], error["code"]) == ("cron", "bad_cron")
    assert place in error["message"]


def test_a_name_is_given_once_and_is_free_after_deleting(as_alice: Api, as_bob: Api, bob: User) -> None:
    url = made(as_alice)["url"]
    again = make(as_alice)
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    make_agent(bob, name="scribe")
    assert make(as_bob).status_code == 201
    assert as_alice.delete(url).status_code == 204
    assert as_alice.get(url).status_code == 404
    assert make(as_alice).status_code == 201


def test_the_same_request_sent_again_makes_one_schedule(as_alice: Api) -> None:
    answers = [as_alice.post("schedules", MORNING, key="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert Schedule.objects.count() == 1


# --- Changing ---------------------------------------------------------------------------------------------


def test_what_is_not_sent_stays(as_alice: Api, alice: User) -> None:
    poet, slow = make_agent(alice, name="poet"), make_queue(alice, name="slow")
    url = made(as_alice, title="Greeting")["url"]
    body = as_alice.patch(url, {"agent": "poet", "queue": "slow", "cron": "0 0 17 * * *"}).json()
    assert (body["agent"], body["queue"], body["cron"]) == (str(poet.uuid), slow.name, "0 0 17 * * *")
    assert (body["title"], body["name"], body["prompt"]) == ("Greeting", "morning", "Good morning.")
    assert {time["at"][10:] for time in body["upcoming"]} == {"T17:00:00Z"}
    assert as_alice.patch(url, {"queue": None}).json()["queue"] is None


def test_a_schedule_gets_another_timing(as_alice: Api) -> None:
    url = made(as_alice)["url"]
    body = as_alice.patch(url, {"timing": "interval", "every_seconds": 60, "cron": ""}).json()
    assert (body["timing"], body["every_seconds"], body["cron"]) == ("interval", 60, "")
    assert as_alice.patch(url, {"timing": "cron", "cron": "@"}).status_code == 400
    assert as_alice.get(url).json()["timing"] == "interval"


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, {"": "empty"}),
        ({"owner": "bob"}, {"owner": "unknown_field"}),
        ({"agent": "nobody"}, {"agent": "not_found"}),
        ({"zone": "Nowhere"}, {"zone": "unknown_zone"}),
        ({"cron": "x"}, {"cron": "bad_cron"}),
    ],
)
def test_a_wrong_change_is_named(as_alice: Api, changes: dict[str, Any], wrong: dict[str, str]) -> None:
    url = made(as_alice)["url"]
    answer = as_alice.patch(url, changes)
    assert (answer.status_code, codes(answer)) == (400, wrong)
    assert as_alice.get(url).json()["cron"] == "0 9 * * *"


# --- Pause, resume, run -------------------------------------------------------------------------------------


def test_a_schedule_is_paused_and_resumed(as_alice: Api) -> None:
    url = made(as_alice)["url"]
    for verb, state in (("pause", "paused"), ("pause", "paused"), ("resume", "active"), ("resume", "active")):
        answer = as_alice.post(f"{url}/{verb}")
        assert (answer.status_code, answer.json()["state"], answer.json()["is_paused"]) == (
            200, state, state == "paused",
        )  # fmt: skip
    assert codes(as_alice.post(f"{url}/pause", {"why": "x"})) == {"why": "unknown_field"}


def test_running_it_brings_in_a_task(as_alice: Api) -> None:
    url = made(as_alice, title="Greeting", order=4)["url"]
    answer = as_alice.post(f"{url}/run")
    task = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (201, task["url"])
    assert (task["source"], task["prompt"], task["title"], task["order"], task["agent_name"]) == (
        "schedule", "Good morning.", "Greeting", 4, "scribe",
    )  # fmt: skip
    assert task["schedule"] == str(Schedule.objects.get().uuid)
    assert as_alice.get("tasks", source="schedule").json()["results"][0]["schedule"] == task["schedule"]
    (fire,) = as_alice.get(f"{url}/fires").json()["results"]
    assert (fire["task"], fire["outcome"], fire["is_manual"]) == (task["uuid"], "fired", True)


def test_a_busy_schedule_is_not_run(as_alice: Api) -> None:
    url = made(as_alice)["url"]
    as_alice.post(f"{url}/run")
    answer = as_alice.post(f"{url}/run")
    assert (answer.status_code, answer.json()["code"]) == (409, "schedule_busy")
    assert Task.objects.count() == 1


def test_a_run_that_is_sent_again_brings_in_one_task(as_alice: Api) -> None:
    url = made(as_alice, overlap_policy="allow")["url"]
    answers = [as_alice.post(f"{url}/run", {}, key="k") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert Task.objects.count() == 1


# --- Lists, fires, events -----------------------------------------------------------------------------------


def test_the_list_is_filtered_by_agent_and_state(as_alice: Api, alice: User) -> None:
    make_agent(alice, name="poet")
    for name, agent in (("a", "scribe"), ("b", "poet"), ("c", "scribe")):
        made(as_alice, name=name, agent=agent)
    Schedule.objects.filter(name="a").update(is_paused=True)
    Schedule.objects.filter(name="c").update(next_due_at=None)

    def listed(**query: str) -> list[str]:
        return [row["name"] for row in as_alice.get("schedules", **query).json()["results"]]

    assert listed() == ["c", "b", "a"]
    assert listed(agent="scribe") == ["c", "a"]
    assert [listed(state=state) for state in ("active", "paused", "over")] == [["b"], ["a"], ["c"]]
    assert codes(as_alice.get("schedules", agent="nobody")) == {"agent": "not_found"}
    assert codes(as_alice.get("schedules", state="late")) == {"state": "invalid_choice"}


def test_a_list_cuts_prompts_and_leaves_input_out(as_alice: Api) -> None:
    made(as_alice, prompt="p" * 501, input={"a": 1})
    (row,) = as_alice.get("schedules").json()["results"]
    assert (row["prompt"], row["prompt_truncated"]) == ("p" * 500, True)
    assert "input" not in row


def test_a_longer_list_needs_no_more_queries(as_alice: Api) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as context:
            assert as_alice.get("schedules", page_size="50").status_code == 200
        return len(context)

    made(as_alice, name="first")
    few = queries()
    for number in range(8):
        made(as_alice, name=f"more {number}")
    assert queries() == few


def test_what_became_of_its_times_comes_in_pages(as_alice: Api) -> None:
    shown = made(as_alice)
    start = datetime(2030, 1, 1, tzinfo=UTC)
    for number in range(3):
        fire(shown["uuid"], due_at=start + timedelta(days=number), outcome="skipped", code="schedule_busy")
    page = as_alice.get(f"{shown['url']}/fires", page_size="2").json()
    rest = as_alice.get(page["next"]).json()
    due = [each["due_at"] for each in page["results"] + rest["results"]]
    assert due == ["2030-01-03T00:00:00Z", "2030-01-02T00:00:00Z", "2030-01-01T00:00:00Z"]
    assert rest["next"] is None
    assert {each["reason"] for each in page["results"]} == {"an earlier task was unfinished"}


def test_missed_times_stand_together(as_alice: Api) -> None:
    shown = made(as_alice)
    start = datetime(2030, 1, 1, tzinfo=UTC)
    fire(shown["uuid"], due_at=start, until_at=start + timedelta(hours=1), count=60, outcome="missed")
    (row,) = as_alice.get(f"{shown['url']}/fires").json()["results"]
    del row["at"]
    assert row == {
        "due_at": "2030-01-01T00:00:00Z", "until_at": "2030-01-01T01:00:00Z", "count": 60, "is_manual": False,
        "outcome": "missed", "code": None, "reason": "nothing could fire then", "drift_seconds": 0.0, "task": None,
    }  # fmt: skip


@pytest.mark.parametrize("code", ["late", "missed", "failed"])
def test_a_warning_says_what_went_wrong(as_alice: Api, code: str) -> None:
    url = made(as_alice)["url"]
    Schedule.objects.update(warning=code, warned_at=datetime(2030, 1, 1, tzinfo=UTC))
    warning = as_alice.get(url).json()["warning"]
    assert (warning["code"], warning["at"]) == (code, "2030-01-01T00:00:00Z")
    assert warning["sentence"].endswith(".")


def test_its_events_are_told_in_order(as_alice: Api) -> None:
    shown = made(as_alice)
    made(as_alice, name="another")
    as_alice.post(f"{shown['url']}/pause")
    as_alice.post(f"{shown['url']}/run")
    address = f"{shown['url']}/events"
    found = as_alice.get(address).json()["results"]
    assert [event["event"] for event in found] == [
        events.SCHEDULE_CREATED, events.SCHEDULE_PAUSED, events.SCHEDULE_FIRED,
    ]  # fmt: skip
    assert {(event["task"], event["schedule"]) for event in found} == {(None, shown["uuid"])}
    page = as_alice.get(address, page_size="1", kind=events.SCHEDULE_PAUSED).json()
    assert ([event["id"] for event in page["results"]], page["next"]) == ([found[1]["id"]], None)
    page = as_alice.get(address, page_size="2").json()
    assert as_alice.get(page["next"]).json()["results"] == found[2:]
    assert codes(as_alice.get(address, kind="task_created")) == {"kind": "invalid_choice"}


# --- Preview ------------------------------------------------------------------------------------------------


def preview(api: Api, **body: Any) -> Any:
    return api.post("schedules/preview", {"timing": "cron", "cron": "0 9 * * *", **body})


def test_a_timing_is_tried_out_without_being_kept(as_alice: Api) -> None:
    answer = preview(as_alice, zone="Asia/Tokyo", starts_at="2030-01-01T00:00:00Z", viewer_zone="Europe/Berlin")
    assert answer.status_code == 200
    assert answer.json()["upcoming"][0] == {
        "at": "2030-01-01T00:00:00Z",
        "local_at": "2030-01-01T09:00:00+09:00",
        "viewer_at": "2030-01-01T01:00:00+01:00",
    }
    assert len(answer.json()["upcoming"]) == 5
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"cron": "x"}, "cron"),
        ({"zone": "Nowhere"}, "zone"),
        ({"viewer_zone": "Nowhere"}, "viewer_zone"),
        ({"timing": "interval", "cron": ""}, "every_seconds"),
        ({"timing": "once", "cron": ""}, "starts_at"),
        ({"starts_at": "2030-02-30T00:00:00Z"}, "starts_at"),
        ({"name": "morning"}, "name"),
    ],
)
def test_a_preview_names_what_is_wrong(as_alice: Api, body: dict[str, Any], wrong: str) -> None:
    answer = preview(as_alice, **body)
    assert (answer.status_code, list(codes(answer))) == (400, [wrong])


# --- Whose it is --------------------------------------------------------------------------------------------


def test_a_stranger_neither_sees_nor_changes(as_alice: Api, as_bob: Api) -> None:
    url = made(as_alice)["url"]
    answers = [
        as_bob.get(url), as_bob.get(f"{url}/fires"), as_bob.get(f"{url}/events"), as_bob.patch(url, {"order": 1}),
        as_bob.delete(url), as_bob.post(f"{url}/pause"), as_bob.post(f"{url}/resume"), as_bob.post(f"{url}/run"),
    ]  # fmt: skip
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "not_yours")}
    assert as_bob.get("schedules").json()["results"] == []


def test_a_token_for_reading_previews_and_changes_nothing(as_alice: Api, alice: User) -> None:
    url = made(as_alice)["url"]
    reader = Api(token=make_token(alice, "schedules:read").text)
    assert [reader.get("schedules").status_code, preview(reader).status_code] == [200, 200]
    for answer in (make(reader, name="n"), reader.post(f"{url}/run"), reader.delete(url), reader.patch(url, {})):
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_agent_and_queue_have_to_be_ones_own(as_bob: Api, bob: User, agent: Agent, alice: User) -> None:
    assert make(as_bob, agent=str(agent.uuid)).status_code == 403
    make_agent(bob, name="scribe")
    assert make(as_bob, queue=str(make_queue(alice).uuid)).status_code == 403
    assert not Schedule.objects.exists()


def test_operators_list_and_change_everybodys(as_alice: Api, as_operator: Api, operator: User) -> None:
    url = made(as_alice)["url"]
    assert as_operator.get("schedules").json()["results"] == []
    assert [row["owner"] for row in as_operator.get("schedules", owner="all").json()["results"]] == ["alice"]
    assert as_alice.get("schedules", owner="all").status_code == 403
    assert as_operator.post(f"{url}/pause").json()["state"] == "paused"
    make_agent(operator, name="mine")
    assert codes(as_operator.patch(url, {"agent": "mine"})) == {"agent": "not_found"}
