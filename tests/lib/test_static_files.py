import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.test import Client

from personalq.lib import static_files
from personalq.lib.error_pages import STYLE_SHEETS


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def test_same_files_have_the_same_address_on_every_machine(tmp_path: Path) -> None:
    here = write(tmp_path / "here", **{"a.css": "a", "js/b.js": "b"})
    there = write(tmp_path / "there", **{"js/b.js": "b", "a.css": "a"})
    assert static_files.versioned_url(here) == static_files.versioned_url(there)


@pytest.mark.parametrize(
    "other",
    [{"a.css": "A", "b.js": "b"}, {"a.css": "a"}, {"a.css": "ab", "b.js": ""}, {"c.css": "a", "b.js": "b"}],
)
def test_any_change_changes_the_address(tmp_path: Path, other: dict[str, str]) -> None:
    before = write(tmp_path / "before", **{"a.css": "a", "b.js": "b"})
    after = write(tmp_path / "after", **other)
    assert static_files.versioned_url(before) != static_files.versioned_url(after)


def test_release_of_a_package_changes_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = static_files.versioned_url(tmp_path)
    monkeypatch.setattr(static_files, "version", lambda package: f"{package} 99")
    assert static_files.versioned_url(tmp_path) != before


def test_every_file_is_ours_or_of_a_package_that_counts() -> None:
    counted = ("/django/", "/rest_framework/", f"{settings.BASE_DIR}/static/")
    found = [storage.path(path) for finder in finders.get_finders() for path, storage in finder.list(None)]
    assert found
    assert [path for path in found if not any(part in path for part in counted)] == []


def test_bare_error_page_has_the_style_sheets_of_the_frame() -> None:
    frame = (settings.BASE_DIR / "templates" / "base.html").read_text()
    assert tuple(re.findall(r"static 'css/(\w+)\.css'", frame)) == STYLE_SHEETS


def test_browsers_may_keep_files_for_good(client: Client) -> None:
    answer = client.get(static("css/app.css"), secure=True)
    assert answer.getvalue()
    assert answer["Cache-Control"] == "max-age=315360000, public, immutable"


def test_file_is_not_served_without_its_version(client: Client) -> None:
    assert re.fullmatch(r"/static/[0-9a-f]{12}/", settings.STATIC_URL)
    assert client.get("/static/css/app.css", secure=True).status_code == 404


class TestServing:
    def test_file_arrives_whole(self, client: Client) -> None:
        path = settings.BASE_DIR / "static" / "js" / "task.js"
        answer = client.get(static("js/task.js"), secure=True)
        assert answer.content == path.read_bytes()
        assert answer["Content-Type"].startswith("text/javascript")
        assert int(answer["Content-Length"]) == path.stat().st_size
        assert not answer.streaming

    def test_head_has_the_length_and_no_body(self, client: Client) -> None:
        answer = client.head(static("js/task.js"), secure=True)
        assert int(answer["Content-Length"]) > 0
        assert answer.content == b""

    def test_known_file_is_not_sent_again(self, client: Client) -> None:
        modified = client.get(static("js/task.js"), secure=True)["Last-Modified"]
        answer = client.get(static("js/task.js"), secure=True, headers={"If-Modified-Since": modified})
        assert (answer.status_code, answer.content) == (304, b"")

    def test_part_of_a_file(self, client: Client) -> None:
        answer = client.get(static("js/task.js"), secure=True, headers={"Range": "bytes=2-5"})
        assert (answer.status_code, len(answer.content)) == (206, 4)
        assert answer["Content-Range"].startswith("bytes 2-5/")

    def test_nothing_else_than_reading(self, client: Client) -> None:
        assert client.post(static("js/task.js"), secure=True).status_code == 405
