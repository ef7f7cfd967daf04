"""What a command agent gives to a program, and what it makes of the program's answer."""

import asyncio
import json
import os
import signal
import threading
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from personalq.lib.commands import Command
from tasks.runners import RUNNERS, Outcome, RunFailed, checked_config
from tests.tasks.runners.conftest import Program
from tests.tasks.runners.support import TASK, attempts_in, carry_out, pieces_of, until, zombies

STATISTICS = """
import sys
text = sys.stdin.read()
print(f"{len(text.splitlines())} lines, {len(text.split())} words, {len(text)} characters")
"""


async def test_program_works_on_the_prompt(program: Program) -> None:
    program(STATISTICS)
    run = await carry_out("one two\nthree äöü €\n")
    assert run.text == "2 lines, 5 words, 20 characters\n"
    assert run.outcome == Outcome(facts={"exit_code": 0})


async def test_output_arrives_while_the_program_runs(program: Program, tmp_path: Path) -> None:
    program(f"""
        import os, sys
        print("first", flush=True)
        with open({str(tmp_path / "gate")!r}) as gate: gate.read()
        print("second")
        """)
    os.mkfifo(tmp_path / "gate")
    pieces = pieces_of()
    assert await anext(pieces) == "first\n"
    await asyncio.to_thread((tmp_path / "gate").write_text, "open")
    assert [piece async for piece in pieces] == ["second\n", Outcome(facts={"exit_code": 0})]


async def test_runs_in_a_loop_outside_the_main_thread(program: Program) -> None:
    program("import threading; print('hello')")

    def run_elsewhere() -> str:
        assert threading.current_thread() is not threading.main_thread()
        return asyncio.run(carry_out()).text

    assert await asyncio.to_thread(run_elsewhere) == "hello\n"


@pytest.mark.security
@pytest.mark.parametrize("prompt", ["; id", "--output=/x", "$(id)", "`id`", "-", "a\nb\r\n", "%s \\n", "🦊"])
async def test_prompt_is_nothing_but_stdin(program: Program, prompt: str) -> None:
    program("import json, sys; print(json.dumps([sys.argv[1:], sys.stdin.buffer.read().decode()]))", "--fixed")
    run = await carry_out(prompt)
    assert json.loads(run.text) == [["--fixed"], prompt]


@pytest.mark.security
async def test_environment_is_clean(program: Program, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://user:password@host/name")
    monkeypatch.setenv("LD_PRELOAD", "")
    program("import json, os; print(json.dumps([dict(os.environ), os.getcwd()]))")
    environment, directory = json.loads((await carry_out()).text)
    assert Path(directory).is_relative_to(scratch)
    # Python itself adds LC_CTYPE to its own environment when the locale is C; here it must not have had to.
    assert environment == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": directory,
        "TMPDIR": directory,
        "PERSONALQ_TASK": str(TASK),
        "PERSONALQ_ATTEMPT": "7",
    }


@pytest.mark.security
async def test_guard_holds_no_secret_either(program: Program, settings: Settings) -> None:
    program("""
        import os
        for name in ("environ", "cmdline"):
            print(open(f"/proc/{os.getppid()}/{name}").read())
        """)
    run = await carry_out()
    assert "PERSONALQ_TASK=" in run.text
    assert settings.SECRET_KEY in os.environ.values()
    assert not [name for name, value in os.environ.items() if "SECRET" in name and value in run.text]
    assert settings.SECRET_KEY not in run.text


@pytest.mark.security
async def test_program_inherits_no_descriptors(program: Program) -> None:
    program("import os; print([fd for fd in range(3, 1000) if os.path.exists(f'/proc/self/fd/{fd}')])")
    careless = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(careless, True)
    try:
        assert (await carry_out()).text == "[]\n"
    finally:
        os.close(careless)


@pytest.mark.security
async def test_program_has_its_own_session_and_gains_no_privileges(program: Program) -> None:
    program("""
        import os
        print(os.getsid(0) == os.getpgrp() == os.getpid(), end=" ")
        print(*[line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs")])
        print(os.getsid(os.getppid()))
        """)
    own, no_new_privileges, guards_session = (await carry_out()).text.split()
    assert (own, no_new_privileges) == ("True", "1")
    assert int(guards_session) != os.getsid(0)


# The C library keeps 32 and 33 to itself: programs cannot touch them, and some parents leave them ignored.
ORDINARY_SIGNALS = ~(0b11 << 31)


