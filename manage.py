#!/usr/bin/env python
"""Django's command line, and `up`: everything on this machine (docs/embedded.md)."""

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["up"]:
        # Before any setting is read: a first start makes the `.env` that they need.
        from personalq.embedded.up import main as up  # noqa: PLC0415

        sys.exit(up(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personalq.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - `up` must not need it

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
