"""The operators' view of doors, endpoints and what went through them."""

from webhooks.admin.doors import DoorAdmin, DoorSecretAdmin, InboundRequestAdmin
from webhooks.admin.endpoints import DeliveryAdmin, DeliveryAttemptAdmin, EndpointAdmin, EndpointSecretAdmin
from webhooks.admin.notices import NoticeAdmin, NoticeChoiceAdmin
from webhooks.admin.telegram import (
    TelegramBotAdmin,
    TelegramLinkAdmin,
    TelegramLinkCodeAdmin,
    TelegramRecordingAdmin,
    TelegramReplyAdmin,
    TelegramThreadAdmin,
)

__all__ = [
    "DeliveryAdmin",
    "DeliveryAttemptAdmin",
    "DoorAdmin",
    "DoorSecretAdmin",
    "EndpointAdmin",
    "EndpointSecretAdmin",
    "InboundRequestAdmin",
    "NoticeAdmin",
    "NoticeChoiceAdmin",
    "TelegramBotAdmin",
    "TelegramLinkAdmin",
    "TelegramLinkCodeAdmin",
    "TelegramRecordingAdmin",
    "TelegramReplyAdmin",
    "TelegramThreadAdmin",
]
