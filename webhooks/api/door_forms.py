"""Bodies and answers of the routes of doors."""

from typing import Any, Final

from rest_framework import serializers

from personalq.lib.fields import (
    SomeChange,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictJSONField,
    StrictSerializer,
)
from personalq.lib.names import NAME_LENGTH, plain_name
from personalq.lib.queries import ListQuery
from tasks.models import PROMPT_LENGTH
from webhooks.doors.intake import EVENT_LENGTH
from webhooks.doors.keeping import TEMPLATED
from webhooks.doors.secrets import LONGEST_OVERLAP_SECONDS, LONGEST_SECRET
from webhooks.models import DoorKind, Outcome
from webhooks.models.door import HEADER_LENGTH, TITLE_TEMPLATE_LENGTH

ALL_KINDS: Final = DoorKind.values
KINDS: Final = [kind.value for kind in DoorKind if kind in TEMPLATED or kind == DoorKind.AGENT_TOOLS]
"""Kinds that are made here. A Telegram bot brings its door with it."""
PAYLOAD_BYTES: Final = 131_072
DEFAULT_OVERLAP_SECONDS: Final = 86_400
_OF_HMAC: Final = "Of `hmac`:"


def _text(length: int, words: str, **options: Any) -> StrictCharField:
    return StrictCharField(max_length=length, required=False, allow_blank=True, help_text=words, **options)


def _line(length: int, words: str) -> StrictCharField:
    return _text(length, words, single_line=True)


class _DoorFields(StrictSerializer):
    """Whether the fields fit together is for `webhooks.doors.keeping` to say."""

    queue = StrictCharField(
        max_length=NAME_LENGTH,
        required=False,
        allow_null=True,
        help_text="A queue's id or name; null: the agent's own.",
    )
    instruction = _text(
        PROMPT_LENGTH,
        "What the agent is to do with what comes in: your own words, without placeholders. Without it what comes in is "
        "the prompt itself, and is not trusted.",
    )
    template = _text(
        PROMPT_LENGTH, "What the agent gets of a payload, such as `{{ issue.title }}`. Without it: all of it, as JSON."
    )
    title_template = _line(TITLE_TEMPLATE_LENGTH, "The title of its tasks, with placeholders as well.")
    signature_header = _line(HEADER_LENGTH, f"{_OF_HMAC} the header that the signature stands in.")
    signature_prefix = _line(HEADER_LENGTH, f"{_OF_HMAC} what stands in front of it, such as `sha256=`.")
    signature_digest = StrictChoiceField(
        choices=["sha256", "sha512"], required=False, help_text=f"{_OF_HMAC} the hash of the HMAC."
    )
    signature_encoding = StrictChoiceField(
        choices=["hex", "base64"], required=False, help_text=f"{_OF_HMAC} how it is written."
    )
    timestamp_header = _line(
        HEADER_LENGTH,
        f"{_OF_HMAC} the header with the seconds since 1970, which are signed in front of the body with a dot.",
    )
    id_header = _line(HEADER_LENGTH, f"{_OF_HMAC} the header with an id that stays the same when it is sent again.")


class _SecretField(StrictCharField):
    def __init__(self) -> None:
        super().__init__(
            max_length=LONGEST_SECRET,
            required=False,
            write_only=True,
            help_text="Your own, of 16 to 256 visible ASCII characters. Without it one is made.",
        )


def _name(**options: Any) -> StrictCharField:
    return StrictCharField(
        max_length=NAME_LENGTH,
        refuse_edge_space=True,
        single_line=True,
        validators=[plain_name],
        help_text="Unique among your doors.",
        **options,
    )


class DoorForm(_DoorFields):
    """A new door."""

    name = _name()
    kind = StrictChoiceField(choices=KINDS, help_text="How its sender proves itself. It cannot be changed later.")
    agent = StrictCharField(max_length=NAME_LENGTH, help_text="One of your agents, by id or name.")
    secret = _SecretField()