async def test_signals_have_their_ordinary_effect(settings: Settings) -> None:
    settings.PERSONALQ_COMMANDS = {"program": Command(argv=("/bin/grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"))}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    try:
        run = await carry_out()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    masks = dict(line.split(":\t") for line in run.text.splitlines())
    ordinary = {name: int(mask, 16) & ORDINARY_SIGNALS for name, mask in masks.items()}
    assert ordinary == {"SigBlk": 0, "SigIgn": 0}


async def test_directory_is_private_and_its_files_too(program: Program) -> None:
    program("""
        import os
        open("file", "w").close()
        print(oct(os.stat(".").st_mode)[-3:], oct(os.stat("file").st_mode)[-3:], os.listdir("."))
        """)
    assert (await carry_out()).text == "700 600 ['file']\n"


@pytest.mark.parametrize("code", [1, 3, 127, 255])
async def test_exit_code_is_a_fact(program: Program, code: int) -> None:
    program(f"import sys; print('so far'); sys.exit({code})")
    run = await carry_out()
    assert (run.text, run.code, run.facts) == ("so far\n", "command_failed", {"exit_code": code})


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (11, "SIGSEGV"), (40, "signal 40")])
async def test_signal_is_a_fact(program: Program, scratch: Path, number: int, name: str) -> None:
    program(f"import os; os.kill(os.getpid(), {number})")
    run = await carry_out()
    assert (run.code, run.facts) == ("command_killed", {"signal": name})
    assert not attempts_in(scratch)


async def test_stderr_is_kept_for_operators_without_secrets(program: Program) -> None:
    program("""
        import sys
        sys.stderr.write("beginning" + "x" * 20_000 + "\\n" + "\\0password=hunter2hunter2\\xff last line")
        sys.exit(1)
        """)
    run = await carry_out()
    assert run.detail.endswith(" last line")
    assert "hunter2" not in run.detail
    assert "\0" not in run.detail
    assert "beginning" not in run.detail
    assert len(run.detail) <= 8192
    assert run.facts == {"exit_code": 1}


async def test_flood_on_stderr_takes_no_memory(program: Program) -> None:
    program("""
        import os, sys
        for _ in range(800): os.write(2, b"x" * 65536)
        os.write(2, b"the end")
        sys.exit(1)
        """)
    tracemalloc.start()
    try:
        run = await carry_out()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert run.detail.endswith("xthe end")
    assert peak < 2_000_000


