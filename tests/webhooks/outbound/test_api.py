"""Webhook endpoints and deliveries by the API."""

from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from tests.makers import make_operator, make_token, make_user
from tests.tasks.api.client import Api, codes
from tests.webhooks.outbound.sending import make_endpoint, make_events, now, only
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, EndpointSecret
from webhooks.outbound import endpoints
from webhooks.outbound.leases import open_secret

pytestmark = pytest.mark.django_db
WANTED = {"name": "builds", "target_url": "https://hooks.example.org/in", "kinds": ["task_failed", "task_completed"]}


@pytest.fixture
def api(owner: User) -> Api:
    return Api(owner)


def path(endpoint: Endpoint, rest: str = "") -> str:
    return f"webhook-endpoints/{endpoint.uuid}{rest}"


class TestMaking:
    @pytest.mark.security
    def test_secret_is_told_once_and_kept_sealed(self, api: Api) -> None:
        response = api.post("webhook-endpoints", WANTED)
        body = response.json()
        secret, endpoint = body["secret"], Endpoint.objects.get()
        assert (response.status_code, response["Cache-Control"]) == (201, "no-store")
        assert secret.startswith("whsec_")
        assert open_secret(endpoint.secrets.get()) == secret
        assert secret.removeprefix("whsec_") not in EndpointSecret.objects.get().sealed_secret
        shown = api.get(path(endpoint)).json()
        assert "secret" not in shown
        assert shown == {name: value for name, value in body.items() if name != "secret"}
        assert shown["kinds"] == ["task_completed", "task_failed"]
        assert secret not in str(api.get("webhook-endpoints").json())

    @pytest.mark.security
    def test_repeating_with_a_key_neither_makes_another_nor_shows_the_secret(self, api: Api) -> None:
        first = api.post("webhook-endpoints", WANTED, key="k")
        second = api.post("webhook-endpoints", WANTED, key="k")
        assert (first.status_code, second.status_code) == (201, 409)
        assert second.json()["code"] == "idempotency_key_used"
        assert Endpoint.objects.count() == 1

    WRONG: ClassVar[dict[str, tuple[dict[str, Any], dict[str, str]]]] = {
        "task_output": ({"kinds": ["task_output"]}, {"kinds[0]": "invalid_choice"}),
        "no kinds": ({"kinds": []}, {"kinds": "min_length"}),
        "inner address": ({"target_url": "https://10.0.0.1/"}, {"target_url": "address_refused"}),
        "http": ({"target_url": "http://hooks.example.org/"}, {"target_url": "bad_url"}),
        "long address": ({"target_url": f"https://hooks.example.org/{'x' * 2000}"}, {"target_url": "max_length"}),
        "line break": ({"target_url": "https://a.example.org/\n"}, {"target_url": "single_line"}),
        "secret": ({"secret": "whsec_x"}, {"secret": "unknown_field"}),
        "number": ({"name": 5}, {"name": "invalid"}),
        "odd name": ({"name": "<b>"}, {"name": "invalid_name"}),
    }

    @pytest.mark.parametrize("name", WRONG)
    def test_what_is_wrong_is_named(self, api: Api, name: str) -> None:
        changes, expected = self.WRONG[name]
        response = api.post("webhook-endpoints", {**WANTED, **changes})
        assert response.status_code == 400
        assert codes(response) == expected
        assert not Endpoint.objects.exists()

    def test_name_is_unique_among_ones_own(self, api: Api) -> None:
        make_endpoint(make_user(), name="builds")
        assert api.post("webhook-endpoints", WANTED).status_code == 201
        assert api.post("webhook-endpoints", WANTED).json()["code"] == "name_taken"

    def test_there_are_only_so_many(self, api: Api, settings: Settings) -> None:
        settings.PERSONALQ_ENDPOINTS_PER_USER = 1
        api.post("webhook-endpoints", WANTED)
        refused = api.post("webhook-endpoints", {**WANTED, "name": "another"})
        assert (refused.status_code, refused.json()["code"]) == (409, "quota_reached")


class TestChanging:
    def test_what_is_not_sent_stays(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner, kinds=["task_failed"])
        body = api.patch(path(endpoint), {"name": "other"}).json()
        assert (body["name"], body["kinds"], body["target_url"]) == ("other", ["task_failed"], endpoint.url)
        assert codes(api.patch(path(endpoint), {})) == {"": "empty"}
        assert codes(api.patch(path(endpoint), {"target_url": "https://[::1]/"})) == {"target_url": "address_refused"}

    def test_switching_is_repeatable_and_audited_once(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner)
        for _ in range(2):
            assert api.post(path(endpoint, "/off")).json()["off_reason"] == "owner"
        for _ in range(2):
            body = api.post(path(endpoint, "/on")).json()
            assert (body["is_on"], body["off_at"]) == (True, None)
        kinds = AuditEvent.objects.filter(object_uuid=endpoint.uuid).order_by("id").values_list("kind", flat=True)
        assert list(kinds) == ["endpoint.made", "endpoint.switched_off", "endpoint.switched_on"]

    @pytest.mark.security
    def test_rotation_tells_the_new_secret_and_until_when_the_old_one_signs(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner)
        first = open_secret(endpoint.secrets.get())
        response = api.post(path(endpoint, "/rotate"), {"keep_old_seconds": 3600})
        body = response.json()
        assert response.status_code == 201
        assert body["secret"] != first
        assert body["old_secret_until_at"] is not None
        assert {open_secret(each) for each in endpoint.secrets.all()} == {first, body["secret"]}
        assert codes(api.post(path(endpoint, "/rotate"), {"keep_old_seconds": 604_801})) == {
            "keep_old_seconds": "max_value"
        }
        second = api.post(path(endpoint, "/rotate"), {"keep_old_seconds": 0}).json()
        assert second["old_secret_until_at"] is None
        assert [open_secret(each) for each in endpoint.secrets.all().valid()] == [second["secret"]]

    def test_deleting_takes_everything_with_it(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner)
        make_events(owner)
        assert api.delete(path(endpoint)).status_code == 204
        assert api.get(path(endpoint)).status_code == 404
        assert not Delivery.objects.exists()


