"""What must be written whatever becomes of the transaction under way.

Who refuses something notes it, but the refusal takes the transaction back that the note would be part of. So notes wait
until whoever serves the request or the command has left all transactions.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from django.db import connections

Work = Callable[[], None]
_logger = logging.getLogger(__name__)
# For those who have an event loop and nobody that gathers. One thread: it is little, and its order stays.
_beside: Final = ThreadPoolExecutor(1, thread_name_prefix="afterwards")


@dataclass
class _Waiting:
    work: list[Work] = field(default_factory=list)
    is_over: bool = False


_waiting: ContextVar[_Waiting | None] = ContextVar("personalq_afterwards", default=None)


@contextmanager
def gathering() -> Iterator[None]:
    """Do what was put off within the block at its end, in its thread, also when it raises. Open it outside of `atomic`.

    What fails is logged and keeps nothing else from being done. Within another block the outer one gathers.
    """
    if _waiting.get() is not None:
        yield
        return
    waiting = _Waiting()
    token = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(token)
        waiting.is_over = True
        for work in waiting.work:
            _do(work)


def put_off(work: Work) -> None:
    """Do `work` at the end of what is being served. Where nobody gathers: now, beside an event loop in a thread."""
    waiting = _waiting.get()
    if waiting is not None and not waiting.is_over:
        waiting.work.append(work)
    elif _is_on_event_loop():
        _beside.submit(copy_context().run, partial(_do_and_let_go, work))
    else:
        _do(work)


def settled() -> Future[None]:
    """Done when everything is that was put off to the thread until now."""
    return _beside.submit(lambda: None)


def _is_on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _do_and_let_go(work: Work) -> None:
    try:
        _do(work)
    finally:
        connections.close_all()


def _do(work: Work) -> None:
    try:
        work()
    except Exception:
        # The answer is decided already, and must not become another one by this.
        _logger.exception("What was put off could not be done.")
