"""Doors that work comes in by, and ways by which word of it goes out."""

from webhooks.models.door import Door, DoorKind, DoorSecret, InboundRequest, Outcome
from webhooks.models.endpoint import Delivery, DeliveryAttempt, DeliveryState, Endpoint, EndpointSecret, OffReason
from webhooks.models.notice import Notice, NoticeChoice, NoticeKind
from webhooks.models.telegram import (
    TelegramBot,
    TelegramLink,
    TelegramLinkCode,
    TelegramRecording,
    TelegramReply,
    TelegramThread,
)

__all__ = [
    "Delivery",
    "DeliveryAttempt",
    "DeliveryState",
    "Door",
    "DoorKind",
    "DoorSecret",
    "Endpoint",
    "EndpointSecret",
    "InboundRequest",
    "Notice",
    "NoticeChoice",
    "NoticeKind",
    "OffReason",
    "Outcome",
    "TelegramBot",
    "TelegramLink",
    "TelegramLinkCode",
    "TelegramRecording",
    "TelegramReply",
    "TelegramThread",
]
