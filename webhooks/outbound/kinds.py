"""What an endpoint can get."""

from typing import Final

from tasks import events

PING: Final = "ping"
"""A test, which only its owner asks for."""

# Output comes word by word; it is followed over the socket.
OFFERED: Final = tuple(kind for kind in events.KINDS if kind != events.OUTPUT)
"""The kinds of events that can be chosen."""
