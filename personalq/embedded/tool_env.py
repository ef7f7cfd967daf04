"""Runs a tool that loads the settings with throw-away secrets, and with nobody's `.env`.

python -m personalq.embedded.tool_env -- mypy
python -m personalq.embedded.tool_env --servers -- python manage.py makemigrations --check
python -m personalq.embedded.tool_env --production -- python manage.py check --deploy
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from personalq.embedded.env_file import make_secret
from personalq.embedded.errors import EmbeddedError
from personalq.embedded.layout import REPOSITORY
from personalq.embedded.throwaway import use_throwaway_settings
from personalq.embedded.throwaway_servers import ThrowawayServers


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tool_env")
    parser.add_argument("--servers", action="store_true", help="with running servers, as the tests have them")
    parser.add_argument("--production", action="store_true", help="as behind HTTPS with servers of one's own")
    parser.add_argument("command", nargs="+", metavar="-- COMMAND")
    options = parser.parse_args(arguments)
    use_throwaway_settings(os.environ)
    os.environ.update(describe_production() if options.production else {})
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    try:
        return _run_beside_servers(options.command) if options.servers else _become(options.command)
    except (OSError, EmbeddedError) as error:
        print(f"{options.command[0]}: {error}", file=sys.stderr)
        return 127


def describe_production() -> dict[str, str]:
    """A production-like environment. Nobody connects to its servers; `check --deploy` only reads it."""
    return {
        "DEBUG": "false",
        "PERSONALQ_HTTPS": "true",
        "ALLOWED_HOSTS": "personalq.invalid",
        "CSRF_TRUSTED_ORIGINS": "https://personalq.invalid",
        "DATABASE_URL": f"postgres://personalq:{make_secret()}@database.invalid/personalq?sslmode=require",
        "REDIS_URL": f"rediss://:{make_secret()}@redis.invalid",
    }


def _become(command: Sequence[str]) -> int:
    os.execvp(command[0], list(command))  # noqa: S606 - running it is the purpose


def _run_beside_servers(command: Sequence[str]) -> int:
    servers = ThrowawayServers()
    try:
        servers.start()
        os.environ["PERSONALQ_VAR"] = str(servers.layout.root)
        return subprocess.run(command, check=False).returncode
    finally:
        servers.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
