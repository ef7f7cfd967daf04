"""Bodies and answers of the routes of invitations."""

from typing import Any

from rest_framework import serializers

from accounts.invitations import MAIL_STATES, STATES
from accounts.mails import EMAIL_CHARACTERS
from accounts.sign_in import MAX_USERNAME_CHARACTERS
from personalq.lib.fields import StrictBooleanField, StrictCharField, StrictSerializer


class InvitationForm(StrictSerializer):
    """Whom to invite."""

    email = StrictCharField(max_length=EMAIL_CHARACTERS, single_line=True, help_text="Of the account to be.")
    username = StrictCharField(
        max_length=MAX_USERNAME_CHARACTERS,
        allow_blank=True,
        default="",
        help_text="The account's name; whoever is invited chooses one when it is empty.",
    )
    is_operator = StrictBooleanField(
        default=False, help_text="Whether the account is to be an operator's: superusers only."
    )


class Invitation(serializers.Serializer[Any]):
    """An invitation. Its link is never part of an answer but of the one that made it."""

    uuid = serializers.UUIDField()
    email = serializers.CharField()
    username = serializers.CharField(help_text="Empty: chosen by whoever is invited.")
    is_operator = serializers.BooleanField()
    state = serializers.ChoiceField(choices=STATES)
    mail = serializers.ChoiceField(
        choices=MAIL_STATES, help_text="What became of the letter: `off` where no e-mails are sent."
    )
    made_by = serializers.CharField(allow_null=True, help_text="The operator's user name; null when deleted.")
    account = serializers.CharField(allow_null=True, help_text="The user name of the account that was made.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    used_at = serializers.DateTimeField(allow_null=True)
    url = serializers.URLField()


class NewInvitation(Invitation):
    """An invitation just made."""

    link = serializers.CharField(
        help_text="For the invited person alone; it is never shown again. Without PERSONALQ_PUBLIC_URL only its path."
    )


class InvitationPage(serializers.Serializer[Any]):
    """Invitations, newest first. Those that are over stay in the list for 90 days."""

    results = Invitation(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)
