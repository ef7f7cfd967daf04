"""The OpenAPI document, prepared for a page: operations with their parameters, bodies and answers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

Document = Mapping[str, Any]
_METHODS: Final = ("get", "post", "patch", "put", "delete")
_BOUNDS: Final = {
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxItems": "at most {} items",
    "default": "{} unless told",
}


@dataclass(frozen=True, kw_only=True)
class Member:
    """A parameter, or a field of a body."""

    name: str
    type: str
    is_required: bool
    notes: list[SafeString] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One form that a body may have."""

    name: str
    members: list[Member]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One response."""

    status: str
    description: SafeString
    media_type: str
    shapes: list[Shape]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    summary: str
    description: SafeString
    parameters: list[Member]
    bodies: list[Shape]
    answers: list[Answer]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Operations that belong together."""

    name: str
    operations: list[Operation]


def described(document: Document) -> list[Group]:
    """All operations, grouped by their tag in the order of the document."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                tag = methods[method]["tags"][0]
                groups.setdefault(tag, []).append(_operation(document, path, method, methods[method]))
    return [Group(name=name, operations=operations) for name, operations in groups.items()]


def marked(text: str) -> SafeString:
    """Text in which what stands between `backticks` is code."""
    parts = re.split(r"`([^`]*)`", text)
    pairs = zip(parts[::2], [*parts[1::2], ""], strict=True)
    return format_html_join(
        "", "{}{}", ((plain, format_html("<code>{}</code>", code) if code else "") for plain, code in pairs)
    )


def _operation(document: Document, path: str, method: str, details: Document) -> Operation:
    body: Document = details.get("requestBody", {})
    schema = body.get("content", {}).get("application/json", {}).get("schema")
    return Operation(
        id=details["operationId"],
        method=method.upper(),
        path=path,
        summary=details.get("summary", ""),
        description=marked(details.get("description", "")),
        parameters=[_parameter(document, each) for each in details.get("parameters", ())],
        bodies=list(_shapes(document, schema)) if schema else [],
        answers=[_answer(document, *each) for each in details["responses"].items()],
    )


def _parameter(document: Document, parameter: Document) -> Member:
    described_here = _member(document, parameter["name"], parameter["schema"], bool(parameter.get("required")))
    notes = [marked(parameter["description"])] if parameter.get("description") else []
    return Member(
        name=described_here.name,
        type=f"{described_here.type}, {parameter['in']}",
        is_required=described_here.is_required,
        notes=[*notes, *described_here.notes],
    )


def _answer(document: Document, status: str, response: Document) -> Answer:
    contents: Document = response.get("content", {})
    media_type = next(iter(contents), "")
    schema = contents[media_type].get("schema") if media_type else None
    return Answer(
        status=status,
        description=marked(response.get("description", "")),
        media_type=media_type,
        shapes=list(_shapes(document, schema)) if schema else [],
    )


def _shapes(document: Document, schema: Document) -> Iterator[Shape]:
    resolved = _resolved(document, schema)
    for variant in resolved.get("oneOf", ()):
        yield from _shapes(document, variant)
    required = resolved.get("required", ())
    properties = resolved.get("properties", {})
    if properties:
        members = [_member(document, name, each, name in required) for name, each in properties.items()]
        first_required = sorted(members, key=lambda member: not member.is_required)
        yield Shape(name=_variant_of(properties) or _name_of(schema), members=first_required)
    for each in properties.values():
        if "$ref" in each.get("items", {}):
            yield from _shapes(document, each["items"])


def _variant_of(properties: Document) -> str:
    """What tells one form from the others, such as `kind echo`."""
    fixed = (f"{name} {each['const']}" for name, each in properties.items() if "const" in each)
    return next(fixed, "")


def _member(document: Document, name: str, schema: Document, is_required: bool) -> Member:  # noqa: FBT001
    return Member(name=name, type=_type_of(document, schema), is_required=is_required, notes=_notes(document, schema))


def _type_of(document: Document, schema: Document) -> str:
    resolved = _resolved(document, schema)
    kind = resolved.get("type", "")
    kinds = [kind] if isinstance(kind, str) else list(kind)
    if kinds == ["array"]:
        return f"array of {_name_of(resolved['items']) or _type_of(document, resolved['items'])}"
    if "oneOf" in resolved:
        kinds = [_type_of(document, each) for each in resolved["oneOf"]]
    words = " or ".join(dict.fromkeys(each for each in kinds if each)) or "any"
    return f"{words} ({resolved['format']})" if "format" in resolved else words


def _notes(document: Document, schema: Document) -> list[SafeString]:
    resolved = _resolved(document, schema)
    choices = [f"`{each}`" for each in _choices(document, resolved) if each is not None]
    bounds = [text.format(_shown(resolved[name])) for name, text in _BOUNDS.items() if name in resolved]
    description = schema.get("description") or resolved.get("description", "")
    notes = [description, "One of " + ", ".join(choices) + "." if choices else "", _sentence(bounds)]
    return [marked(note) for note in notes if note]


def _shown(value: Any) -> str:
    return f"{value:,}" if type(value) is int else str(value)


def _choices(document: Document, schema: Document) -> list[Any]:
    if "const" in schema:
        return [schema["const"]]
    items = _resolved(document, schema.get("items", {}))
    return list(schema.get("enum") or items.get("enum") or ())


def _sentence(parts: list[str]) -> str:
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _resolved(document: Document, schema: Document) -> Document:
    # Components are wrapped in allOf where a description stands beside the reference.
    wrapped = schema.get("allOf", ())
    reference = schema.get("$ref") or (wrapped[0].get("$ref") if wrapped else None)
    if reference is None:
        return schema
    found: Document = document["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    return found


def _name_of(schema: Document) -> str:
    return str(schema.get("$ref", "")).rsplit("/", 1)[-1]
