"""Runs a tool that loads the settings, with throw-away secrets and without servers.

python -m personalq.embedded.tool_env [--production] -- mypy
python -m personalq.embedded.tool_env -- python manage.py makemigrations --check
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from personalq.embedded.layout import REPOSITORY
from personalq.embedded.throwaway import use_throwaway_settings

# Nobody connects to these; `check --deploy` wants to see a production-like configuration.
PRODUCTION = {
    "DEBUG": "false",
    "PERSONALQ_HTTPS": "true",
    "ALLOWED_HOSTS": "personalq.invalid",
    "CSRF_TRUSTED_ORIGINS": "https://personalq.invalid",
    "DATABASE_URL": "postgres://personalq@database.invalid/personalq",
    "REDIS_URL": "redis://redis.invalid",
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tool_env")
    parser.add_argument("--production", action="store_true", help="with HTTPS and servers of one's own")
    parser.add_argument("command", nargs="+", metavar="-- COMMAND")
    options = parser.parse_args(arguments)
    use_throwaway_settings(os.environ)
    os.environ.update(PRODUCTION if options.production else {})
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    try:
        os.execvp(options.command[0], options.command)  # noqa: S606 - running it is the purpose
    except OSError as error:
        print(f"{options.command[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
