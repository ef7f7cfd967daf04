"""Keys and secrets: weak, old, equal, under an older key, without a key, and as they should be."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import known_keys
from accounts.models import KnownKey
from personalq.embedded.env_file import make_secret
from personalq.lib import sealing
from tests.inspections.looking import grade_of, look
from tests.makers import make_agent, make_credential, make_user
from webhooks.doors import keeping
from webhooks.doors import secrets as door_secrets
from webhooks.models import DoorSecret

pytestmark = [pytest.mark.django_db, pytest.mark.security]

SHARED = "Zk3-a-shared-text-of-a-length-0123456789ab"


def make_door(secret: str) -> None:
    owner = make_user()
    keeping.create(actor=owner, kind="github", name="d", agent=make_agent(owner), secret=secret)


def test_a_weak_key_or_password_is_found(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert grade_of("secrets.strength") == "ok"
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "short")
    result = look("secrets.strength")
    assert (result.grade, "DATABASE_URL" in result.sentence, "short" in result.sentence) == ("high", True, False)


def test_a_weak_encryption_key_is_found(settings: Any) -> None:
    settings.PERSONALQ_ENCRYPTION_KEYS = [make_secret(), "abab" * 16]
    result = look("secrets.strength")
    assert (result.grade, "PERSONALQ_ENCRYPTION_KEYS (entry 2)" in result.sentence) == ("high", True)


def test_keys_are_as_old_as_they_are_known() -> None:
    assert grade_of("secrets.age") == "ok"
    for days, grade in ((400, "low"), (1200, "medium")):
        KnownKey.objects.filter(variable="SECRET_KEY").update(first_seen_at=timezone.now() - timedelta(days=days))
        result = look("secrets.age")
        assert (result.grade, "SECRET_KEY" in result.sentence) == (grade, True)


def test_a_rotated_key_is_young_and_the_one_before_is_forgotten(settings: Any) -> None:
    known_keys.note()
    KnownKey.objects.filter(variable="JWT_SIGNING_KEY").update(first_seen_at=timezone.now() - timedelta(days=400))
    settings.JWT_SIGNING_KEY = make_secret()
    assert grade_of("secrets.age") == "ok"
    assert KnownKey.objects.filter(variable="JWT_SIGNING_KEY").count() == 1


def test_no_key_is_kept_where_its_age_is() -> None:
    known_keys.note()
    kept = str(list(KnownKey.objects.values_list()))
    assert not [value for _, _, value in known_keys.entries() if value in kept]


def test_equal_secrets_of_different_places_are_found() -> None:
    make_door(SHARED)
    assert grade_of("secrets.equal") == "ok"
    make_credential(make_user(), secret=SHARED)
    result = look("secrets.equal")
    assert (result.grade, "credentials" in result.sentence) == ("high", True)
    assert "door_secrets" in result.sentence
    assert SHARED not in repr(result)


def test_a_secret_that_is_also_the_installations_is_found(settings: Any) -> None:
    make_credential(make_user(), secret=SHARED)
    settings.JWT_SIGNING_KEY = SHARED
    result = look("secrets.equal")
    assert (result.grade, "JWT_SIGNING_KEY" in result.sentence) == ("high", True)


def test_two_doors_with_one_secret_are_found() -> None:
    make_door(SHARED)
    # As after a change of SECRET_KEY, when digests no longer tell that they are equal.
    DoorSecret.objects.update(digest="0" * 64)
    make_door(SHARED)
    assert grade_of("secrets.equal") == "high"


def test_one_key_that_two_people_keep_is_no_finding() -> None:
    for _ in range(2):
        make_credential(make_user(), secret=SHARED)
    assert grade_of("secrets.equal") == "ok"


def test_what_is_under_an_older_key_is_found_and_a_key_that_nothing_needs(settings: Any) -> None:
    make_credential(make_user())
    older = settings.PERSONALQ_ENCRYPTION_KEYS[0]
    assert grade_of("secrets.unrotated") == "ok"
    settings.PERSONALQ_ENCRYPTION_KEYS = [make_secret(), older]
    result = look("secrets.unrotated")
    assert (result.grade, result.facts["rows"]) == ("medium", {"credentials.sealed_secret": 1})
    assert grade_of("secrets.leftover") == "ok"
    settings.PERSONALQ_ENCRYPTION_KEYS = [older, make_secret()]
    assert grade_of("secrets.leftover") == "low"


def test_what_cannot_be_opened_is_found(settings: Any) -> None:
    make_credential(make_user())
    assert grade_of("secrets.unreadable") == "ok"
    settings.PERSONALQ_ENCRYPTION_KEYS = [make_secret()]
    assert grade_of("secrets.unreadable") == "high"


def test_digests_of_doors_that_are_older_than_the_secret_key_are_found(settings: Any) -> None:
    make_door(SHARED)
    assert grade_of("secrets.doors") == "ok"
    settings.SECRET_KEY = make_secret()
    assert grade_of("secrets.doors") == "medium"
    door_secrets.renew_digests()
    assert grade_of("secrets.doors") == "ok"


def test_a_door_that_cannot_be_opened_is_told_once(settings: Any) -> None:
    make_door(SHARED)
    settings.PERSONALQ_ENCRYPTION_KEYS = [make_secret()]
    assert grade_of("secrets.doors") == "ok"
    assert grade_of("secrets.unreadable") == "high"
    assert sealing.VERSION in DoorSecret.objects.get().sealed_secret
