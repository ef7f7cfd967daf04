"""Test clients that share one set of middleware: making it anew reads the whole tree of static files."""

from typing import Final

from django.test import Client
from django.test.client import ClientHandler

_HANDLER: Final = ClientHandler(enforce_csrf_checks=False)


def fresh_client() -> Client:
    """A client without cookies that gets a 500 like everybody else instead of the exception."""
    client = Client(raise_request_exception=False)
    client.handler = _HANDLER
    return client