class TestDeliveries:
    def test_list_is_paged_and_narrowed_and_holds_no_bodies(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner, kinds=["task_created"])
        make_events(owner, 5)
        Delivery.objects.filter(pk=Delivery.objects.order_by("pk")[0].pk).update(state="failed", due_at=None)
        page = api.get(path(endpoint, "/deliveries"), page_size="3").json()
        ids = [row["uuid"] for row in page["results"]] + [
            row["uuid"] for row in api.get(page["next"]).json()["results"]
        ]
        assert len(set(ids)) == 5
        assert "body" not in page["results"][0]
        (failed,) = api.get(path(endpoint, "/deliveries"), state="failed").json()["results"]
        assert failed["state"] == "failed"
        assert codes(api.get(path(endpoint, "/deliveries"), state="lost")) == {"state": "invalid_choice"}

    def test_list_costs_as_many_queries_for_many_as_for_one(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner, kinds=["task_created"])
        make_events(owner)
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                api.get(path(endpoint, "/deliveries"))
                api.get("webhook-endpoints")
            counts.append(len(queries))
            make_events(owner, 9)
            for _ in range(4):
                make_endpoint(owner)
        assert counts[0] == counts[1]

    def test_one_is_shown_with_its_body_and_attempts(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner, kinds=["task_created"])
        make_events(owner)
        delivery = only(endpoint)
        DeliveryAttempt.objects.create(delivery=delivery, number=1, status=500, code="bad_status", seconds=1, head="no")
        body = api.get(f"webhook-deliveries/{delivery.uuid}").json()
        assert body["body"] == delivery.body
        assert body["message_id"] == f"msg_{delivery.uuid.hex}"
        assert (body["event"], body["endpoint"]) == (delivery.event_id, str(endpoint.uuid))
        assert [(each["number"], each["status"], each["head"]) for each in body["tries"]] == [(1, 500, "no")]

    def test_sending_again_makes_it_due_now_with_the_same_id(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner, kinds=["task_created"])
        make_events(owner)
        long_ago = timezone.now() - timedelta(days=5)
        Delivery.objects.update(state="failed", due_at=None, failures=30, give_up_at=long_ago)
        Endpoint.objects.update(held_until_at=timezone.now() + timedelta(hours=1), failures=9)
        before = only(endpoint)
        for _ in range(2):
            body = api.post(f"webhook-deliveries/{before.uuid}/redeliver").json()
            assert (body["state"], body["uuid"]) == ("pending", str(before.uuid))
        after = only(endpoint)
        assert (after.body, after.failures, after.give_up_at > timezone.now()) == (before.body, 0, True)
        # Asking is no sign that it works again.
        assert (now(endpoint).held_until_at, now(endpoint).failures) == (None, 9)

    def test_all_that_failed_are_sent_again_at_once(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner, kinds=["task_created"])
        make_events(owner, 3)
        Delivery.objects.update(state="failed", due_at=None)
        assert api.post(path(endpoint, "/redeliver-failed")).json() == {"redelivered": 3}
        assert api.post(path(endpoint, "/redeliver-failed")).json() == {"redelivered": 0}

    def test_switched_off_endpoint_is_neither_tested_nor_sent_to_again(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner, kinds=["task_created"])
        make_events(owner)
        endpoints.turn_off(actor=owner, endpoint=endpoint)
        for address in (
            path(endpoint, "/test"),
            path(endpoint, "/redeliver-failed"),
            f"webhook-deliveries/{only(endpoint).uuid}/redeliver",
        ):
            refused = api.post(address)
            assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_off"), address

    def test_test_is_made_once_per_key(self, api: Api, owner: User) -> None:
        endpoint = make_endpoint(owner)
        for _ in range(2):
            response = api.post(path(endpoint, "/test"), key="k")
            assert (response.status_code, response.json()["kind"]) == (201, "ping")
        assert response.json()["event"] is None
        assert Delivery.objects.count() == 1


@pytest.mark.security
class TestWho:
    def test_others_are_refused_and_operators_let_in(self, owner: User) -> None:
        endpoint = make_endpoint(owner, kinds=["task_created"])
        make_events(owner)
        addresses = (path(endpoint), path(endpoint, "/deliveries"), f"webhook-deliveries/{only(endpoint).uuid}")
        stranger: Any = Api(make_user())
        operator: Any = Api(make_operator())
        for address in addresses:
            assert stranger.get(address).json()["code"] == "not_yours"
            assert operator.get(address).status_code == 200

    def test_personal_tokens_need_the_scope_of_doors(self, owner: User) -> None:
        endpoint = make_endpoint(owner)
        for scopes, reads, writes in (
            (["doors:read"], 200, 403),
            (["doors:write"], 403, 200),
            (["tasks:read"], 403, 403),
        ):
            api = Api(owner, token=make_token(owner, *scopes).text)
            assert api.get(path(endpoint)).status_code == reads
            assert api.post(path(endpoint, "/on")).status_code == writes
