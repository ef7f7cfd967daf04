"""The one subscription of this process to the channel layer."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from channels.layers import get_channel_layer

from realtime.outages import AWAY, Outage, repeat

logger = logging.getLogger(__name__)

GROUP: Final = "task-events"
# Redis forgets the membership when it is flushed, and by itself after the layer's group_expiry.
RENEW_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.5


async def listen(on_message: Callable[[], None]) -> None:
    """Call `on_message` for every message of the group until cancelled, whatever happens to Redis."""
    outage = Outage(logger, "The channel layer")
    await repeat(partial(_listen_once, on_message, outage), partial(asyncio.sleep, RETRY_SECONDS), outage)


async def _listen_once(on_message: Callable[[], None], outage: Outage) -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel("hub")
    await layer.group_add(GROUP, channel)
    outage.ended()
    on_message()  # about what was sent while nobody listened
    renewing = asyncio.create_task(_stay_member(layer, channel))
    try:
        await _receive(layer, channel, on_message)
    finally:
        renewing.cancel()
        await _leave(layer, channel)


async def _receive(layer: Any, channel: str, on_message: Callable[[], None]) -> None:
    while True:
        await layer.receive(channel)
        on_message()


async def _stay_member(layer: Any, channel: str) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        # The receiver meets the same outage and begins anew.
        with suppress(*AWAY):
            await layer.group_add(GROUP, channel)


async def _leave(layer: Any, channel: str) -> None:
    with suppress(*AWAY):
        async with asyncio.timeout(1):
            await layer.group_discard(GROUP, channel)
