"""What comes in from the older tools' file, and what becomes of the rest."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from tasks import events, lifecycle, sweep
from tasks.importing import ImportUnderWay, Report, UnusableFile
from tasks.importing.intake import OWN_SETTINGS
from tasks.models import SystemSetting, Task, TaskEvent, system_setting
from tasks.states import Status
from tests.concurrency.racing import failures, race
from tests.makers import kinds, make_agent, make_task, make_user
from tests.realtime.sockets.serving import wait_for
from tests.tasks.importing.older import LOOSE, bring, change_file, write_file

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shared.sqlite3"


def refused(path: Path) -> list[tuple[int, int | None, str, str]]:
    return [(row.place, row.id, row.field, row.reason) for row in bring(path).refused]


def highest_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(pg_sequence_last_value('tasks_id_seq'), 0)")
        return int(cursor.fetchone()[0])


def free_number() -> int:
    """A number that no task has had yet."""
    return highest_number() + 1000


class TestRows:
    def test_numbers_texts_and_times_are_kept(self, file: Path) -> None:
        number, uuid = free_number(), uuid4()
        write_file(file, {"id": number, "prompt": "ümlaut 😀\n", "order": -3, "uuid": str(uuid).upper()})
        report = bring(file)
        task = Task.objects.get()
        assert (report.read, report.imported, report.refused) == (1, 1, [])
        assert (task.pk, task.prompt, task.order, task.uuid, task.state) == (
            number,
            "ümlaut 😀\n",
            -3,
            uuid,
            Status.READY,
        )
        assert task.createdat == datetime(2025, 11, 2, 10, tzinfo=UTC)
        assert task.updatedat == datetime(2025, 11, 3, 11, 0, 0, 250_000, tzinfo=UTC)
        assert (task.source, task.owner, task.agent, task.trusted) == ("import", None, None, False)
        assert task.queue is not None
        assert task.queue.name == "default"

    @pytest.mark.parametrize("status", [0, 1, 2, 3])
    def test_each_status_is_kept_with_what_belongs_to_it(self, file: Path, status: int) -> None:
        bring(write_file(file, {"status": status}))
        task = Task.objects.get()
        assert (task.status, task.recorded_status) == (status, status)
        assert task.finished_at == (task.updatedat if status in {1, 2} else None)
        assert task.archived_from == (Status.COMPLETE if status == Status.ARCHIVED else None)

    def test_archived_one_can_be_restored(self, file: Path) -> None:
        bring(write_file(file, {"status": 2}))
        restored = lifecycle.restore(actor=make_user(), task=Task.objects.get())
        assert restored.state == Status.COMPLETE

    def test_one_in_progress_over_there_is_ready_and_told_of(self, file: Path) -> None:
        report = bring(write_file(file, {"status": 4}, {"status": 0}))
        assert [task.state for task in Task.objects.all()] == [Status.READY, Status.READY]
        assert report.was_in_progress == [1]
        assert bring(file).was_in_progress == []

    def test_history_is_written_and_the_sweep_has_nothing_to_add(self, file: Path) -> None:
        bring(write_file(file, {"status": 1}))
        task = Task.objects.get()
        sweep.sweep()
        assert kinds(task) == [events.CREATED]
        assert TaskEvent.objects.get().data == {
            "status": "complete",
            "title": "",
            "source": "import",
            "imported": True,
        }

    def test_nobody_works_on_it_before_the_task_operator_hands_it_out(self, file: Path) -> None:
        bring(write_file(file, {}))
        queue_id = Task.objects.get().queue_id
        assert queue_id is not None
        assert lifecycle.claim(queue_id=queue_id, worker="w").tasks == []

    def test_number_that_is_taken_is_replaced_and_told_of(self, file: Path) -> None:
        taken = make_task(make_agent(make_user()))
        report = bring(write_file(file, {"id": taken.pk}))
        new = Task.objects.get(source="import")
        assert new.pk > taken.pk
        assert report.renumbered == [{"row": 1, "from": taken.pk, "to": new.pk}]

    def test_number_beyond_all_reason_is_replaced_and_does_not_move_ours(self, file: Path) -> None:
        before = highest_number()
        report = bring(write_file(file, {"id": 2**62}))
        assert report.renumbered == [{"row": 1, "from": 2**62, "to": Task.objects.get().pk}]
        assert highest_number() <= before + 2

    def test_later_tasks_count_on_from_the_highest(self, file: Path) -> None:
        number = free_number()
        bring(write_file(file, {"id": number}))
        assert make_task(make_agent(make_user())).pk == number + 1

    def test_numbers_are_set_aside_in_portions(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tasks.lifecycle.importing._DRAWN_AT_ONCE", 300)
        number = free_number()
        bring(write_file(file, {"id": number}))
        assert (Task.objects.get().pk, highest_number()) == (number, number)

    @pytest.mark.parametrize(
        ("row", "field", "reason"),
        [
            ({"status": 5}, "status", "unknown_status"),
            ({"status": -1}, "status", "unknown_status"),
            ({"status": None}, "status", "unknown_status"),
            ({"status": "0"}, "status", "unknown_status"),
            ({"status": 1.0}, "status", "unknown_status"),
            ({"prompt": ""}, "prompt", "empty"),
            ({"prompt": None}, "prompt", "empty"),
            ({"prompt": "x" * 200_001}, "prompt", "too_long"),
            ({"prompt": "x" * 900_000}, "prompt", "too_long"),
            ({"prompt": "a\0b"}, "prompt", "not_text"),
            ({"prompt": b"bytes"}, "prompt", "not_text"),
            ({"prompt": 17}, "prompt", "not_text"),
            ({"createdat": "2025-02-30 10:00:00"}, "createdat", "impossible_date"),
            ({"createdat": "yesterday"}, "createdat", "impossible_date"),
            ({"updatedat": "1999-12-31 23:59:59"}, "updatedat", "impossible_date"),
            ({"updatedat": "9999-12-31 23:59:59"}, "updatedat", "impossible_date"),
            ({"updatedat": 2_460_000.5}, "updatedat", "impossible_date"),
            ({"updatedat": 10**18}, "updatedat", "impossible_date"),
            ({"updatedat": float("inf")}, "updatedat", "impossible_date"),
            ({"updatedat": b"2025-11-02"}, "updatedat", "impossible_date"),
            ({"order": 2**31}, "order", "out_of_range"),
            ({"order": -(2**31) - 1}, "order", "out_of_range"),
            ({"order": None}, "order", "not_a_number"),
            ({"order": 1.5}, "order", "not_a_number"),
            ({"uuid": "not one"}, "uuid", "not_an_id"),
            ({"uuid": b"0123456789abcdef"}, "uuid", "not_an_id"),
            ({"id": 0}, "id", "out_of_range"),
            ({"id": "x"}, "id", "not_a_number"),
            ({"id": None}, "id", "not_a_number"),
        ],
    )
    def test_odd_row_is_refused_with_its_reason_and_the_rest_comes_in(
        self, file: Path, row: dict[str, Any], field: str, reason: str
    ) -> None:
        write_file(file, row, {"id": 7}, table=LOOSE)
        (found,) = bring(file).refused
        assert (found.field, found.reason) == (field, reason)
        assert Task.objects.count() == 1

    def test_text_that_is_no_utf8_is_refused(self, file: Path) -> None:
        write_file(file, {})
        change_file(file, "UPDATE tasks SET prompt = CAST(x'61ff62' AS TEXT)")
        assert refused(file) == [(1, 1, "prompt", "not_text")]

    def test_repeated_uuid_is_refused_after_the_first(self, file: Path) -> None:
        uuid = str(uuid4())
        write_file(file, {"uuid": uuid}, {"uuid": uuid})
        assert refused(file) == [(2, 2, "uuid", "repeated")]

    def test_uuid_of_somebodys_task_is_refused_and_the_task_untouched(self, file: Path) -> None:
        task = make_task(make_agent(make_user()))
        write_file(file, {"uuid": str(task.uuid), "status": 1}, {})
        report = bring(file)
        assert [(row.place, row.id, row.field, row.reason) for row in report.refused] == [(1, 1, "uuid", "taken")]
        assert (report.imported, report.present) == (1, 0)
        assert Task.objects.get(pk=task.pk).state == Status.READY

    def test_unknown_times_become_the_imports_own(self, file: Path) -> None:
        bring(write_file(file, {"createdat": None, "updatedat": None, "status": 1}))
        task = Task.objects.get()
        assert datetime.now(UTC) - task.createdat < timedelta(minutes=1)
        assert task.finished_at == task.updatedat

    def test_file_without_uuids_and_settings_is_imported(self, file: Path) -> None:
        write_file(file, {})
        change_file(file, "ALTER TABLE tasks DROP COLUMN uuid")
        change_file(file, "DROP TABLE system_settings")
        assert bring(file).imported == 1

    def test_empty_table_is_imported(self, file: Path) -> None:
        report = bring(write_file(file))
        assert (report.read, report.imported) == (0, 0)


class TestAgain:
    def test_second_import_finds_everything_present(self, file: Path) -> None:
        write_file(file, {"uuid": str(uuid4())}, {}, {"createdat": None}, {"status": 9})
        bring(file)
        before = list(Task.objects.order_by("id").values())
        report = bring(file)
        assert (report.imported, report.present, len(report.refused), report.renumbered) == (0, 3, 1, [])
        assert list(Task.objects.order_by("id").values()) == before
        assert TaskEvent.objects.count() == 3

    def test_only_what_is_new_comes_in_and_what_is_here_stays_as_it_is(self, file: Path) -> None:
        write_file(file, {"id": 1}, {"id": 2})
        bring(file)
        lifecycle.cancel(actor=None, task=Task.objects.order_by("id")[0])
        change_file(file, "UPDATE tasks SET status = 3, \"order\" = 9, updatedat = '2025-12-01' WHERE id = 2")
        change_file(file, "INSERT INTO tasks (prompt) VALUES ('new')")
        report = bring(file)
        assert (report.imported, report.present) == (1, 2)
        found = Task.objects.order_by("id").values_list("prompt", "status", "order")
        assert list(found) == [("Add tests", Status.CANCELLED, 0), ("Add tests", Status.READY, 0), ("new", 0, 0)]

    def test_changed_prompt_is_another_task(self, file: Path) -> None:
        number = free_number()
        bring(write_file(file, {"id": number}))
        change_file(file, "UPDATE tasks SET prompt = 'other words'")
        report = bring(file)
        assert (report.imported, report.present, len(report.renumbered)) == (1, 0, 1)

    def test_made_ids_are_always_the_same_ones(self, file: Path) -> None:
        bring(write_file(file, {}))
        assert Task.objects.get().uuid == UUID("255d2110-499d-5cef-872c-7ad0dc04c98f")

    def test_refused_row_comes_in_once_it_is_mended(self, file: Path) -> None:
        bring(write_file(file, {"status": 8}))
        change_file(file, "UPDATE tasks SET status = 3")
        assert bring(file).imported == 1


class TestWhole:
    def test_dry_run_tells_the_same_and_leaves_nothing(self, file: Path) -> None:
        number = free_number()
        write_file(file, {"id": number}, {"id": number + 1, "status": 9}, settings={"theme": "dark"})
        dry = bring(file, is_dry_run=True)
        assert (Task.objects.count(), TaskEvent.objects.count(), SystemSetting.objects.count()) == (0, 0, 0)
        real = bring(file)
        assert {**real.as_json(is_whole=True), "dry_run": True} == dry.as_json(is_whole=True)
        assert Task.objects.get().pk == number

    @pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
    def test_nothing_is_left_of_an_interrupted_one(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
    ) -> None:
        write_file(file, {}, {}, settings={"theme": "dark"})

        def interrupt(*_: Any, **__: Any) -> None:
            raise failure

        with monkeypatch.context() as patch:
            patch.setattr("tasks.importing.intake._is_setting", interrupt)
            with pytest.raises(failure):
                bring(file)
        assert (Task.objects.count(), TaskEvent.objects.count()) == (0, 0)
        assert bring(file).imported == 2

    def test_file_that_changes_meanwhile_is_refused(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_file(file, {}, settings={"theme": "dark"})

        def change(*_: Any) -> bool:
            file.touch()
            return True

        monkeypatch.setattr("tasks.importing.intake._is_setting", change)
        with pytest.raises(UnusableFile, match="changed while it was read"):
            bring(file)
        assert Task.objects.count() == 0

    def test_damaged_file_leaves_nothing(self, file: Path) -> None:
        write_file(file, *[{"prompt": "x" * 3000}] * 50)
        content = bytearray(file.read_bytes())
        middle = len(content) // 4096 // 2 * 4096
        content[middle : middle + 4096] = b"\xff" * 4096
        file.write_bytes(content)
        with pytest.raises(UnusableFile, match="cannot be read: database disk image is malformed"):
            bring(file)
        assert Task.objects.count() == 0


class TestSettings:
    def test_unknown_ones_are_kept_and_ours_stay(self, file: Path) -> None:
        SystemSetting.objects.create(name="debug", value=0)
        write_file(file, settings={"debug": 1, "allow_audio_output": "yes", "limit": 2.5})
        report = bring(file)
        assert (report.settings_kept, report.settings_present) == (["allow_audio_output", "limit"], ["debug"])
        values = dict(SystemSetting.objects.values_list("name", "value"))
        assert values == {"debug": 0, "allow_audio_output": "yes", "limit": 2.5}

    @pytest.mark.parametrize(("value", "was_on"), [(1, True), ("1", True), (0, False), ("0", False), ("odd", False)])
    def test_task_operator_is_never_switched_and_the_report_says_so(
        self,
        file: Path,
        value: Any,
        was_on: bool,  # noqa: FBT001
    ) -> None:
        report = bring(write_file(file, settings={"task_operator": value}))
        assert report.was_task_operator_on == was_on
        assert ("advice" in report.as_json(is_whole=False)) == was_on
        assert SystemSetting.objects.count() == 0

    @pytest.mark.parametrize("name", sorted(OWN_SETTINGS))
    def test_what_means_something_here_is_not_set(self, file: Path, name: str) -> None:
        report = bring(write_file(file, settings={name: 1}))
        assert (report.settings_refused, SystemSetting.objects.count()) == ([name], 0)

    def test_every_name_that_means_something_here_is_known(self) -> None:
        names = {value for name, value in vars(system_setting).items() if name.isupper() and isinstance(value, str)}
        assert names == OWN_SETTINGS

    @pytest.mark.parametrize(
        ("name", "value"),
        [("", 1), ("a b", 1), ("x" * 65, 1), ("x\n", 1), ("é", 1), ("ok", b"x"), ("ok", None),
         ("ok", "x" * 10_001), ("ok", "a\0b"), ("ok", float("inf"))],
    )  # fmt: skip
    def test_odd_ones_are_refused(self, file: Path, name: Any, value: Any) -> None:
        report = bring(write_file(file, settings={name: value}))
        assert len(report.settings_refused) == 1
        assert SystemSetting.objects.count() == 0


def is_waited_for() -> bool:
    """Whether somebody waits for a lock on the whole table of tasks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE relation = 'tasks'::regclass AND mode = 'ShareLock' AND NOT granted")
        return bool(cursor.rowcount > 0)


