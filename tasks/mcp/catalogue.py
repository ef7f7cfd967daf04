"""What a tool is, and what the tools say of themselves in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from jsonschema import Draft202012Validator
from mcp_types import Tool as ListedTool
from mcp_types import ToolAnnotations

from tasks.mcp.rest import Rest
from tasks.mcp.schemas import UUID_PATTERN, VISIBLE_PATTERN, Schema

Arguments = dict[str, Any]
Work = Callable[[Rest, Arguments], dict[str, Any]]
Effect = Literal["reads", "adds", "changes", "destroys"]

LONGEST_TEXT: Final = 100_000
LONGEST_LISTED_TEXT: Final = 8_000
IDEMPOTENCY_KEY: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": VISIBLE_PATTERN,
    "description": "Any text of visible ASCII characters, such as a UUID. The call repeated with the same key within "
    "24 hours makes nothing new and gets the first answer.",
}
CURSOR: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "description": "`next_cursor` of the page before; without it the first page.",
}
PAGE_SIZE: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 100, "description": "How many; 25 without it."}


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool: what it is called, takes and gives, what it needs and does."""

    name: str
    title: str
    description: str
    scopes: tuple[str, ...]
    """What a personal token must have, all of them."""
    other_scopes: tuple[str, ...] = ()
    """What is enough for a part of what the tool does."""
    input_schema: Schema
    output_schema: Schema | None = None
    effect: Effect
    is_idempotent: bool = False
    is_open_world: bool = False
    """Whether it makes anything outside of this product happen by itself."""
    work: Work | None = None
    """What it does, in a thread; None for the one that waits."""
    longest_text: int = LONGEST_TEXT
    is_older: bool = False
    """Whether it looks and answers exactly as the older server's tool of this name."""

    @cached_property
    def validator(self) -> Draft202012Validator:
        return Draft202012Validator(self.input_schema)

    @cached_property
    def listed(self) -> ListedTool:
        """The tool as tools/list shows it."""
        return ListedTool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.input_schema,
            output_schema=self.output_schema,
            annotations=self._annotations,
        )

    @property
    def _annotations(self) -> ToolAnnotations:
        return ToolAnnotations(
            read_only_hint=self.effect == "reads",
            destructive_hint=self.effect == "destroys",
            idempotent_hint=self.effect == "reads" or self.is_idempotent,
            open_world_hint=self.is_open_world,
        )


def an_id(of_what: str) -> Schema:
    """The argument that names one object."""
    return {"type": "string", "pattern": UUID_PATTERN, "minLength": 36, "maxLength": 36, "description": of_what}


def cut(value: Any, longest: int) -> Any:
    """The value with texts of at most so many characters: clients take no messages of any size."""
    if isinstance(value, str) and len(value) > longest:
        return f"{value[:longest]}\n[Cut here; {len(value) - longest} more characters. REST gives all of it.]"
    if isinstance(value, Mapping):
        return {name: cut(each, longest) for name, each in value.items()}
    return [cut(each, longest) for each in value] if isinstance(value, list) else value
