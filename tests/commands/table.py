"""The table of docs/older-scripts.md: every recorded call of an older script beside the same call now.

    python -m tests.commands.table      # writes it anew, from what the client does on a real server

A test compares it with what the client does, so that it stays true.
"""

import json
import re
import sys
from collections.abc import Sequence
from typing import Any, Final

import pytest

from personalq.embedded.layout import REPOSITORY
from tests.commands.recorded import DIFFERENCES, Run

FILE: Final = REPOSITORY / "docs" / "older-scripts.md"
OPTION: Final = "--write-older-scripts"
_BEGIN: Final = "<!-- What follows is written by `python -m tests.commands.table`. -->\n"
_SAME: Final = ""
# What is another one each time.
_VOLATILE: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "…"),
    (re.compile(r"\brepeat:[0-9a-f]{32}:\d{13}"), "repeat:…"),
    (re.compile(r":\d{13}\b"), ":…"),
)

Pairs = Sequence[tuple[Run, Run]]


def rendered(pairs: Pairs) -> str:
    """The part of the document that is made by machine."""
    return _BEGIN + "".join(f"\n{part}" for part in _parts(pairs))


def standing() -> str:
    """The same part as it stands in the document now."""
    return _BEGIN + FILE.read_text().partition(_BEGIN)[2]


def write(pairs: Pairs) -> None:
    head = FILE.read_text().partition(_BEGIN)[0]
    FILE.write_text(head + rendered(pairs))


def _parts(pairs: Pairs) -> list[str]:
    scripts = dict.fromkeys(recorded.script for recorded, _ in pairs)
    return [_part(script, [pair for pair in pairs if pair[0].script == script]) for script in scripts]


def _part(script: str, pairs: Pairs) -> str:
    head = f"## {script}\n\n| call | then | now | why it differs |\n|---|---|---|---|\n"
    return head + "".join(_row(recorded, ours) for recorded, ours in pairs)


def _row(recorded: Run, ours: Run) -> str:
    call = " ".join(_quoted(argument) for argument in recorded.arguments) or "no argument"
    if recorded.needs_server_down:
        call += " (nobody listens)"
    cells = [_code(call), _outcome(recorded), _outcome(ours), DIFFERENCES.get(recorded.case, _SAME)]
    return f"| {' | '.join(cells)} |\n"


def _outcome(run: Run) -> str:
    said = [_code(_text(each)) for each in (run.out, run.err) if each != ""]
    return " ".join([f"**{run.code}**", *said])


def _text(said: Any) -> str:
    if isinstance(said, dict):
        said = json.dumps({name: value for name, value in said.items() if name != "request_id"}, ensure_ascii=False)
    text = " ".join(str(said).split())
    for pattern, stand_in in _VOLATILE:
        text = pattern.sub(stand_in, text)
    return text


def _quoted(argument: str) -> str:
    return argument if re.fullmatch(r"[\w@%+=:,./-]+", argument) else "'" + argument + "'"


def _code(text: str) -> str:
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`"


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/commands", "-k", "test_client_does_what", OPTION]))
