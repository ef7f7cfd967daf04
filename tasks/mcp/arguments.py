"""What is wrong with a tool's arguments, in the words that REST has for wrong fields."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from personalq.lib.errors import FieldError, InvalidInput
from personalq.lib.fields import MAX_REPORTED_NAME_LENGTH, MAX_REPORTED_UNKNOWN_FIELDS
from personalq.lib.translation import MAX_REPORTED_ERRORS
from tasks.mcp.schemas import UUID_PATTERN, VISIBLE_PATTERN

_TYPES: Final = {
    "string": "Send a string.",
    "integer": "Send a whole number.",
    "number": "Send a number.",
    "boolean": "Send true or false.",
    "array": "Send a JSON array.",
    "object": "Send a JSON object.",
}

_PATTERNS: Final = {
    UUID_PATTERN: "Send an id such as 123e4567-e89b-42d3-a456-426614174000.",
    VISIBLE_PATTERN: "Use visible ASCII characters, without blanks.",
}


class InvalidArguments(InvalidInput):
    """A tool was called with arguments that its schema does not allow."""

    title = "The tool cannot be called with these arguments."
    advice = "Correct the arguments named in errors and call the tool again."


def check(validator: Draft202012Validator, arguments: Mapping[str, Any]) -> None:
    """Raises InvalidArguments, which names each wrong argument and repeats none."""
    found = violations(validator, arguments)
    if found:
        errors = [each for violation in found for each in _told(violation)]
        raise InvalidArguments(errors=list(dict.fromkeys(errors))[:MAX_REPORTED_ERRORS])


def violations(validator: Draft202012Validator, arguments: Mapping[str, Any]) -> list[ValidationError]:
    """The first things that the schema does not allow."""
    return list(islice(validator.iter_errors(arguments), MAX_REPORTED_ERRORS))


def _told(violation: ValidationError) -> Iterator[FieldError]:
    path = path_of(violation)
    if violation.validator == "required":
        for name in missing_in(violation):
            yield FieldError(_below(path, name), "required", "This field is required.")
    elif violation.validator == "additionalProperties":
        for name in strange_in(violation):
            yield FieldError(_below(path, name), "unknown_field", "There is no such field. Remove it or correct it.")
    else:
        code, tell = _SENTENCES.get(str(violation.validator), ("invalid", lambda _: "Send another value."))
        yield FieldError(path, code, tell(violation.validator_value))


def path_of(violation: ValidationError) -> str:
    """Such as `tasks[3].prompt`."""
    path = ""
    for part in violation.absolute_path:
        path = f"{path}[{part}]" if isinstance(part, int) else _below(path, str(part))
    return path


def missing_in(violation: ValidationError) -> list[str]:
    return [name for name in violation.validator_value if name not in violation.instance]


def strange_in(violation: ValidationError) -> list[str]:
    known = violation.schema.get("properties", {})
    return [str(name) for name in violation.instance if name not in known][:MAX_REPORTED_UNKNOWN_FIELDS]


def _below(path: str, name: str) -> str:
    shown = name[:MAX_REPORTED_NAME_LENGTH]
    return f"{path}.{shown}" if path else shown


def _of_type(wanted: Any) -> str:
    return _TYPES.get(wanted if isinstance(wanted, str) else wanted[0], "Send another type of value.")


_SENTENCES: Final[Mapping[str, tuple[str, Callable[[Any], str]]]] = {
    "type": ("invalid", _of_type),
    "enum": ("invalid_choice", lambda wanted: f"Use one of: {', '.join(str(each) for each in wanted)}."),
    "pattern": ("invalid", lambda wanted: _PATTERNS.get(wanted, "Send a text of another form.")),
    "maxLength": ("max_length", lambda most: f"Use at most {most} characters."),
    "minLength": ("min_length", lambda least: f"Use at least {least} characters."),
    "maximum": ("max_value", lambda most: f"Use at most {most}."),
    "minimum": ("min_value", lambda least: f"Use at least {least}."),
    "maxItems": ("max_length", lambda most: f"Send at most {most} items."),
    "minItems": ("min_length", lambda least: f"Send at least {least} items."),
    "uniqueItems": ("invalid", lambda _: "Name each only once."),
}
