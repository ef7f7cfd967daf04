"""JSON Schema of what forms take and documents give, so that a tool describes exactly what its route has."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from rest_framework import serializers

Schema = dict[str, Any]
UUID_PATTERN: Final = "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
VISIBLE_PATTERN: Final = "^[!-~]+$"
_AnyField = serializers.Field[Any, Any, Any, Any]


def of_form(
    form: type[serializers.Serializer[Any]], *, without: Collection[str] = (), more: Mapping[str, Schema] | None = None,
    required: Collection[str] = (),
) -> Schema:  # fmt: skip
    """The arguments that a form takes, closed to all others.

    Args:
        form: What reads a body or a query.
        without: Members that the tool does not offer.
        more: Members of the tool that are none of the form's; they come first.
        required: Those of them that have to be there.
    """
    fields = {name: field for name, field in form().fields.items() if name not in without}
    needed = [*required, *(name for name, field in fields.items() if field.required)]
    own = {name: _described(field) for name, field in fields.items()}
    return closed({**(more or {}), **own}, required=needed)


def closed(properties: Mapping[str, Schema], *, required: Collection[str] = ()) -> Schema:
    """An object with these members and no others."""
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def of_document(document: type[serializers.Serializer[Any]], **more: Schema) -> Schema:
    """What an answer holds; clients have to put up with members that come later."""
    fields = document().fields
    properties = {**{name: _described(field) for name, field in fields.items()}, **more}
    required = [*(name for name, field in fields.items() if field.required), *more]
    return {"type": "object", "properties": properties, "required": required}


def _described(field: _AnyField) -> Schema:
    schema = _typed(field)
    if field.help_text:
        schema["description"] = str(field.help_text)
    return _or_null(schema) if field.allow_null else schema


def _or_null(schema: Schema) -> Schema:
    if "type" in schema:
        schema["type"] = [schema["type"], "null"]
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return schema


def _typed(field: _AnyField) -> Schema:
    for kind, describe in _KINDS:
        if isinstance(field, kind):
            return describe(field)
    return {}


def _choice(field: Any) -> Schema:
    return {"type": "string", "enum": [str(choice) for choice in field.choices]}


def _number(kind: str) -> Callable[[Any], Schema]:
    def describe(field: Any) -> Schema:
        bounds = {"minimum": field.min_value, "maximum": field.max_value}
        return {"type": kind, **{name: bound for name, bound in bounds.items() if bound is not None}}

    return describe


def _text(field: Any) -> Schema:
    shortest = field.min_length or (0 if field.allow_blank or field.max_length is None else 1)
    bounds = {"minLength": shortest or None, "maxLength": field.max_length}
    return {"type": "string", **{name: bound for name, bound in bounds.items() if bound is not None}}


def _fixed(schema: Schema) -> Callable[[Any], Schema]:
    return lambda _: dict(schema)


def _list(field: Any) -> Schema:
    bounds = {"minItems": getattr(field, "min_length", None), "maxItems": getattr(field, "max_length", None)}
    items = _described(field.child)
    return {"type": "array", "items": items, **{name: bound for name, bound in bounds.items() if bound is not None}}


def _object(field: Any) -> Schema:
    required = [name for name, each in field.fields.items() if each.required]
    schema: Schema = {
        "type": "object",
        "properties": {name: _described(each) for name, each in field.fields.items()},
    }
    if required:
        schema["required"] = required
    return schema


def _any_json(field: Any) -> Schema:
    return {"type": "object"} if getattr(field, "object_only", False) else {}


# From the special to the general: the first that fits wins.
_KINDS: Final[tuple[tuple[type[Any], Callable[[Any], Schema]], ...]] = (
    (serializers.BooleanField, _fixed({"type": "boolean"})),
    (serializers.ChoiceField, _choice),
    (serializers.IntegerField, _number("integer")),
    (serializers.FloatField, _number("number")),
    (serializers.DecimalField, _fixed({"type": "string"})),
    (serializers.UUIDField, _fixed({"type": "string", "format": "uuid"})),
    (serializers.DateTimeField, _fixed({"type": "string", "format": "date-time"})),
    (serializers.DateField, _fixed({"type": "string", "format": "date"})),
    (serializers.URLField, _fixed({"type": "string", "format": "uri"})),
    (serializers.CharField, _text),
    (serializers.JSONField, _any_json),
    (serializers.ListSerializer, _list),
    (serializers.ListField, _list),
    (serializers.DictField, _fixed({"type": "object"})),
    (serializers.BaseSerializer, _object),
)