@pytest.mark.parametrize("source", ["print('done')", "import os; os.close(0); print('done')"])
async def test_program_may_leave_the_prompt_unread(
    program: Program, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    program(source)
    run = await carry_out("x" * 200_000)
    assert (run.text, run.facts) == ("done\n", {"exit_code": 0})
    assert not caplog.records


async def test_long_prompt_and_long_answer_do_not_block_each_other(program: Program) -> None:
    program("""
        import os
        while piece := os.read(0, 1000): os.write(1, piece)
        """)
    prompt = "0123456789" * 20_000
    assert (await carry_out(prompt)).text == prompt


async def test_output_that_is_no_text_becomes_some(program: Program) -> None:
    program("import os; os.write(1, bytes(range(256)) * 10 + 'ä'.encode()[:1])")
    expected = (bytes(range(256)) * 10).decode("utf-8", "replace") + "\ufffd"
    assert (await carry_out()).text == expected.replace("\0", "\ufffd")


async def test_characters_cut_by_a_flush_are_joined(program: Program) -> None:
    program("""
        import os
        for byte in "äöü€🦊".encode(): os.write(1, bytes([byte]))
        """)
    assert (await carry_out()).text == "äöü€🦊"


async def test_output_up_to_the_limit_is_fine(program: Program) -> None:
    program("print('x' * 999)")
    run = await carry_out(output_limit_bytes=1000)
    assert (len(run.text), run.code) == (1000, "")


async def test_output_beyond_the_limit_is_cut_and_the_program_ended(program: Program) -> None:
    program("""
        import os
        while True: os.write(1, b"0123456789" * 1000)
        """)
    run = await carry_out(output_limit_bytes=100_005)
    assert run.code == "output_too_large"
    assert run.text == "0123456789" * 10_000 + "01234"


async def test_program_waits_while_nobody_takes_its_output(program: Program, tmp_path: Path) -> None:
    told = tmp_path / "told"
    program(f"""
        import os, time
        written = os.write(1, b"x")
        os.set_blocking(1, False)
        try:
            while True: written += os.write(1, b"x" * 4096)
        except BlockingIOError:
            open({str(told)!r}, "w").write(str(written))
        while True: time.sleep(60)
        """)
    pieces = pieces_of()
    await anext(pieces)
    await until(lambda: told.exists() and told.read_text())
    # What a pipe holds, and what one read may have taken before.
    assert int(told.read_text()) <= 2 * 65_536
    await pieces.aclose()


async def test_unknown_command_is_refused_with_the_allowed_ones(settings: Settings) -> None:
    settings.PERSONALQ_COMMANDS = {"words": Command(argv=("/usr/bin/wc",)), "copy": Command(argv=("/bin/cat",))}
    form = RUNNERS["command"].config_class(data={"command": "rm"})
    assert not form.is_valid()
    [error] = form.errors["command"]
    assert error.code == "command_not_allowed"
    assert str(error) == "Use one of the commands that the operator allows: copy, words."


def test_refusal_says_when_nothing_is_allowed() -> None:
    form = RUNNERS["command"].config_class(data={"command": "rm"})
    assert not form.is_valid()
    assert "PERSONALQ_COMMANDS" in str(form.errors["command"][0])


@pytest.mark.parametrize("config", [{}, {"command": 1}, {"command": ""}, {"command": "x", "argv": ["-f"]}, []])
def test_other_configurations_are_not_usable(config: object) -> None:
    with pytest.raises(RunFailed) as caught:
        checked_config(RUNNERS["command"], config)
    expected = "command_not_allowed" if config == {"command": "x", "argv": ["-f"]} else "agent_misconfigured"
    assert caught.value.code == expected


async def test_command_that_is_no_longer_allowed_fails_the_attempt() -> None:
    with pytest.raises(RunFailed, match="command_not_allowed"):
        checked_config(RUNNERS["command"], {"command": "gone"})
    assert (await carry_out(command="gone")).code == "command_not_allowed"


@pytest.mark.parametrize("trouble", ["missing", "not_executable", "directory", "no_interpreter", "no_format"])
async def test_program_that_cannot_be_started(trouble: str, tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "program"
    if trouble == "directory":
        path.mkdir()
    elif trouble != "missing":
        path.write_text("#!/nowhere/interpreter\n" if trouble == "no_interpreter" else "no program")
        path.chmod(0o600 if trouble == "not_executable" else 0o700)
    settings.PERSONALQ_COMMANDS = {"program": Command(argv=(str(path),))}
    run = await carry_out("x" * 200_000)
    assert (run.code, run.facts) == ("command_not_startable", {})
    assert run.detail
    assert str(tmp_path) not in run.detail


async def test_relative_path_is_not_started(settings: Settings) -> None:
    settings.PERSONALQ_COMMANDS = {"program": Command(argv=("cat",))}
    run = await carry_out()
    assert run.code == "command_not_startable"
    assert "absolute path" in run.detail


async def test_hundred_attempts_leave_no_zombies_descriptors_or_threads(program: Program) -> None:
    program("print('hello')")
    await carry_out()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    runs = await asyncio.gather(*(carry_out() for _ in range(100)))
    assert [run.text for run in runs] == ["hello\n"] * 100
    assert not zombies()
    await until(lambda: len(os.listdir("/proc/self/fd")) <= before)  # noqa: PTH208
    await until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("waitpid")])


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_usage_limit_that_the_program_tells_of_is_passed_on(stream: str, program: Program) -> None:
    program(f"import sys; print('usage limit reached, try again in 2 hours', file=sys.{stream}); sys.exit(1)")
    before = datetime.now(UTC)
    run = await carry_out()
    assert (run.code, run.facts) == ("usage_limited", {"exit_code": 1})
    assert run.failure is not None
    assert run.failure.retry_at is not None
    assert timedelta(0) <= run.failure.retry_at - before - timedelta(hours=2) < timedelta(seconds=15)


async def test_program_that_ends_well_may_talk_about_limits(program: Program) -> None:
    program("print('usage limit reached, resets at 14:05')")
    assert (await carry_out()).code == ""


async def test_only_the_last_words_count(program: Program) -> None:
    program("print('usage limit reached'); print('x' * 5000); raise SystemExit(3)")
    assert (await carry_out()).code == "command_failed"


async def test_exit_code_75_asks_for_another_try(program: Program) -> None:
    program("raise SystemExit(75)")
    run = await carry_out()
    assert (run.code, run.facts) == ("command_try_later", {"exit_code": 75})
