"""What operators see of doors, and what is forgotten in time."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils.timezone import now

from accounts.models import AuditEvent, User
from tests.accounts.clients import SecureClient
from tests.makers import make_operator, make_user
from tests.realtime.pages.conftest import browser_of
from tests.webhooks.doors.knocking import knock
from tests.webhooks.doors.senders import make_door, request_of
from webhooks.doors import replay
from webhooks.doors.keeping import NewDoor
from webhooks.models import Door, DoorSecret, InboundRequest

pytestmark = [pytest.mark.django_db, pytest.mark.security]


@pytest.fixture
def admin(db: None) -> SecureClient:
    return browser_of(make_operator("olga"))


@pytest.fixture
def new(owner: User) -> NewDoor:
    return make_door(owner, "github")


class TestAdmin:
    def test_nobody_reads_a_secret_there(self, admin: SecureClient, new: NewDoor) -> None:
        kept = DoorSecret.objects.get()
        for address in (
            "door/", f"door/{new.door.pk}/change/", "doorsecret/", f"doorsecret/{kept.pk}/change/",
        ):  # fmt: skip
            content = admin.get(f"/admin/webhooks/{address}").content.decode()
            assert not any(each in content for each in (new.secret, kept.sealed_secret, kept.digest))

    @pytest.mark.parametrize(
        "query",
        ["doorsecret/?sealed_secret__startswith=v1", "doorsecret/?digest__startswith=a", "door/?secrets__digest=a"],
    )
    def test_nor_finds_one_letter_by_letter(self, query: str, admin: SecureClient, new: NewDoor) -> None:
        assert admin.get(f"/admin/webhooks/{query}").status_code in {302, 400}

    def test_operators_close_and_open_doors(self, admin: SecureClient, new: NewDoor) -> None:
        for action, is_open in (("close", False), ("reopen", True)):
            admin.post("/admin/webhooks/door/", {"action": action, "_selected_action": [new.door.pk]})
            assert Door.objects.get().is_open is is_open
        told = AuditEvent.objects.filter(kind__startswith="door.").order_by("id").values_list("kind", flat=True)
        assert list(told)[-2:] == ["door.closed", "door.opened"]

    def test_whoever_may_only_look_does_not(self, new: NewDoor) -> None:
        looking = make_user(is_staff=True)
        looking.user_permissions.add(Permission.objects.get(codename="view_door"))
        browser_of(looking).post("/admin/webhooks/door/", {"action": "close", "_selected_action": [new.door.pk]})
        assert Door.objects.get().is_open


def test_requests_are_forgotten_after_thirty_days_and_not_before(new: NewDoor) -> None:
    sent = request_of(new)
    knock(sent)
    InboundRequest.objects.update(at=now() - timedelta(days=29, hours=23))
    assert replay.forget_old() == 0
    InboundRequest.objects.update(at=now() - timedelta(days=30, minutes=1))
    assert replay.forget_old() == 1
    assert "duplicate" not in knock(sent).json()
