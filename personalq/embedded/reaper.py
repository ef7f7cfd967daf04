"""Ends the children when the supervisor is killed and can no longer do it itself.

A tiny shell holds the reading end of a pipe. The kernel closes the writing end with
the supervisor, however that died, and the shell then stops what it was told to watch.
This also works on macOS, which has no parent-death signal.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

# Ctrl-C and a closed terminal are for the supervisor to act on.
# A zombie counts as gone: not every process 1 of a container ever collects it.
SCRIPT = """
trap '' INT TERM HUP
lives() {
    kill -s 0 "$1" 2>/dev/null || return 1
    { read -r facts <"/proc/$1/stat"; } 2>/dev/null || return 0
    case ${facts##*) } in [ZX]*) return 1 ;; esac
}
children=
while read -r action pid signal; do
    case $action in
        watch) children="$children $signal:$pid" ;;
        forget)
            kept=
            for child in $children; do
                [ "${child#*:}" = "$pid" ] || kept="$kept $child"
            done
            children=$kept ;;
        release) exit 0 ;;
    esac
done
for child in $children; do
    kill -s "${child%%:*}" "${child#*:}" 2>/dev/null
done
tries=0
while [ "$tries" -lt 80 ]; do
    alive=
    for child in $children; do
        lives "${child#*:}" && alive=yes
    done
    [ -z "$alive" ] && exit 0
    tries=$((tries + 1))
    sleep 0.1
done
for child in $children; do
    kill -s KILL "-${child#*:}" 2>/dev/null
done
"""


class Reaper:
    """`held_descriptors` stay open until the last child is gone, so a lock among them keeps its meaning."""

    def __init__(self, held_descriptors: Sequence[int] = ()) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", SCRIPT],
            stdin=subprocess.PIPE,
            # Unbuffered: what a dead reaper did not read must not come up again when the pipe is closed.
            bufsize=0,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=tuple(held_descriptors),
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch(self, pid: int, signal_name: str) -> None:
        """From now on end `pid` with `signal_name` (without SIG) if we vanish."""
        self._tell(f"watch {pid} {signal_name}")

    def forget(self, pid: int) -> None:
        self._tell(f"forget {pid}")

    def release(self) -> None:
        """Everything has been stopped in order; nothing is left to guard."""
        self._tell("release")
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe above
        try:
            self._process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            # Somebody killed it. The next start finds leftovers by their record.
            return
