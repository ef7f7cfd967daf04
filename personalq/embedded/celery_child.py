"""Celery's own command line, with a word to the supervisor once worker or beat is at work.

python -m personalq.embedded.celery_child -A personalq worker …
"""

from __future__ import annotations

from typing import Any

from celery.__main__ import main
from celery.signals import beat_init, worker_ready

from personalq.embedded.readiness import announce_ready


def on_ready(**_: Any) -> None:
    announce_ready()


if __name__ == "__main__":
    worker_ready.connect(on_ready)
    beat_init.connect(on_ready)
    main()
