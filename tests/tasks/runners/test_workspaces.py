"""What a task's directory starts from: copies that lead nowhere else, and commits without anything that could run."""

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from personalq.lib.commands import Command, Workspace
from tasks.runners import RUNNERS, RunFailed, checked_config
from tasks.runners.commands import tree, workspaces
from tasks.runners.commands.threads import Stop
from tests.tasks.runners.conftest import Program
from tests.tasks.runners.support import PATIENCE_SECONDS, alive_below, attempts_in, carry_out, until

pytestmark = pytest.mark.security
SHOW = """
import os
for top, _, names in os.walk("."):
    if "/.git" in top: continue
    for name in sorted(names):
        path = os.path.join(top, name)
        print(path, "->" if os.path.islink(path) else oct(os.stat(path).st_mode)[-3:])
"""


@pytest.fixture
def start(tmp_path: Path, settings: Settings) -> Callable[..., Path]:
    """Makes a directory that workspaces start from."""

    def make(kind: str = "directory", branch: str = "") -> Path:
        directory = tmp_path / "start"
        directory.mkdir(exist_ok=True)
        workspace = Workspace(path=str(directory), kind=kind, branch=branch)  # type: ignore[arg-type]
        settings.PERSONALQ_WORKSPACES = {"start": workspace}
        return directory

    return make


def git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", *identity, "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def repository(directory: Path, files: dict[str, str]) -> None:
    git(directory, "init", "--quiet")
    for name, content in files.items():
        (directory / name).write_text(content)
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message=first")


