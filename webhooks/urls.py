"""Doors for other systems. No address below has a slash at its end, and none takes a query."""

from django.urls import re_path

from webhooks import runner_callbacks
from webhooks.inbound import views as inbound
from webhooks.telegram import intake as telegram
from webhooks.voice import agent_tools

urlpatterns = [
    re_path(rf"^{runner_callbacks.ADDRESS}$", runner_callbacks.take_callback, name="runner-callback"),
    re_path(rf"^{inbound.ADDRESS}$", inbound.take_webhook, name="door-webhook"),
    re_path(rf"^{inbound.ELEVENLABS_ADDRESS}$", inbound.take_call, name="door-call"),
    re_path(rf"^{telegram.ADDRESS}$", telegram.take_update, name="telegram-update"),
    re_path(r"^agent-tools$", agent_tools.take_call, name="agent-tools"),
]
