from typing import Any

from django.contrib import admin

from personalq.lib.admin import ReadOnly, SafeModelAdmin
from webhooks.models import (
    TelegramBot,
    TelegramLink,
    TelegramLinkCode,
    TelegramRecording,
    TelegramReply,
    TelegramThread,
)


@admin.register(TelegramBot)
class TelegramBotAdmin(ReadOnly, SafeModelAdmin[TelegramBot]):
    """Bots and whether they may speak. Tokens cannot be read here."""

    list_display = ("username", "door", "is_shared", "webhook_set_at", "held_until_at", "created_at")
    list_filter = ("is_shared", "created_at")
    list_select_related = ("door",)
    search_fields = ("uuid", "username", "door__name", "door__owner__username")
    fields = readonly_fields = (
        "uuid", "door", "telegram_id", "username", "is_shared", "speech_credential", "voice", "webhook_set_at",
        "held_until_at", "created_at", "updated_at",
    )  # fmt: skip
    show_full_result_count = False


@admin.register(TelegramLink)
class TelegramLinkAdmin(ReadOnly, SafeModelAdmin[TelegramLink]):
    """Who may speak to which bot for which account."""

    list_display = ("chat_title", "bot", "owner", "agent", "linked_at")
    list_filter = ("linked_at",)
    list_select_related = ("bot", "owner", "agent")
    search_fields = ("uuid", "owner__username", "bot__username")
    fields = readonly_fields = (
        "uuid", "bot", "owner", "chat_id", "sender_id", "chat_title", "agent", "queue", "wants_speech", "linked_at",
    )  # fmt: skip
    show_full_result_count = False


@admin.register(TelegramLinkCode)
class TelegramLinkCodeAdmin(ReadOnly, SafeModelAdmin[TelegramLinkCode]):
    """Codes that were made. Nobody can read one here."""

    list_display = ("uuid", "bot", "owner", "created_at", "expires_at", "used_at")
    list_select_related = ("bot", "owner")
    search_fields = ("uuid", "owner__username", "bot__username")
    fields = readonly_fields = ("uuid", "bot", "owner", "agent", "created_at", "expires_at", "used_at")
    show_full_result_count = False


@admin.register(TelegramThread)
class TelegramThreadAdmin(ReadOnly, SafeModelAdmin[TelegramThread]):
    """How much of a task's story stands in its chat."""

    list_display = ("id", "link", "number", "due_at", "claimed_until_at", "failures", "is_told", "parts_sent")
    list_filter = (("due_at", admin.EmptyFieldListFilter), "is_told")
    list_select_related = ("link",)
    search_fields = ("task__uuid",)
    fields = readonly_fields = (
        "task", "link", "number", "message_id", "topic_id", "was_spoken", "status_message_id", "status_at", "ending_id",
        "is_told", "parts_sent", "due_at", "claimed_until_at", "failures",
    )  # fmt: skip
    show_full_result_count = False


class _Waiting(ReadOnly, SafeModelAdmin[Any]):
    """Something that a worker is to do. What people wrote and were told is not shown."""

    list_filter = (("due_at", admin.EmptyFieldListFilter), "created_at")
    show_full_result_count = False


@admin.register(TelegramReply)
class TelegramReplyAdmin(_Waiting):
    """Answers to commands and buttons."""

    list_display = ("id", "bot", "method", "created_at", "due_at", "failures", "code")
    list_select_related = ("bot",)
    search_fields = ("bot__username", "code")
    fields = readonly_fields = (
        "bot", "method", "created_at", "due_at", "claimed_until_at", "failures", "code",
    )  # fmt: skip


@admin.register(TelegramRecording)
class TelegramRecordingAdmin(_Waiting):
    """Recordings that are still to become prompts, and those that did."""

    list_display = ("id", "link", "seconds", "created_at", "due_at", "failures", "code")
    list_select_related = ("link",)
    search_fields = ("link__uuid", "code")
    fields = readonly_fields = (
        "link", "message_id", "seconds", "created_at", "due_at", "claimed_until_at", "failures", "code",
    )  # fmt: skip
