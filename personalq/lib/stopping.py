"""Whether this process has been asked to stop: what waits for long looks here, and ends in time to say so."""

import threading

_begun = threading.Event()


def begin() -> None:
    _begun.set()


def has_begun() -> bool:
    return _begun.is_set()
