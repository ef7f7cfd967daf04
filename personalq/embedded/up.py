"""`manage.py up`: the whole product on this machine, in the foreground."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from personalq.embedded.console import say
from personalq.embedded.env_file import is_open_to_others, locate_env_file, make_or_complete, read_env_file
from personalq.embedded.errors import EmbeddedError, StopRequested
from personalq.embedded.layout import REPOSITORY, Layout
from personalq.embedded.leftovers import stop_leftovers
from personalq.embedded.lock import InstanceLock
from personalq.embedded.private_files import inherit_owner
from personalq.embedded.product import Address
from personalq.embedded.servers import make_directories
from personalq.embedded.supervisor import Supervisor, child_environment
from personalq.embedded.waiting import StopSignals

HIGHEST_PORT = 65_535


def main(arguments: Sequence[str]) -> int:
    """Run `manage.py up`. Returns 0 after a wish to stop, 1 after a failure; bad options exit with 2."""
    signals = StopSignals()
    signals.install()
    os.umask(0o077)
    try:
        return _run(arguments, signals)
    except StopRequested as request:
        say(f"Stopped ({request}).")
        return 0
    except (EmbeddedError, OSError) as error:
        # An OSError names the file or the program; its traceback would only hide that.
        say(str(error))
        return 1


def _run(arguments: Sequence[str], signals: StopSignals) -> int:
    env_file = locate_env_file(REPOSITORY, os.environ)
    known = read_env_file(env_file) | dict(os.environ)
    address = _read_address(arguments, known)
    own_servers = _has_own_servers(known)
    layout = Layout.from_environment(known)
    make_directories(layout)
    lock = InstanceLock(layout.lock_file)
    lock.acquire(signals.pause)
    # An old web process would still hold the port.
    stop_leftovers(layout, signals.pause)
    check_port(address)
    layout.port_file.write_text(f"{address.port}\n")
    inherit_owner(layout.port_file)
    _prepare_env_file(env_file)
    # Its port may have been named on the command line; the product tells it to runners on this machine.
    environment = child_environment(layout, {**os.environ, "PORT": str(address.port)})
    return Supervisor(layout, address, lock, signals, environment, own_servers=own_servers).run()


def _read_address(arguments: Sequence[str], known: Mapping[str, str]) -> Address:
    parser = argparse.ArgumentParser(prog="manage.py up", description="Run Personal-Q on this machine.")
    parser.add_argument("--port", default=known.get("PORT") or "8000", help="default: PORT, else 8000")
    parser.add_argument("--bind", default="127.0.0.1", metavar="HOST", help="address to listen on (127.0.0.1)")
    options = parser.parse_args(arguments)
    if not options.port.isascii() or not options.port.isdigit() or not 0 < int(options.port) <= HIGHEST_PORT:
        parser.error(f"the port must be a number from 1 to {HIGHEST_PORT}, not {options.port!r}")
    return Address(options.bind, int(options.port))


def _has_own_servers(known: Mapping[str, str]) -> bool:
    given = [name for name in ("DATABASE_URL", "REDIS_URL") if known.get(name)]
    if len(given) == 1:
        raise EmbeddedError(f"Only {given[0]} is set. Set DATABASE_URL and REDIS_URL both, or neither.")
    return bool(given)


def check_port(address: Address) -> None:
    """Raises: EmbeddedError when nobody could listen on the address."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As uvicorn does: connections of an earlier run that linger are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise EmbeddedError(
                f"Port {address.port} on {address.host}: {error.strerror}. "
                "Choose another one: PORT=8123 make run (or manage.py up --port 8123)."
            ) from error


def _prepare_env_file(env_file: Path) -> None:
    done = make_or_complete(env_file, os.environ)
    if done:
        say(done)
    if is_open_to_others(env_file):
        say(f"Warning: others on this machine can read {env_file}. Mend it with: chmod 600 {env_file}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