class TestSideBySide:
    def test_tasks_that_come_in_meanwhile_meet_no_number_of_the_file(self, file: Path) -> None:
        agent, start = make_agent(make_user()), highest_number() + 1
        write_file(file, *[{"id": number} for number in range(start, start + 400)])

        def submit() -> list[int]:
            return [make_task(agent).pk for _ in range(60)]

        report, *others = race(lambda: bring(file), submit, submit, submit)
        assert failures([report, *others]) == []
        assert report.imported == 400
        assert Task.objects.count() == 400 + 3 * 60

    def test_number_that_was_drawn_before_and_not_used_yet_is_left_to_whoever_drew_it(self, file: Path) -> None:
        drawn = threading.Event()

        def draw_and_use() -> int:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE tasks IN ROW EXCLUSIVE MODE")
                cursor.execute("SELECT nextval('tasks_id_seq')")
                (number,) = cursor.fetchone()
                write_file(file, {"id": number})
                drawn.set()
                wait_for(is_waited_for, "the import to wait")
                cursor.execute("INSERT INTO tasks (id, prompt) VALUES (%s, 'mine')", [number])
                return int(number)

        def bring_it() -> Report:
            assert drawn.wait(timeout=30)
            return bring(file)

        number, report = race(draw_and_use, bring_it)
        assert report.renumbered == [{"row": 1, "from": number, "to": Task.objects.get(source="import").pk}]
        assert Task.objects.get(pk=number).prompt == "mine"

    def test_table_that_somebody_keeps_for_long_is_told_of(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tasks.lifecycle.importing._BARRIER_SECONDS", 1)
        write_file(file, {})
        with transaction.atomic():
            make_task(make_agent(make_user()))
            (result,) = race(lambda: bring(file))
        assert isinstance(result, ImportUnderWay)
        assert Task.objects.count() == 1

    def test_two_imports_of_one_file_bring_each_task_once(self, file: Path) -> None:
        write_file(file, *[{}] * 200)
        results = race(lambda: bring(file), lambda: bring(file))
        assert Task.objects.count() == 200
        counts = [result.imported for result in results if not isinstance(result, Exception)]
        assert sum(counts) == 200
        assert all("Another import" in str(error) for error in failures(results))
