"""The agent that runs a program of the operator's choice, with the prompt on its stdin."""

import codecs
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from django.conf import settings
from rest_framework.serializers import ValidationError

from personalq.lib.fields import StrictCharField, StrictSerializer
from personalq.lib.redaction import redact
from tasks.runners.base import Outcome, Request, RunFailed, Runner
from tasks.runners.processes.program import Ending, GuardLostError, running
from tasks.runners.processes.scratch import attempt_directory, sweep_scratch
from tasks.runners.provider_limits import limit_in_text

__all__ = ["CommandConfig", "CommandRunner", "sweep_scratch"]

DETAIL_CHARACTERS: Final = 8192
LAST_WORDS_CHARACTERS: Final = 2048
EXIT_TRY_LATER: Final = 75
"""EX_TEMPFAIL of sysexits.h: the program itself says that it may go better later."""


class CommandConfig(StrictSerializer):
    command = StrictCharField(
        max_length=100,
        help_text="The name of one of the programs that the operator allows (PERSONALQ_COMMANDS).",
    )

    def validate_command(self, name: str) -> str:
        if name not in settings.PERSONALQ_COMMANDS:
            raise ValidationError(_what_is_allowed(), code="command_not_allowed")
        return name


class CommandRunner(Runner):
    """Runs an allowed program: prompt in on stdin, text out from stdout, nothing of it left afterwards."""

    kind: ClassVar = "command"
    label: ClassVar = "Command"
    config_class: ClassVar = CommandConfig

    async def run(self, request: Request) -> AsyncIterator[str | Outcome]:
        argv = _allowed_argv(request.config)
        prompt = request.prompt.encode()
        text, room = _Text(), request.output_limit_bytes
        async with (
            attempt_directory() as directory,
            running(argv, directory=directory, environment=_environment(request), prompt=prompt) as program,
        ):
            while piece := await program.read():
                if more := text.decode(piece[:room]):
                    yield more
                room -= len(piece)
                if room < 0:
                    raise RunFailed("output_too_large")
            if rest := text.decode(b"", is_last=True):
                yield rest
            try:
                ending = await program.ending()
            except GuardLostError:
                raise RunFailed("internal_error", f"guard lost; {_detail(program.complaints)}") from None
        yield _outcome(ending, program.complaints, text.last_words)


class _Text:
    """Text out of bytes that may be cut anywhere and be no text at all."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.last_words = ""

    def decode(self, piece: bytes, *, is_last: bool = False) -> str:
        # PostgreSQL keeps every character but this one.
        text = self._decoder.decode(piece, is_last).replace("\0", "\ufffd")
        self.last_words = (self.last_words + text)[-LAST_WORDS_CHARACTERS:]
        return text


def _what_is_allowed() -> str:
    names = ", ".join(sorted(settings.PERSONALQ_COMMANDS))
    if not names:
        return "The operator allows no command yet. Ask the operator to add it to PERSONALQ_COMMANDS."
    return f"Use one of the commands that the operator allows: {names}."


def _allowed_argv(config: Mapping[str, Any]) -> Sequence[str]:
    name = str(config["command"])
    argv: Sequence[str] = settings.PERSONALQ_COMMANDS.get(name, ())
    if not argv:
        raise RunFailed("command_not_allowed", f"PERSONALQ_COMMANDS has no {name!r}")
    if not Path(argv[0]).is_absolute():
        raise RunFailed("command_not_startable", "PERSONALQ_COMMANDS does not give an absolute path")
    return argv


def _environment(request: Request) -> dict[str, str]:
    """All that a program gets to know of us; the guard adds HOME and TMPDIR."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PERSONALQ_TASK": str(request.task),
        "PERSONALQ_ATTEMPT": str(request.attempt),
    }


def _outcome(ending: Ending, complaints: str, last_words: str) -> Outcome:
    """The good end; raises RunFailed for every other one."""
    match ending.kind, ending.number:
        case "exit", 0:
            return Outcome(facts={"exit_code": 0})
        case "exit", code:
            raise _failure(code, complaints, last_words)
        case "signal", number:
            raise RunFailed("command_killed", _detail(complaints), {"signal": _signal_name(number)})
        case "errno", number:
            raise RunFailed("command_not_startable", os.strerror(number))
        case _:
            raise RunFailed("internal_error", f"the program did not end: {_detail(complaints)}")


def _failure(exit_code: int, complaints: str, last_words: str) -> RunFailed:
    facts = {"exit_code": exit_code}
    for words in (complaints[-LAST_WORDS_CHARACTERS:], last_words):
        if limit := limit_in_text(words, now=datetime.now(UTC)):
            return RunFailed(limit.code, _detail(complaints), facts, retry_at=limit.ends_at)
    code = "command_try_later" if exit_code == EXIT_TRY_LATER else "command_failed"
    return RunFailed(code, _detail(complaints), facts)


def _detail(complaints: str) -> str:
    # Redacted before it is cut: half a secret would not be recognised.
    return redact(complaints)[-DETAIL_CHARACTERS:]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
