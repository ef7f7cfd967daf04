"""Runs Valkey (or Redis) as a child on a unix socket."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from personalq.embedded.children import Child, Children, ChildSpec
from personalq.embedded.layout import Layout
from personalq.embedded.postgres import server_environment
from personalq.embedded.private_files import make_private_directory
from personalq.embedded.service_account import account_owning

START_SECONDS = 30.0
# Three for the product, four for every parallel test process on a big machine.
LOGICAL_DATABASES = 1024


class Valkey:
    def __init__(self, layout: Layout, children: Children, program: Path, *, durable: bool) -> None:
        self._layout = layout
        self._children = children
        self._program = program
        self._durable = durable

    def launch(self) -> Child:
        """Start the server without waiting for it."""
        self._stop_unrecorded()
        make_private_directory(self._layout.redis_data)
        account = account_owning(self._layout.redis_data)
        return self._children.start(
            ChildSpec(
                name="valkey",
                command=self._command(),
                environment=server_environment(os.environ),
                # Data go to the working directory: as an option its name would be split at spaces.
                directory=self._layout.redis_data,
                stop_signal=signal.SIGTERM,
                user=account.user,
                group=account.group,
            )
        )

    def is_ready(self, _child: Child) -> bool:
        """Whether it answers. While it reads its file again it says that it is loading."""
        return ask(self._layout.redis_socket, "PING") == "+PONG"

    def wait_ready(self, child: Child) -> None:
        self._children.wait_ready(child, lambda: self.is_ready(child), START_SECONDS)

    def _stop_unrecorded(self) -> None:
        """Shut down a server that still answers on our socket although no record names it."""
        ask(self._layout.redis_socket, "SHUTDOWN")
        self._layout.redis_socket.unlink(missing_ok=True)

    def _command(self) -> tuple[str, ...]:
        appending = ("--appendonly", "yes", "--appendfsync", "everysec") if self._durable else ("--appendonly", "no")
        return (
            *(str(self._program), "--port", "0", "--unixsocket", str(self._layout.redis_socket)),
            *("--unixsocketperm", "700", "--databases", str(LOGICAL_DATABASES), "--daemonize", "no"),
            # Never forget a queued message to make room for a cached page.
            *("--maxmemory-policy", "noeviction", "--save", "", *appending),
        )


def ask(path: Path, command: str) -> str:
    """Send one command and return the first line of the answer, or "" when nobody answers within 5 s."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(path))
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(1024).decode(errors="replace").partition("\r\n")[0]
    except OSError:
        return ""
