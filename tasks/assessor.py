"""A process beside this one that looks at long texts from outside.

To look at one takes up to several seconds of a processor. Here it would take them from everybody's requests, since
Python lets one thread of a process run at a time. One text after the other: many at once take no more than one
processor.
"""

import hashlib
import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, cast

from tasks import untrusted

ROOT: Final = Path(__file__).resolve().parent.parent
MODULE: Final = "tasks.untrusted.assessor_process"

PATIENCE_SECONDS: Final = 60.0
MOST_REMEMBERED: Final = 1_000

_logger = logging.getLogger(__name__)


class Assessor:
    """Starts its process when the first text comes, and anew whenever it is gone."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lately: OrderedDict[bytes, untrusted.Assessment] = OrderedDict()
        self._lately_turn = threading.Lock()

    def assess(self, text: str, *, is_document: bool, can_wait: bool = True) -> untrusted.Assessment:
        """As `untrusted.assess`. What the process cannot do is done here, slower for everybody but right.

        Who keeps something meanwhile, a lock or a transaction, should say that others' texts cannot be waited for.
        """
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() + bytes([is_document])
        with self._lately_turn:
            known = self._lately.get(key)
        if known is None:
            known = self._look(text, is_document=is_document, can_wait=can_wait)
            self._remember(key, known)
        return known

    def _remember(self, key: bytes, found: untrusted.Assessment) -> None:
        with self._lately_turn:
            self._lately[key] = found
            while len(self._lately) > MOST_REMEMBERED:
                self._lately.popitem(last=False)

    def _look(self, text: str, *, is_document: bool, can_wait: bool) -> untrusted.Assessment:
        if not can_wait:
            return untrusted.assess(text, is_document=is_document)
        with self._turn:
            try:
                return self._ask(text, is_document=is_document)
            except (OSError, ValueError, KeyError, TypeError) as error:
                _logger.warning("The process that looks at long texts broke off: %s", type(error).__name__)
                self._end()
        return untrusted.assess(text, is_document=is_document)

    def close(self) -> None:
        """End the process and forget; the next text starts another one."""
        with self._turn:
            self._end()
        with self._lately_turn:
            self._lately.clear()

    def _ask(self, text: str, *, is_document: bool) -> untrusted.Assessment:
        process = self._running()
        asked, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        asked.write(json.dumps({"text": text, "is_document": is_document}).encode() + b"\n")
        asked.flush()
        if not select.select([answers], [], [], PATIENCE_SECONDS)[0]:
            raise TimeoutError
        found = json.loads(answers.readline())
        reasons = tuple(untrusted.Reason(**reason) for reason in found.pop("reasons"))
        return untrusted.Assessment(**found, reasons=reasons)

    def _running(self) -> subprocess.Popen[bytes]:
        # A forked child inherits this object, but must not talk into its parent's pipes.
        if self._process is not None and (self._owner != os.getpid() or self._process.poll() is not None):
            self._end()
        if self._process is None:
            self._owner = os.getpid()
            self._process = subprocess.Popen(  # noqa: S603 - a module of ours
                [sys.executable, "-m", MODULE],
                cwd=ROOT,
                env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            # What could not be written is flushed once more, in vain.
            with suppress(OSError):
                cast("IO[bytes]", pipe).close()
        if self._owner == os.getpid():
            process.kill()
            process.wait()


assessor: Final = Assessor()
