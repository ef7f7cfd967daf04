"""Webhook endpoints on the pages: made, their secret shown once, looked at, switched, rotated and deleted."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from tests.accounts.clients import SecureClient
from tests.realtime.pages.reading import text_of
from tests.webhooks.outbound.sending import make_endpoint, make_events, now, only
from webhooks.models import Delivery, DeliveryAttempt, Endpoint
from webhooks.outbound import endpoints
from webhooks.outbound.leases import open_secret

pytestmark = pytest.mark.django_db
FORM = {"name": "builds", "target_url": "https://hooks.example.org/in", "kinds": ["task_failed", "task_completed"]}


def secret_in(response: Any) -> str:
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", text_of(response))
    assert found
    return found[0]


class TestMaking:
    @pytest.mark.security
    def test_secret_is_shown_this_once(self, page: SecureClient) -> None:
        made = page.post("/webhook-endpoints/new", FORM)
        endpoint = Endpoint.objects.get()
        assert (made.status_code, "no-store" in made["Cache-Control"]) == (200, True)
        assert secret_in(made) == open_secret(endpoint.secrets.get())
        shown = text_of(page.get(f"/webhook-endpoints/{endpoint.uuid}"))
        assert "whsec_" not in shown
        assert "https://hooks.example.org/in" in shown

    def test_usual_kinds_are_ticked_and_output_cannot_be_chosen(self, page: SecureClient) -> None:
        content = page.get("/webhook-endpoints/new").content.decode()
        assert 'value="task_failed" id="id_kind_task_failed" checked' in content
        assert 'value="task_started" id="id_kind_task_started">' in content
        assert "task_output" not in content

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"target_url": "https://127.0.0.1/"}, "This host leads into a network that must not be reached"),
            ({"target_url": "ftp://hooks.example.org/"}, "This address cannot be used."),
            ({"kinds": []}, "Choose at least one kind of event."),
            ({"name": "<b>"}, "Use letters, digits"),
        ],
    )
    def test_what_is_wrong_is_marked_and_what_was_typed_stays(
        self, page: SecureClient, changes: dict[str, Any], words: str
    ) -> None:
        refused = page.post("/webhook-endpoints/new", {**FORM, **changes})
        assert refused.status_code == 400
        assert words in text_of(refused)
        assert not Endpoint.objects.exists()


class TestOne:
    def test_shows_its_deliveries_and_how_they_were_answered(self, page: SecureClient, alice: User) -> None:
        endpoint = make_endpoint(alice, kinds=["task_created"], name="builds")
        make_events(alice, 3)
        failed = Delivery.objects.order_by("pk")[0]
        Delivery.objects.filter(pk=failed.pk).update(
            state="failed", due_at=None, attempts=2, last_code="too_slow", last_status=None
        )
        shown = text_of(page.get(f"/webhook-endpoints/{endpoint.uuid}"))
        assert "given up" in shown
        assert "no answer: too slow · 2 attempts" in shown
        assert "Send all again that failed" in shown
        narrowed = page.get(f"/webhook-endpoints/{endpoint.uuid}?state=failed").content.decode()
        assert narrowed.count("/webhook-deliveries/") == 1

    def test_says_why_it_is_off_and_what_waits(self, page: SecureClient, alice: User) -> None:
        endpoint = make_endpoint(alice, kinds=["task_created"])
        make_events(alice, 2)
        Endpoint.objects.update(off_reason="failing", off_at=timezone.now())
        shown = text_of(page.get(f"/webhook-endpoints/{endpoint.uuid}"))
        assert "off: nothing arrived for three days" in shown
        assert "2 deliveries wait for it" in shown
        assert "off: nothing arrived for three days" in text_of(page.get("/webhook-endpoints"))
        page.post(f"/webhook-endpoints/{endpoint.uuid}/on")
        assert now(endpoint).is_on

    def test_buttons_do_what_they_say(self, page: SecureClient, alice: User) -> None:
        endpoint = make_endpoint(alice, kinds=["task_created"])
        address = f"/webhook-endpoints/{endpoint.uuid}"
        page.post(f"{address}/test")
        assert only(endpoint).kind == "ping"
        page.post(f"{address}/off")
        assert now(endpoint).off_reason == "owner"
        refused = page.post(f"{address}/test", follow=True)
        assert "Switch it on first" in text_of(refused)
        assert Delivery.objects.count() == 1

    def test_failed_deliveries_are_sent_again_by_one_button(self, page: SecureClient, alice: User) -> None:
        endpoint = make_endpoint(alice, kinds=["task_created"])
        make_events(alice, 2)
        Delivery.objects.update(state="failed", due_at=None)
        done = page.post(f"/webhook-endpoints/{endpoint.uuid}/redeliver-failed", follow=True)
        assert "gets 2 deliveries again that had failed" in text_of(done)
        assert Delivery.objects.filter(state="pending").count() == 2

    def test_costs_as_many_queries_for_many_deliveries_as_for_one(self, page: SecureClient, alice: User) -> None:
        endpoint = make_endpoint(alice, kinds=["task_created"])
        make_events(alice)
        page.get(f"/webhook-endpoints/{endpoint.uuid}")
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                page.get(f"/webhook-endpoints/{endpoint.uuid}")
            counts.append(len(queries))
            make_events(alice, 9)
        assert counts[0] == counts[1]


class TestDelivery:
    def test_shows_body_attempts_and_hostile_answers_harmlessly(self, page: SecureClient, alice: User) -> None:
        endpoint = make_endpoint(alice, kinds=["task_created"])
        make_events(alice)
        delivery = only(endpoint)
        Delivery.objects.update(attempts=1)
        DeliveryAttempt.objects.create(
            delivery=delivery, number=1, status=500, code="bad_status", seconds=0.25, head="<script>alert(1)</script>"
        )
        response = page.get(f"/webhook-deliveries/{delivery.uuid}")
        assert b"<script>alert" not in response.content
        shown = text_of(response)
        assert "answered 500" in shown
        assert f"msg_{delivery.uuid.hex}" in shown
        page.post(f"/webhook-deliveries/{delivery.uuid}/redeliver")
        assert only(endpoint).state == "pending"

    def test_of_somebody_else_is_refused(self, strange_page: SecureClient, alice: User) -> None:
        endpoint = make_endpoint(alice, kinds=["task_created"])
        make_events(alice)
        assert strange_page.get(f"/webhook-deliveries/{only(endpoint).uuid}").status_code == 403
        assert strange_page.get(f"/webhook-endpoints/{endpoint.uuid}").status_code == 403


class TestChanging:
    @pytest.mark.security
    def test_new_secret_is_shown_once_and_the_old_one_kept_as_long_as_chosen(
        self, page: SecureClient, alice: User
    ) -> None:
        endpoint = make_endpoint(alice)
        made = page.post(f"/webhook-endpoints/{endpoint.uuid}/rotate", {"keep_old_seconds": "3600"})
        assert secret_in(made) == open_secret(endpoint.secrets.get(valid_until_at=None))
        assert "Old secret" in text_of(page.get(f"/webhook-endpoints/{endpoint.uuid}"))
        refused = page.post(f"/webhook-endpoints/{endpoint.uuid}/rotate", {"keep_old_seconds": "9999999"})
        assert (refused.status_code, endpoint.secrets.count()) == (400, 2)

    def test_form_holds_what_is_and_saves_what_is_changed(self, page: SecureClient, alice: User) -> None:
        endpoint = make_endpoint(alice, kinds=["task_failed"], name="builds")
        content = page.get(f"/webhook-endpoints/{endpoint.uuid}/edit").content.decode()
        assert 'value="task_failed" id="id_kind_task_failed" checked' in content
        assert 'value="task_completed" id="id_kind_task_completed">' in content
        saved = page.post(f"/webhook-endpoints/{endpoint.uuid}/edit", FORM)
        assert saved.status_code == 302
        assert now(endpoint).kinds == ["task_completed", "task_failed"]

    def test_deleting_asks_first(self, page: SecureClient, alice: User) -> None:
        endpoint = make_endpoint(alice)
        assert "This cannot be undone" in text_of(page.get(f"/webhook-endpoints/{endpoint.uuid}/delete"))
        page.post(f"/webhook-endpoints/{endpoint.uuid}/delete")
        assert not Endpoint.objects.exists()

    def test_name_that_is_taken_is_marked(self, page: SecureClient, alice: User) -> None:
        endpoints.create(actor=alice, **FORM)  # type: ignore[arg-type]
        refused = page.post("/webhook-endpoints/new", FORM)
        assert refused.status_code == 409
        assert "You already have a webhook endpoint of this name." in text_of(refused)
