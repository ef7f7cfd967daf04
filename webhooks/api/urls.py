"""The routes of doors, bots, endpoints and notices, below /api/v1."""

from django.urls import URLPattern, path

from webhooks.api import bot_views, delivery_views, door_views, endpoint_views, link_views, notice_views

urlpatterns: list[URLPattern] = [
    path("/doors", door_views.DoorList.as_view(), name="api-doors"),
    path("/doors/<uuid:uuid>", door_views.OneDoor.as_view(), name="api-door"),
    path("/doors/<uuid:uuid>/open", door_views.OpenDoor.as_view(), name="api-door-open"),
    path("/doors/<uuid:uuid>/close", door_views.CloseDoor.as_view(), name="api-door-close"),
    path("/doors/<uuid:uuid>/rotate", door_views.RotateDoor.as_view(), name="api-door-rotate"),
    path("/doors/<uuid:uuid>/preview", door_views.PreviewDoor.as_view(), name="api-door-preview"),
    path("/doors/<uuid:uuid>/requests", door_views.DoorRequests.as_view(), name="api-door-requests"),
    # Telegram bots, their links and codes.
    path("/telegram/bots", bot_views.BotList.as_view(), name="api-telegram-bots"),
    path("/telegram/shared-bots", bot_views.SharedBotList.as_view(), name="api-telegram-shared-bots"),
    path("/telegram/bots/<uuid:uuid>", bot_views.OneBot.as_view(), name="api-telegram-bot"),
    path("/telegram/bots/<uuid:uuid>/webhook", bot_views.BotWebhook.as_view(), name="api-telegram-bot-webhook"),
    path("/telegram/bots/<uuid:uuid>/rotate", bot_views.RotateBot.as_view(), name="api-telegram-bot-rotate"),
    path("/telegram/bots/<uuid:uuid>/link-codes", link_views.LinkCodes.as_view(), name="api-telegram-link-codes"),
    path("/telegram/bots/<uuid:uuid>/links", link_views.BotLinks.as_view(), name="api-telegram-bot-links"),
    path("/telegram/links", link_views.LinkList.as_view(), name="api-telegram-links"),
    path("/telegram/links/<uuid:uuid>", link_views.OneLink.as_view(), name="api-telegram-link"),
    # Endpoints and deliveries.
    path("/webhook-endpoints", endpoint_views.EndpointList.as_view(), name="api-webhook-endpoints"),
    path("/webhook-endpoints/<uuid:uuid>", endpoint_views.OneEndpoint.as_view(), name="api-webhook-endpoint"),
    path(
        "/webhook-endpoints/<uuid:uuid>/rotate",
        endpoint_views.RotateEndpoint.as_view(),
        name="api-webhook-endpoint-rotate",
    ),
    path(
        "/webhook-endpoints/<uuid:uuid>/on", endpoint_views.SwitchEndpointOn.as_view(), name="api-webhook-endpoint-on"
    ),
    path(
        "/webhook-endpoints/<uuid:uuid>/off",
        endpoint_views.SwitchEndpointOff.as_view(),
        name="api-webhook-endpoint-off",
    ),
    path(
        "/webhook-endpoints/<uuid:uuid>/test", endpoint_views.TestEndpoint.as_view(), name="api-webhook-endpoint-test"
    ),
    path(
        "/webhook-endpoints/<uuid:uuid>/redeliver-failed",
        endpoint_views.RedeliverFailed.as_view(),
        name="api-webhook-endpoint-redeliver-failed",
    ),
    path(
        "/webhook-endpoints/<uuid:uuid>/deliveries",
        delivery_views.DeliveryList.as_view(),
        name="api-webhook-endpoint-deliveries",
    ),
    path("/webhook-deliveries/<uuid:uuid>", delivery_views.OneDelivery.as_view(), name="api-webhook-delivery"),
    path(
        "/webhook-deliveries/<uuid:uuid>/redeliver",
        delivery_views.Redeliver.as_view(),
        name="api-webhook-delivery-redeliver",
    ),
    path("/notices", notice_views.NoticeChoices.as_view(), name="api-notices"),
]