class DoorChangeForm(SomeChange, _DoorFields):
    """What is to change."""

    name = _name(required=False)
    agent = StrictCharField(max_length=NAME_LENGTH, required=False, help_text="One of your agents, by id or name.")


class RotationForm(StrictSerializer):
    """A new secret."""

    keep_old_seconds = StrictIntegerField(
        min_value=0,
        max_value=LONGEST_OVERLAP_SECONDS,
        required=False,
        default=DEFAULT_OVERLAP_SECONDS,
        help_text="How long the present secret counts as well; 0 ends it at once. A day without it.",
    )
    secret = _SecretField()


class DoorPreviewForm(StrictSerializer):
    """A sample of what the sender sends."""

    payload = StrictJSONField(max_bytes=PAYLOAD_BYTES, max_depth=32, help_text="A JSON object.")
    event = StrictCharField(
        max_length=EVENT_LENGTH, required=False, allow_blank=True, single_line=True, help_text="Such as `push`."
    )


class DoorQuery(ListQuery):
    """Which doors."""

    kind = StrictChoiceField(choices=ALL_KINDS, required=False, help_text="Only of this kind.")


class Reference(serializers.Serializer[Any]):
    """What a door belongs together with."""

    uuid = serializers.UUIDField()
    name = serializers.CharField()


class DoorSecretState(serializers.Serializer[Any]):
    """A secret that counts now. It is never part of an answer."""

    created_at = serializers.DateTimeField()
    valid_until_at = serializers.DateTimeField(allow_null=True, help_text="Null: the present one.")


class Door(serializers.Serializer[Any]):
    """A door."""

    uuid = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=ALL_KINDS)
    address = serializers.CharField(help_text="Where its sender sends to.")
    is_open = serializers.BooleanField(help_text="A closed door answers like one with a wrong secret.")
    agent = Reference(allow_null=True)
    queue = Reference(allow_null=True, help_text="Null: the agent's own.")
    instruction = serializers.CharField()
    template = serializers.CharField()
    title_template = serializers.CharField()
    signature_header = serializers.CharField()
    signature_prefix = serializers.CharField()
    signature_digest = serializers.CharField()
    signature_encoding = serializers.CharField()
    timestamp_header = serializers.CharField()
    id_header = serializers.CharField()
    has_secret = serializers.BooleanField()
    secrets = DoorSecretState(many=True, help_text="The secrets that count now, newest first.")
    owner = serializers.CharField(help_text="The owner's user name.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    last_refused_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    url = serializers.URLField()


class NewDoor(Door):
    """A door and its secret, which is shown this once."""

    secret = serializers.CharField()


class DoorPage(serializers.Serializer[Any]):
    """Doors, newest first."""

    results = Door(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)


class InboundRequest(serializers.Serializer[Any]):
    """A request that was let in."""

    request_id = serializers.CharField(help_text="The sender's id of it, or a digest.")
    outcome = serializers.ChoiceField(choices=Outcome.values)
    code = serializers.CharField(help_text="Why, when no task came of it.")
    task = serializers.UUIDField(allow_null=True)
    at = serializers.DateTimeField()


class InboundRequestPage(serializers.Serializer[Any]):
    """Requests, newest first; they are kept for 30 days."""

    results = InboundRequest(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class DoorPreview(serializers.Serializer[Any]):
    """What a payload would come to."""

    outcome = serializers.ChoiceField(
        choices=["ready", "held", "refused", "ignored"],
        help_text="`held`: it would wait for your approval. `ignored`: no task would come of it.",
    )
    reason = serializers.CharField(help_text="Why, unless it would be ready.")
    title = serializers.CharField()
    prompt = serializers.CharField()
    untrusted_text = serializers.CharField()
    trusted = serializers.BooleanField(help_text="Whether the prompt is your own word.")
    origin = serializers.CharField()
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="Placeholders that the payload has nothing for."
    )
    cut = serializers.BooleanField(help_text="Whether it is longer than a task may be.")
    suspicion = serializers.JSONField(allow_null=True)
