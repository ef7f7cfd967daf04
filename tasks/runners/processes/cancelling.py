"""Work that has to come to its end although whoever waits for it is being cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def see_through(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Carry `work` out whole; cancellations that arrive meanwhile, however many, are passed on afterwards."""
    task = asyncio.create_task(work())
    interruption = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as cancelled:
            interruption = cancelled
    task.result()
    if interruption is not None:
        raise interruption
