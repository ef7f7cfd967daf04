"""The forms of a door."""

from typing import Any, Final

from django import forms

from accounts.models import User
from personalq.lib.names import NAME_LENGTH
from realtime.forms.fields import AnswerableForm, OwnAgentField, PlainCharField, QueueField, SingleLineField
from realtime.forms.own_fields import JSONTextField
from tasks import access
from tasks.models import PROMPT_LENGTH
from webhooks.doors.intake import EVENT_LENGTH
from webhooks.doors.keeping import NEEDED_BY_HMAC, TEMPLATED
from webhooks.doors.secrets import LONGEST_SECRET
from webhooks.models import Door, DoorKind
from webhooks.models.door import HEADER_LENGTH, TITLE_TEMPLATE_LENGTH

OVERLAPS: Final = (
    (0, "end it at once"),
    (3600, "an hour"),
    (24 * 3600, "a day"),
    (7 * 24 * 3600, "7 days"),
    (30 * 24 * 3600, "30 days"),
)
_TEMPLATE: Final = ("template", "title_template")
_SIGNATURE: Final = (
    "signature_header", "signature_prefix", "signature_digest", "signature_encoding", "timestamp_header", "id_header",
)  # fmt: skip
_CODE: Final = {"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}


def _secret_field() -> forms.Field:
    return SingleLineField(
        label="Secret",
        max_length=LONGEST_SECRET,
        required=False,
        widget=forms.PasswordInput(attrs=_CODE),
        help_text="Only if the sender has made one. Leave it empty, and one is made and shown once.",
    )


def _header_field(label: str, words: str) -> forms.Field:
    return SingleLineField(
        label=label,
        max_length=HEADER_LENGTH,
        required=False,
        widget=forms.TextInput(attrs=_CODE),
        help_text=words,
    )


class DoorForm(AnswerableForm):
    """What comes in by a door, and what is made of it."""

    name = SingleLineField(max_length=NAME_LENGTH, help_text="You will know it by this. Unique among yours.")
    agent = OwnAgentField(
        error_messages={"invalid_choice": "Choose one of your agents."}, help_text="Who works on what comes in."
    )
    queue = QueueField(required=False, empty_label="the agent's own", help_text="Where its tasks wait for their turn.")
    instruction = PlainCharField(
        max_length=PROMPT_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "prompt-field"}),
        help_text="What the agent is to do with what comes in, in your own words and without placeholders. What comes "
        "in stands beside it, as data.",
    )
    template = PlainCharField(
        max_length=PROMPT_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "code-field", **_CODE}),
        help_text="What it gets of a payload, such as {{ issue.title }} or {{ commits.0.message }}. Empty: all of it.",
    )
    title_template = SingleLineField(
        label="Title of its tasks",
        max_length=TITLE_TEMPLATE_LENGTH,
        required=False,
        help_text="Such as {{ event }}: {{ repository.name }}.",
    )
    signature_header = _header_field("Header of the signature", "Such as X-Signature.")
    signature_prefix = _header_field("What stands in front of it", "Such as sha256=")
    signature_digest = forms.ChoiceField(
        label="Hash", choices=[("sha256", "SHA-256"), ("sha512", "SHA-512")], required=False
    )
    signature_encoding = forms.ChoiceField(
        label="Written as", choices=[("hex", "hex"), ("base64", "base64")], required=False
    )
    timestamp_header = _header_field(
        "Header of the time", "Seconds since 1970, signed in front of the body with a dot. Empty: the body alone."
    )
    id_header = _header_field("Header of the id", "Of an id that stays the same when it is sent again.")

    def __init__(self, owner: User, kind: str, *args: Any, is_new: bool, **options: Any) -> None:
        """Take whose door it is or will be, and its kind."""
        super().__init__(*args, **options)
        if is_new:
            self.fields["secret"] = _secret_field()
        for name in _not_of(kind):
            del self.fields[name]
        if kind == DoorKind.HMAC:
            for name in NEEDED_BY_HMAC:
                self.fields[name].required = True
        if kind == DoorKind.ELEVENLABS:
            self._speak_of_calls()
        if "agent" in self.fields:
            agent: Any = self.fields["agent"]
            agent.queryset = access.agents_of(owner).order_by("name")
        queue: Any = self.fields["queue"]
        queue.offer_to(owner)

    def _speak_of_calls(self) -> None:
        """Say what ElevenLabs sends, which is alike for everybody, and that it has made the secret."""
        self.fields["template"].help_text = "Such as {{ conversation }}, which it is when empty: a line for each turn."
        self.fields["title_template"].help_text = "Such as {{ data.analysis.call_summary_title }}."
        if "secret" in self.fields:
            self.fields["secret"].help_text = "The one that ElevenLabs showed when you made the webhook there."


def initial_of(door: Door) -> dict[str, Any]:
    """What the form of a door shows."""
    same = {name: getattr(door, name) for name in ("name", "instruction", *_TEMPLATE, *_SIGNATURE)}
    agent, queue = door.agent, door.queue
    return {**same, "agent": agent.uuid if agent else None, "queue": queue.uuid if queue else None}


def _not_of(kind: str) -> tuple[str, ...]:
    without_template = () if kind in TEMPLATED else _TEMPLATE
    without_signature = () if kind == DoorKind.HMAC else _SIGNATURE
    # Each account that is linked to a bot has its own agent.
    without_agent = ("agent", "instruction") if kind == DoorKind.TELEGRAM else ()
    return (*without_template, *without_signature, *without_agent)


class DoorRotationForm(AnswerableForm):
    """A new secret, and for how long the old one counts."""

    keep_old_seconds = forms.TypedChoiceField(
        label="The old secret counts for", choices=OVERLAPS, coerce=int, initial=24 * 3600
    )
    secret = _secret_field()


class SampleForm(AnswerableForm):
    """A sample of what a sender sends."""

    event = SingleLineField(
        max_length=EVENT_LENGTH, required=False, help_text="What happened, as the sender calls it, such as push."
    )
    payload = JSONTextField(label="Payload (JSON)")
