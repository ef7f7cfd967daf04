"""What the supervisor keeps running, seen alike: a server program or a part of the product."""

from __future__ import annotations

from typing import Protocol

from personalq.embedded.children import Child


class Service(Protocol):
    """Knows how a child is started, also in place of one that ended, and how one sees that it is at work."""

    def launch(self) -> Child:
        """Clear away what a predecessor left and start without waiting. Raises: EmbeddedError, OSError."""

    def is_ready(self, child: Child) -> bool:
        """Whether the child does its work by now."""
