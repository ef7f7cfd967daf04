"""The Celery application: jobs are found in each app's `jobs.py`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personalq.settings")

app = Celery("personalq")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Celery configures no logging once somebody listens here: LOG_LEVEL and the JSON form hold for all processes."""
