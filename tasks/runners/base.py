"""What every runner is: code that carries out the prompt of one attempt and yields output as it comes."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol
from uuid import UUID

from personalq.lib.fields import StrictSerializer
from tasks.spending.usage import Usage


@dataclass(frozen=True, kw_only=True)
class Message:
    """One earlier turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, kw_only=True)
class ReportAddress:
    """Where an outside runner reports an attempt's outcome, and how its callback proves itself."""

    url: str
    request_id: str
    secret: str = field(repr=False)


class Desk(Protocol):
    """What a runner may ask of the worker during its attempt."""

    async def expect_report(self) -> ReportAddress:
        """Prepare for a callback; from now on one may come, also before `Parked` is yielded.

        Raises RunFailed `report_not_possible` when the installation has no address that others can reach.
        """

    async def offers_iterate(self, base_url: str) -> bool | None:
        """What was learned about an outside runner; None when nobody has asked it yet."""

    async def learn_iterate(self, base_url: str, *, offers: bool) -> None:
        """Remember it for the next attempts of the same owner."""

    async def admit_call(self, base_url: str) -> None:
        """Ask whether an outside runner may be called; raises RunFailed `target_failing` while it is left alone."""

    async def note_call(self, base_url: str, *, has_failed: bool) -> None:
        """Count a failure of the outside runner itself, or forget all of them because it has worked."""

    async def remember_conversation(self, remote_id: str) -> None:
        """Keep what an outside runner calls this task's conversation; without a conversation it changes nothing."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One attempt's work. With `desk` it is all a runner gets to see."""

    task: UUID
    attempt: int
    prompt: str
    """What the user says; text from outside is in it already, delimited as data."""
    system: str = ""
    """The agent's system prompt and our own rules; empty when there are none."""
    messages: Sequence[Message] = ()
    """Earlier turns, oldest first, already cut to the model's window."""
    input: Any = None
    config: Mapping[str, Any] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)
    """The plain text of the agent's credential."""
    token_limit: int | None = None
    """How many tokens of output the budgets leave for this attempt; None when nothing limits them."""
    remote_conversation: str = ""
    """What the outside runner calls the conversation that this task continues."""
    timeout_seconds: int = 600
    output_limit_bytes: int = 1_048_576
    desk: Desk | None = field(default=None, repr=False)
    """Always there in a worker; None in tests of runners that need nothing of it."""


@dataclass(frozen=True, kw_only=True)
class ArtifactFile:
    """A file that the attempt leaves behind; `name` is its path with / between the parts."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a runner knows besides its text. Yielded last, at most once."""

    usage: Usage | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Small details for the event that ends the attempt, such as an exit code. Owners see them."""


@dataclass(frozen=True, kw_only=True)
class Parked:
    """Yielded last instead of an Outcome: an outside runner goes on and will report by a callback."""

    facts: Mapping[str, Any] = field(default_factory=dict)


Piece = str | Usage | ArtifactFile | Outcome | Parked
"""What runners yield: text, what was consumed so far, files, and at the end how it went."""


class RunFailed(Exception):  # noqa: N818 - a result, not a defect of the runner
    """The attempt failed for a known reason."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        facts: Mapping[str, Any] | None = None,
        *,
        retry_at: datetime | None = None,
        usage: Usage | None = None,
    ) -> None:
        """Take a code of `tasks.failures`, a detail that only operators see, and facts that the owner sees.

        `retry_at` is when a provider's limit ends, if the provider told. `usage` is what was consumed all the same.
        """
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.facts = dict(facts or {})
        self.retry_at = retry_at
        self.usage = usage


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """What a test button tries out."""

    config: Mapping[str, Any] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)


class Runner(ABC):
    """Makes agents of one kind work."""

    kind: ClassVar[str]
    label: ClassVar[str]
    config_class: ClassVar[type[StrictSerializer]]
    """The kind's own fields on an agent, checked when it is saved and again before each run."""
    credential_provider: ClassVar[str] = ""
    """For which provider its agents' credential has to be; empty when they take none."""
    price_list: ClassVar[str] = ""
    """The provider in the price table under which its models stand."""

    @abstractmethod
    def run(self, request: Request) -> AsyncIterator[Piece]:
        """Carry the prompt out, yielding text as it comes.

        Being cancelled (or closed) has to stop all work within a second, leave nothing behind and raise no error of
        its own. Raises RunFailed for a known reason; any other exception counts as internal error.
        """

    @abstractmethod
    async def check(self, request: CheckRequest) -> str:
        """Make one cheap real call, or what comes nearest, and tell in a sentence what was tried; raises RunFailed."""

    def is_metered(self, config: Mapping[str, Any]) -> bool:
        """Whether attempts with this configuration consume tokens, so that budgets hold for them."""
        del config
        return bool(self.price_list)

    def tells_cost(self, config: Mapping[str, Any]) -> bool:
        """Whether such attempts report what they cost, so that no price is needed."""
        del config
        return False

    def credential_provider_of(self, config: Mapping[str, Any]) -> str:
        """For which provider the credential has to be; empty when it takes none."""
        del config
        return self.credential_provider

    def needs_credential(self, config: Mapping[str, Any]) -> bool:
        """Whether nothing can be done without a credential."""
        del config
        return False

    def output_tokens(self, config: Mapping[str, Any]) -> int | None:
        """How many tokens of output one attempt may have by its own settings; None when it has no such limit."""
        found = config.get("max_tokens")
        return None if found is None else int(found)

    def model_of(self, config: Mapping[str, Any]) -> str:
        """The model whose price and window count; empty when there is none."""
        return str(config.get("model", ""))
