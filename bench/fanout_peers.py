"""What the hub is measured against: a bare Channels group, and a plain asyncio server.

python -m personalq.serving fanout_peers:group_application every socket joins one group of the channel layer
python bench/fanout_peers.py PORT                           what one client sends goes to all that subscribed
"""

import asyncio
import sys
from typing import Any, ClassVar, Final

from channels.generic.websocket import AsyncWebsocketConsumer
from websockets.asyncio.server import ServerConnection, broadcast, serve

GROUP: Final = "bench"
SUBSCRIBED: Final = '{"event": "subscribed"}'


class GroupConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """The way that the documentation of Channels shows."""

    groups: ClassVar = [GROUP]

    async def receive(self, **_: str | bytes | None) -> None:
        await self.send(text_data=SUBSCRIBED)

    async def bench_event(self, message: dict[str, Any]) -> None:
        await self.send(text_data=message["text"])


group_application = GroupConsumer.as_asgi()

_listeners: set[ServerConnection] = set()


async def _talk(connection: ServerConnection) -> None:
    async for message in connection:
        if "subscribe" in str(message):
            _listeners.add(connection)
            await connection.send(SUBSCRIBED)
        else:
            broadcast(_listeners, message)
    _listeners.discard(connection)


async def _serve_plainly(port: int) -> None:
    async with serve(_talk, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve_plainly(int(sys.argv[1])))
