"""What every runner is: code that carries out the prompt of one attempt and yields output as it comes."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from personalq.lib.fields import StrictSerializer


@dataclass(frozen=True, kw_only=True)
class Request:
    """One attempt's work. It is all a runner gets to see."""

    task: UUID
    attempt: int
    prompt: str
    input: Any = None
    config: Mapping[str, Any] = field(default_factory=dict)
    output_limit_bytes: int = 1_048_576


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a runner knows besides its text. Yielded last, at most once."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: Decimal | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Small details for the event that ends the attempt, such as an exit code. Owners see them."""


class RunFailed(Exception):  # noqa: N818 - a result, not a defect of the runner
    """The attempt failed for a known reason."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        facts: Mapping[str, Any] | None = None,
        *,
        retry_at: datetime | None = None,
    ) -> None:
        """Take a code of `tasks.failures`, a detail that only operators see, and facts that the owner sees.

        `retry_at` is when a provider's limit ends, if the provider told.
        """
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.facts = dict(facts or {})
        self.retry_at = retry_at


class Runner(ABC):
    """Makes agents of one kind work."""

    kind: ClassVar[str]
    label: ClassVar[str]
    config_class: ClassVar[type[StrictSerializer]]
    """The kind's own fields on an agent, checked when it is saved and again before each run."""

    @abstractmethod
    def run(self, request: Request) -> AsyncIterator[str | Outcome]:
        """Carry the prompt out, yielding text as it comes.

        Being cancelled (or closed) has to stop all work within a second, leave nothing behind and raise no error of
        its own. Raises RunFailed for a known reason; any other exception counts as internal error.
        """
