"""What the tests of letters share: a mail server of this machine, and the job that sends links."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from celery import current_app
from pytest_django import Settings

from accounts import jobs
from accounts.passwords import resets
from tests.wire.smtp_server import Letter, SmtpServer

PUBLIC_URL = "https://queue-house.example.org"
LINK = re.compile(r"^https?://\S+", re.MULTILINE)


@contextmanager
def post_office(settings: Settings, **options: Any) -> Iterator[SmtpServer]:
    """E-mail that is set up, through a server on a real socket."""
    with SmtpServer(**options) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.PERSONALQ_EMAIL_IS_ON = True
        settings.PERSONALQ_PUBLIC_URL = PUBLIC_URL
        yield server


def waiting_jobs() -> list[Any]:
    """The messages that wait at the broker for this job, taken from there."""
    found: list[Any] = []
    with current_app.connection_for_read() as connection, connection.SimpleQueue("personalq") as queue:
        while True:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                return found
            if message.headers["task"] == resets.JOB:
                found.append(message)
            message.ack()


def carry_out_jobs() -> int:
    """Do what a worker would do with them; returns how many there were."""
    messages = waiting_jobs()
    for message in messages:
        arguments, _, _ = message.payload
        assert arguments == []
        jobs.send_reset_letters()
    return len(messages)


def link_of(letter: Letter) -> str:
    link: str = LINK.findall(letter.text)[0]
    return link


def code_of(letter: Letter) -> str:
    """The code, out of the link."""
    return unquote(link_of(letter).partition("#")[2].partition(".")[0])
