"""PostgreSQL and Valkey together: what `manage.py up` and the tests both start."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from personalq.embedded.binaries import find_postgres, find_valkey
from personalq.embedded.children import Child, Children
from personalq.embedded.layout import Layout
from personalq.embedded.leftovers import stop_leftovers
from personalq.embedded.placement import place_postgres, prepare_run_dir
from personalq.embedded.postgres import Postgres
from personalq.embedded.private_files import make_private_directory
from personalq.embedded.service_account import choose_account
from personalq.embedded.services import Service
from personalq.embedded.valkey import Valkey
from personalq.embedded.waiting import Pause


def make_directories(layout: Layout) -> None:
    """Make what is needed before anything can be locked or logged."""
    make_private_directory(layout.root)
    make_private_directory(layout.logs)


def start_servers(
    layout: Layout,
    children: Children,
    *,
    durable: bool = True,
    environment: Mapping[str, str] = os.environ,
    pause: Pause = time.sleep,
) -> list[tuple[Service, Child]]:
    """Start both servers and return them when both answer and the database exists.

    The caller holds the instance lock. Raises: EmbeddedError with what to do.
    """
    programs = find_postgres(environment)
    account = choose_account(layout.postgres_data, layout.root)
    placement = place_postgres(layout, account, programs)
    prepare_run_dir(layout, account)
    stop_leftovers(layout, pause)
    valkey = Valkey(layout, children, find_valkey(environment), durable=durable)
    postgres = Postgres(layout, children, account, placement, durable=durable, pause=pause)
    postgres_child = postgres.launch()
    valkey_child = valkey.launch()
    postgres_child = postgres.wait_ready(postgres_child)
    valkey.wait_ready(valkey_child)
    postgres.create_database()
    return [(postgres, postgres_child), (valkey, valkey_child)]