class TestDirectory:
    async def test_is_copied_with_its_modes_and_stays_as_it_is(
        self, start: Callable[..., Path], program: Program
    ) -> None:
        directory = start()
        (directory / "sub").mkdir()
        (directory / "sub" / "run.sh").write_text("#!/bin/sh\n")
        (directory / "sub" / "run.sh").chmod(0o755)
        (directory / ".hidden").write_text("x")
        program(SHOW + "open('sub/run.sh', 'w').write('changed')")
        run = await carry_out(workspace="start")
        assert run.text.split() == ["./.hidden", "600", "./sub/run.sh", "700"]
        assert (directory / "sub" / "run.sh").read_text() == "#!/bin/sh\n"

    async def test_links_that_lead_out_are_left_out(self, start: Callable[..., Path], program: Program) -> None:
        directory = start()
        (directory / "sub").mkdir()
        (directory / "file").write_text("x")
        for name, leads_to in {
            "inside": "file", "absolute": "/etc/passwd", "up": "../secret",
            "sub/back": "../file", "sub/out": "../../secret", "sub/round": "..", "sub/trick": "round/../x",
        }.items():  # fmt: skip
            (directory / name).symlink_to(leads_to)
        os.mkfifo(directory / "fifo")
        program(SHOW)
        run = await carry_out(workspace="start")
        assert run.text.split("\n")[:-1] == ["./file 600", "./inside ->", "./sub/back ->"]

    @pytest.mark.parametrize(
        ("leads_to", "depth", "is_inside"),
        [
            ("a", 0, True), ("./a/b", 0, True), ("..", 0, False), ("../a", 1, True), ("../../a", 1, False),
            ("/a", 5, False), ("a/../b", 3, False), ("", 0, True),
        ],
    )  # fmt: skip
    def test_link_stays_inside(self, leads_to: str, depth: int, *, is_inside: bool) -> None:
        assert workspaces.stays_inside(leads_to, depth) is is_inside

    async def test_larger_one_than_allowed_is_refused(
        self, start: Callable[..., Path], program: Program, settings: Settings
    ) -> None:
        settings.PERSONALQ_WORKSPACE_BYTES = 1000
        (start() / "large").write_bytes(b"x" * 1001)
        program("print('never')")
        run = await carry_out(workspace="start")
        assert (run.code, run.text) == ("workspace_not_made", "")
        assert "PERSONALQ_WORKSPACE_BYTES" in run.detail

    async def test_missing_one_is_told_without_its_path(
        self, start: Callable[..., Path], program: Program, tmp_path: Path
    ) -> None:
        start().rmdir()
        program("print('never')")
        run = await carry_out(workspace="start")
        assert run.code == "workspace_not_made"
        assert str(tmp_path) not in run.detail

    async def test_file_that_is_swapped_for_a_link_is_not_followed(
        self, start: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        directory, target = start(), tmp_path / "target"
        target.mkdir()
        (tmp_path / "secret").write_text("secret")
        (directory / "file").write_text("x")
        real = tree.entries_of

        def swap(top: int, prefix: str, walk: tree.Walk) -> list[tree.Entry]:
            found = real(top, prefix, walk)
            (directory / "file").unlink()
            (directory / "file").symlink_to(tmp_path / "secret")
            return found

        monkeypatch.setattr(workspaces, "entries_of", swap)
        with pytest.raises(RunFailed, match="workspace_not_made"):
            workspaces._copy(directory, target, Stop())
        assert not [path for path in target.iterdir() if path.read_text()]

    async def test_cancel_while_copying_stops_the_copy(
        self, start: Callable[..., Path], program: Program, monkeypatch: pytest.MonkeyPatch, scratch: Path
    ) -> None:
        start()
        reached = threading.Event()

        def endless(source: Path, target: Path, stop: Stop) -> None:
            reached.set()
            end = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < end:
                stop.check()

        monkeypatch.setattr(workspaces, "_copy", endless)
        program("print('never')")
        run = asyncio.create_task(carry_out(workspace="start"))
        await until(reached.is_set)
        begin = asyncio.get_running_loop().time()
        run.cancel()
        await asyncio.wait({run}, timeout=10)
        assert asyncio.get_running_loop().time() - begin < 5
        assert not attempts_in(scratch)


EVIL = "touch {mark}"


class TestGit:
    async def test_last_commit_is_there_and_what_changes_is_kept(
        self, start: Callable[..., Path], program: Program
    ) -> None:
        directory = start("git")
        repository(directory, {"README.md": "hello", "run.sh": "#!/bin/sh\n"})
        (directory / "uncommitted").write_text("no")
        program("""
            import os, subprocess
            print(sorted(os.listdir(".")))
            print(subprocess.run(["git", "log", "--oneline"], capture_output=True, text=True).stdout.count("first"))
            print(subprocess.run(["git", "remote", "-v"], capture_output=True, text=True))
            open("README.md", "a").write(" world")
            """)
        run = await carry_out(workspace="start")
        assert run.text.splitlines()[:2] == ["['.git', 'README.md', 'run.sh']", "1"]
        assert str(directory) not in run.text
        assert run.files == {"README.md": b"hello world"}

    async def test_branch_can_be_named(self, start: Callable[..., Path], program: Program) -> None:
        directory = start("git", branch="feature/two")
        repository(directory, {"one": "1"})
        git(directory, "checkout", "--quiet", "-b", "feature/two")
        repository(directory, {"two": "2"})
        git(directory, "checkout", "--quiet", "main")
        program(SHOW)
        assert "./two" in (await carry_out(workspace="start")).text

    async def test_missing_branch_or_repository_is_told(self, start: Callable[..., Path], program: Program) -> None:
        directory = start("git", branch="nothing")
        program("print('never')")
        assert (await carry_out(workspace="start")).code == "workspace_not_made"
        repository(directory, {"one": "1"})
        run = await carry_out(workspace="start")
        assert run.code == "workspace_not_made"
        assert "nothing" in run.detail

    async def test_nothing_of_the_repository_is_executed(
        self, start: Callable[..., Path], program: Program, tmp_path: Path
    ) -> None:
        directory, mark = start("git"), tmp_path / "mark"
        evil = EVIL.format(mark=mark)
        repository(directory, {"file": "x", ".gitattributes": "* filter=evil diff=evil\n"})
        for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
            hook = directory / ".git" / "hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(f"#!/bin/sh\n{evil}\n")
            hook.chmod(0o755)
        for name in (
            "filter.evil.smudge", "filter.evil.process", "filter.evil.clean", "core.fsmonitor", "core.sshCommand",
            "uploadpack.packObjectsHook", "core.alternateRefsCommand", "core.pager", "diff.evil.command",
            "credential.helper", "tar.tar.command",
        ):  # fmt: skip
            git(directory, "config", name, evil)
        program(SHOW)
        run = await carry_out(workspace="start")
        assert "./file" in run.text
        assert not mark.exists()

    async def test_configuration_of_the_worker_is_not_used(
        self, start: Callable[..., Path], program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        directory, mark = start("git"), tmp_path / "mark"
        repository(directory, {"file": "x"})
        config = tmp_path / "gitconfig"
        config.write_text(f"[core]\nfsmonitor = {EVIL.format(mark=mark)}\n[init]\ntemplateDir = /nowhere\n")
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
        monkeypatch.setenv("GIT_DIR", "/nowhere")
        program(SHOW)
        assert "./file" in (await carry_out(workspace="start")).text
        assert not mark.exists()

    async def test_objects_are_copies(self, start: Callable[..., Path], program: Program) -> None:
        directory = start("git")
        repository(directory, {"file": "x"})
        program("""
            import os
            for top, _, names in os.walk(".git"):
                for name in names: assert os.stat(os.path.join(top, name)).st_nlink == 1
            print([path for path in ("objects/info/alternates", "hooks") if os.path.exists(".git/" + path)])
            """)
        assert (await carry_out(workspace="start")).text == "[]\n"

    async def test_repository_that_is_too_large_is_refused_before_it_is_written(
        self, start: Callable[..., Path], program: Program, settings: Settings
    ) -> None:
        # Much smaller when packed, so that only the sizes tell.
        repository(start("git"), {"one": "x" * 60_000, "two": "x" * 60_001})
        settings.PERSONALQ_WORKSPACE_BYTES = 100_000
        program("print('never')")
        run = await carry_out(workspace="start")
        assert (run.code, run.text) == ("workspace_not_made", "")
        assert "PERSONALQ_WORKSPACE_BYTES" in run.detail

    async def test_missing_objects_are_not_fetched_from_elsewhere(
        self, start: Callable[..., Path], program: Program, tmp_path: Path
    ) -> None:
        directory, mark = start("git"), tmp_path / "mark"
        repository(directory, {"file": "x"})
        blob = git(directory, "rev-parse", "HEAD:file").strip()
        (directory / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
        for name, value in {
            "remote.origin.url": f"ext::sh -c {EVIL.format(mark=mark)}% >&2", "remote.origin.promisor": "true",
            "extensions.partialClone": "origin", "core.repositoryFormatVersion": "1", "protocol.ext.allow": "always",
        }.items():  # fmt: skip
            git(directory, "config", name, value)
        program("print('never')")
        assert (await carry_out(workspace="start")).code == "workspace_not_made"
        assert not mark.exists()

    async def test_cancel_while_cloning_ends_git(
        self,
        start: Callable[..., Path],
        program: Program,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        scratch: Path,
    ) -> None:
        start("git")
        slow = tmp_path / "bin" / "git"
        slow.parent.mkdir()
        slow.write_text(f"#!/bin/sh\ntrap '' TERM\ntouch {tmp_path}/cloning\nwhile :; do sleep 600; done\n")
        slow.chmod(0o755)
        monkeypatch.setattr(workspaces, "_PATH", f"{slow.parent}:/usr/bin:/bin")
        program("print('never')")
        run = asyncio.create_task(carry_out(workspace="start"))
        await until((tmp_path / "cloning").exists)
        begin = asyncio.get_running_loop().time()
        run.cancel()
        await asyncio.wait({run}, timeout=10)
        assert asyncio.get_running_loop().time() - begin < 5
        assert not alive_below(slow)
        assert not attempts_in(scratch)

    async def test_missing_git_is_told(
        self, start: Callable[..., Path], program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start("git")
        monkeypatch.setattr(workspaces, "_PATH", str(tmp_path))
        program("print('never')")
        run = await carry_out(workspace="start")
        assert (run.code, run.detail) == ("workspace_not_made", "git is not installed on the worker")


def test_workspace_is_chosen_among_names(start: Callable[..., Path], settings: Settings) -> None:
    start()
    settings.PERSONALQ_COMMANDS = {"program": Command(argv=("/bin/true",))}
    form = RUNNERS["command"].config_class(data={"command": "program", "workspace": "/etc"})
    assert not form.is_valid()
    assert str(form.errors["workspace"][0]) == "Use one of the workspaces that the operator offers: start."
    good = {"command": "program", "workspace": "start"}
    assert checked_config(RUNNERS["command"], good) == good
    settings.PERSONALQ_WORKSPACES = {}
    with pytest.raises(RunFailed, match="workspace_not_allowed"):
        checked_config(RUNNERS["command"], good)


async def test_workspace_that_is_no_longer_offered_fails_the_attempt(program: Program, settings: Settings) -> None:
    settings.PERSONALQ_WORKSPACES = {}
    program("print('never')")
    assert (await carry_out(workspace="gone")).code == "workspace_not_allowed"
