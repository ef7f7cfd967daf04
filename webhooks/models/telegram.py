"""Telegram bots, the accounts linked to them, and what is said there."""

import uuid
from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Credential
from personalq.lib import sealing
from webhooks.models.door import DIGEST_FORM, Door

USERNAME_LENGTH: Final = 64
CHAT_TITLE_LENGTH: Final = 255
FILE_ID_LENGTH: Final = 255
METHOD_LENGTH: Final = 32


class TelegramBot(models.Model):
    """A bot: the door that Telegram knocks at, and the token by which we speak."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    door = models.OneToOneField(Door, on_delete=models.CASCADE, related_name="bot", editable=False)
    telegram_id = models.BigIntegerField(unique=True, editable=False)
    username = models.CharField(max_length=USERNAME_LENGTH, editable=False)
    sealed_token = sealing.SealedTextField()
    is_shared = models.BooleanField(default=False, help_text="Whether other users may link their accounts, too.")
    speech_credential = models.ForeignKey(
        Credential,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="bots",
        help_text="The ElevenLabs key that turns recordings into text and answers into speech.",
    )
    voice = models.CharField(max_length=64, blank=True, help_text="The id of the ElevenLabs voice that answers.")
    webhook_set_at = models.DateTimeField(null=True, blank=True, editable=False)
    held_until_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Telegram asked for silence until then."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "telegram_bots"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(sealed_token__regex=sealing.FORM), name="telegram_token_is_sealed")
        ]

    def __str__(self) -> str:
        return f"@{self.username}"


class TelegramLink(models.Model):
    """A person in a chat who may speak to a bot, and the account that this is."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    bot = models.ForeignKey(TelegramBot, on_delete=models.CASCADE, related_name="links", editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="telegram_links", editable=False
    )
    chat_id = models.BigIntegerField(editable=False)
    sender_id = models.BigIntegerField(editable=False)
    chat_title = models.CharField(max_length=CHAT_TITLE_LENGTH, blank=True, editable=False)
    agent = models.ForeignKey("tasks.Agent", on_delete=models.PROTECT, related_name="telegram_links")
    queue = models.ForeignKey(
        "tasks.Queue", on_delete=models.PROTECT, null=True, blank=True, related_name="telegram_links"
    )
    wants_speech = models.BooleanField(default=False, help_text="Answers to recordings are spoken as well.")
    linked_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "telegram_links"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["owner", "id"], name="telegram_links_of_owner")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bot", "chat_id", "sender_id"], name="telegram_person_is_linked_once")
        ]

    def __str__(self) -> str:
        return self.chat_title or f"chat {self.chat_id}"


class TelegramLinkCode(models.Model):
    """A code that links whoever sends it to the bot, once and for a short time. Only its digest is kept."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    bot = models.ForeignKey(TelegramBot, on_delete=models.CASCADE, related_name="link_codes", editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="telegram_link_codes", editable=False
    )
    agent = models.ForeignKey("tasks.Agent", on_delete=models.CASCADE, related_name="+", editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(editable=False)
    used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "telegram_link_codes"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(digest__regex=DIGEST_FORM), name="telegram_code_is_digested"),
            models.CheckConstraint(condition=Q(expires_at__gt=models.F("created_at")), name="telegram_code_ends"),
        ]

    def __str__(self) -> str:
        return f"code {self.uuid}"


class TelegramThread(models.Model):
    """Where a task came from in Telegram, and how much of its story stands there."""

    id = models.BigAutoField(primary_key=True)
    task = models.OneToOneField("tasks.Task", on_delete=models.CASCADE, related_name="telegram", editable=False)
    link = models.ForeignKey(TelegramLink, on_delete=models.CASCADE, related_name="threads", editable=False)
    number = models.PositiveIntegerField(
        editable=False, help_text="By which its person names it; each link counts anew."
    )
    message_id = models.BigIntegerField(editable=False)
    topic_id = models.BigIntegerField(null=True, editable=False, help_text="Of a forum, where the message stands in.")
    was_spoken = models.BooleanField(default=False, editable=False)
    status_message_id = models.BigIntegerField(null=True, editable=False)
    status_at = models.DateTimeField(null=True, editable=False, help_text="When the status was written last.")
    shown = models.CharField(max_length=64, blank=True, editable=False, help_text="Digest of what the status says.")
    ending_id = models.BigIntegerField(
        null=True, editable=False, help_text="The event of the end that is or has been told."
    )
    is_told = models.BooleanField(default=False, editable=False, help_text="Whether that end is told in full.")
    parts_sent = models.PositiveIntegerField(default=0, editable=False, help_text="Of the answer being told.")
    due_at = models.DateTimeField(null=True, editable=False, help_text="Empty: all is told.")
    claimed_until_at = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        db_table = "telegram_threads"
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="telegram_threads_due")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["link", "number"], name="telegram_thread_has_its_number")
        ]

    def __str__(self) -> str:
        return f"thread of task {self.task_id}"


class TelegramReply(models.Model):
    """One call of a bot's that is not about a task's story: an answer to a command or to a button."""

    id = models.BigAutoField(primary_key=True)
    bot = models.ForeignKey(TelegramBot, on_delete=models.CASCADE, related_name="replies", editable=False)
    method = models.CharField(max_length=METHOD_LENGTH, editable=False)
    payload = models.JSONField(editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    due_at = models.DateTimeField(null=True, db_default=Now(), editable=False, help_text="Empty: sent or given up.")
    claimed_until_at = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    code = models.CharField(max_length=64, blank=True, editable=False, help_text="Why it was given up.")

    class Meta:
        db_table = "telegram_replies"
        verbose_name_plural = "telegram replies"
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="telegram_replies_due")
        ]

    def __str__(self) -> str:
        return f"{self.method} #{self.pk}"


class TelegramRecording(models.Model):
    """A voice message that is still to become a prompt."""

    id = models.BigAutoField(primary_key=True)
    link = models.ForeignKey(TelegramLink, on_delete=models.CASCADE, related_name="recordings", editable=False)
    message_id = models.BigIntegerField(editable=False)
    file_id = models.CharField(max_length=FILE_ID_LENGTH, editable=False)
    seconds = models.PositiveIntegerField(default=0, editable=False)
    caption = models.TextField(blank=True, editable=False)
    topic_id = models.BigIntegerField(null=True, editable=False, help_text="Of a forum, where the message stands in.")
    is_own_voice = models.BooleanField(
        default=False, editable=False, help_text="Spoken into Telegram by its sender, and neither a file nor forwarded."
    )
    is_forwarded = models.BooleanField(default=False, editable=False)
    quoted = models.TextField(blank=True, editable=False, help_text="What the message answers to.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    due_at = models.DateTimeField(null=True, db_default=Now(), editable=False, help_text="Empty: done or given up.")
    claimed_until_at = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    code = models.CharField(max_length=64, blank=True, editable=False, help_text="Why it was given up.")

    class Meta:
        db_table = "telegram_recordings"
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="telegram_recordings_due")
        ]

    def __str__(self) -> str:
        return f"recording #{self.pk}"
