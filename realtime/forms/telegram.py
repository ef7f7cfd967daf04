"""The forms of Telegram bots and of links to them."""

from typing import Any, Final

from django import forms

from accounts import credential_access
from accounts.models import Credential, Provider, User
from personalq.lib.names import NAME_LENGTH
from realtime.forms.fields import AnswerableForm, OwnAgentField, PlainCharField, QueueField, SingleLineField
from tasks import access

_LONGEST_TOKEN: Final = 100
_HIDING: Final = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class SpeechKeyField(forms.ModelChoiceField[Credential]):
    """One of somebody's ElevenLabs keys, by its public id."""

    def __init__(self) -> None:
        super().__init__(
            queryset=Credential.objects.none(),
            to_field_name="uuid",
            required=False,
            empty_label="none: recordings are not heard",
            label="Speech",
            help_text="The ElevenLabs key that turns recordings into text and answers into speech.",
        )


class BotForm(AnswerableForm):
    """A bot; of one that exists, an empty token leaves the present one."""

    name = SingleLineField(max_length=NAME_LENGTH, help_text="You will know it by this. Unique among your doors.")
    token = PlainCharField(
        max_length=_LONGEST_TOKEN,
        widget=forms.PasswordInput(attrs=_HIDING),
        help_text="As BotFather gave it. It is encrypted and never shown again.",
    )
    is_shared = forms.BooleanField(
        required=False, label="Shared", help_text="Other users may link their accounts to it, too."
    )
    speech_credential = SpeechKeyField()
    voice = SingleLineField(
        max_length=64, required=False, help_text="The id of the ElevenLabs voice that speaks. Empty: the usual one."
    )

    def __init__(self, owner: User, *args: Any, is_new: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["token"].required = is_new
        keys: Any = self.fields["speech_credential"]
        keys.queryset = credential_access.credentials_of(owner).filter(provider=Provider.ELEVENLABS)


class LinkCodeForm(AnswerableForm):
    """For which agent the messages will be."""

    agent = OwnAgentField(help_text="What you write to the bot goes to this agent. You can change that later.")

    def __init__(self, owner: User, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        agents: Any = self.fields["agent"]
        agents.queryset = access.agents_of(owner).order_by("name")


class LinkForm(LinkCodeForm):
    """What can be changed of a link."""

    queue = QueueField(required=False, empty_label="the agent's")
    wants_speech = forms.BooleanField(
        required=False, label="Spoken answers", help_text="Answers to recordings are spoken as well."
    )

    def __init__(self, owner: User, *args: Any, **options: Any) -> None:
        super().__init__(owner, *args, **options)
        queues: Any = self.fields["queue"]
        queues.offer_to(owner)
