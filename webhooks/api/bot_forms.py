"""Bodies and answers of the routes of Telegram bots, their webhooks, links and codes."""

from typing import Any, Final

from rest_framework import serializers

from personalq.lib.fields import (
    SomeChange,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    StrictUUIDField,
)
from personalq.lib.names import NAME_LENGTH, plain_name
from webhooks.doors.secrets import LONGEST_OVERLAP_SECONDS
from webhooks.telegram.updates import ALLOWED_UPDATES

DEFAULT_OVERLAP_SECONDS: Final = 3600
_LONGEST_TOKEN: Final = 100
_LONGEST_VOICE: Final = 64


def _name(**options: Any) -> StrictCharField:
    return StrictCharField(
        max_length=NAME_LENGTH,
        refuse_edge_space=True,
        single_line=True,
        validators=[plain_name],
        help_text="Unique among your doors.",
        **options,
    )


def _token(**options: Any) -> StrictCharField:
    return StrictCharField(
        max_length=_LONGEST_TOKEN,
        single_line=True,
        write_only=True,
        help_text="As BotFather gave it. Taken and never shown again.",
        **options,
    )


class _Speech(StrictSerializer):
    speech_credential = StrictUUIDField(
        required=False, allow_null=True, help_text="An ElevenLabs credential of the bot's owner; null for none."
    )
    voice = StrictCharField(
        max_length=_LONGEST_VOICE, required=False, allow_blank=True, help_text="The id of an ElevenLabs voice."
    )
    is_shared = StrictBooleanField(required=False, help_text="Whether other users may link their accounts, too.")


class BotForm(_Speech):
    """A bot that BotFather has made."""

    name = _name()
    token = _token()


class BotChangesForm(_Speech, SomeChange):
    """What is not sent stays."""

    name = _name(required=False)
    token = _token(required=False)


class WebhookForm(StrictSerializer):
    """How the webhook is set."""

    drop_pending_updates = StrictBooleanField(
        default=False, help_text="Whether Telegram forgets what it has not delivered yet."
    )


class BotRotationForm(StrictSerializer):
    """How long the door's old secret counts."""

    keep_old_seconds = StrictIntegerField(
        min_value=0,
        max_value=LONGEST_OVERLAP_SECONDS,
        default=DEFAULT_OVERLAP_SECONDS,
        help_text="So long updates that Telegram sent with the old secret come in.",
    )


class LinkCodeForm(StrictSerializer):
    """For whom the messages will be."""

    agent = StrictCharField(max_length=NAME_LENGTH, help_text="One of your agents, by name or id.")


class LinkChangesForm(SomeChange):
    """What is not sent stays."""

    agent = StrictCharField(max_length=NAME_LENGTH, required=False, help_text="One of your agents, by name or id.")
    queue = StrictCharField(
        max_length=NAME_LENGTH, required=False, allow_null=True, help_text="By name or id; null for the agent's."
    )
    wants_speech = StrictBooleanField(required=False, help_text="Whether answers to recordings are spoken as well.")


class TelegramBot(serializers.Serializer[Any]):
    """A bot. Its token and its door's secret are never part of an answer."""

    uuid = serializers.UUIDField()
    name = serializers.CharField()
    username = serializers.CharField(help_text="In Telegram, without the @.")
    is_shared = serializers.BooleanField()
    is_open = serializers.BooleanField(help_text="Whether updates come in.")
    speech_credential = serializers.UUIDField(allow_null=True)
    voice = serializers.CharField()
    webhook_set_at = serializers.DateTimeField(allow_null=True, help_text="Null while Telegram was not told.")
    held_until_at = serializers.DateTimeField(allow_null=True, help_text="Until then Telegram wants silence.")
    door = serializers.UUIDField()
    owner = serializers.CharField(help_text="The owner's user name.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    url = serializers.URLField()


class TelegramBotPage(serializers.Serializer[Any]):
    """Bots, newest first."""

    results = TelegramBot(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)


class SharedBot(serializers.Serializer[Any]):
    """A bot to which you may link your account."""

    uuid = serializers.UUIDField()
    username = serializers.CharField()
    owner = serializers.CharField()


class SharedBotPage(serializers.Serializer[Any]):
    """Shared bots, newest first."""

    results = SharedBot(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class TelegramWebhook(serializers.Serializer[Any]):
    """What Telegram says about the webhook of a bot."""

    is_set = serializers.BooleanField(help_text="Whether it leads to this bot's door.")
    leads_elsewhere = serializers.BooleanField(help_text="Whether it leads to another address, which is not shown.")
    webhook_url = serializers.CharField(source="url", help_text="The address of the door.")
    pending_update_count = serializers.IntegerField()
    last_error_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField(help_text="Telegram's own words about the last delivery that failed.")
    allowed_updates = serializers.ListField(child=serializers.ChoiceField(choices=ALLOWED_UPDATES))
    max_connections = serializers.IntegerField(allow_null=True)


class LinkCode(serializers.Serializer[Any]):
    """A code that is good once, for ten minutes. It is not shown again."""

    code = serializers.CharField(help_text="What to send to the bot: /start and the code.")
    url = serializers.URLField(help_text="Opens the bot in Telegram with the code.")
    agent = serializers.UUIDField()
    expires_at = serializers.DateTimeField()


class TelegramLink(serializers.Serializer[Any]):
    """A person in a chat, and the account that this is."""

    uuid = serializers.UUIDField()
    bot = serializers.UUIDField()
    username = serializers.CharField(help_text="The bot's, in Telegram.")
    chat_title = serializers.CharField()
    account = serializers.CharField(help_text="The linked user's name.")
    agent = serializers.CharField(help_text="The agent's name.")
    queue = serializers.CharField(allow_null=True, help_text="The queue's name; null for the agent's.")
    wants_speech = serializers.BooleanField()
    linked_at = serializers.DateTimeField()
    url = serializers.URLField()


class TelegramLinkPage(serializers.Serializer[Any]):
    """Links, newest first."""

    results = TelegramLink(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
