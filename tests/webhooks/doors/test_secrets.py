"""Secrets of doors: what opens, what does not, and how long."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.utils.timezone import now
from pytest_django.fixtures import Settings

from accounts.key_rotation import rotate as rotate_key
from accounts.key_rotation import sealed_columns
from accounts.models import AuditEvent, User
from personalq.embedded.env_file import make_secret
from personalq.lib.errors import InvalidInput
from tests.webhooks.doors.knocking import knock
from tests.webhooks.doors.senders import SIGN, make_door, request_of
from webhooks.doors import secrets
from webhooks.doors.keeping import NewDoor
from webhooks.doors.secrets import SecretInUse, verify_secret
from webhooks.models import DoorKind, DoorSecret

pytestmark = pytest.mark.security

LONG = "a-secret-that-is-long-enough"


class TestComparing:
    @pytest.mark.parametrize("expected", [None, "", " ", " " * 20, "None", "short", "fifteen-letters", "\t\n" * 10])
    @pytest.mark.parametrize("given", [None, "", " ", "None", "same"])
    def test_nothing_fits_a_secret_that_is_none(self, expected: str | None, given: str | None) -> None:
        assert not verify_secret(expected, expected if given == "same" else given)

    @pytest.mark.parametrize(
        "given",
        [
            None,
            "",
            " ",
            "None",
            LONG[:-1],
            f"{LONG}x",
            LONG.upper(),
            f" {LONG}",
            f"{LONG}\n",
            "é" * 20,
            "\ud800",
            LONG * 50,
        ],
    )
    def test_nothing_but_the_secret_itself_fits(self, given: str | None) -> None:
        assert not verify_secret(LONG, given)

    def test_the_secret_fits(self) -> None:
        assert verify_secret(LONG, LONG)
        assert verify_secret("x" * 16, "x" * 16)

    def test_non_ascii_on_both_sides_is_refused_without_an_error(self) -> None:
        assert not verify_secret("é" * 20, "é" * 20)


class TestWhatASecretLooksLike:
    @pytest.mark.parametrize("kind", DoorKind.values)
    def test_those_that_are_made_are_taken(self, kind: str) -> None:
        made = secrets.new_secret(kind)
        assert secrets.checked(kind, made) == made
        assert made != secrets.new_secret(kind)

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("github", ""), ("github", " " * 20), ("github", "fifteen-letters"), ("github", "x" * 257),
            ("github", "é" * 20), ("github", "a" * 20 + "\n"), ("github", f" {LONG}"), ("github", 5), ("github", None),
            ("telegram", "a.dot.is.nothing.for.telegram"), ("telegram", "with space in it, too"),
            ("standard", LONG), ("standard", "whsec_c2hvcnQtMTYtYnl0ZXMtMTI="), ("standard", "whsec_" + "A" * 100),
        ],
    )  # fmt: skip
    def test_others_are_refused_without_being_repeated(self, kind: str, text: Any) -> None:
        with pytest.raises(InvalidInput) as refused:
            secrets.checked(kind, text)
        assert refused.value.errors[0].field == "secret"
        assert not text or not str(text).strip() or str(text) not in str(refused.value.errors)


@pytest.mark.django_db
class TestEqualSecrets:
    def test_no_two_doors_have_the_same(self, owner: User) -> None:
        make_door(owner, DoorKind.GITHUB, secret=LONG)
        with pytest.raises(SecretInUse):
            make_door(owner, DoorKind.GITLAB, secret=LONG)

    def test_also_not_in_another_spelling(self, owner: User) -> None:
        new = make_door(owner, DoorKind.STANDARD)
        with pytest.raises(SecretInUse):
            make_door(owner, DoorKind.STANDARD, secret=new.secret.removeprefix("whsec_"))
        with pytest.raises(SecretInUse):
            make_door(owner, DoorKind.STANDARD, secret=new.secret.rstrip("="))

    def test_old_ones_are_still_taken_until_they_end(self, owner: User) -> None:
        new = make_door(owner, DoorKind.GITHUB, secret=LONG)
        secrets.rotate(actor=owner, door=new.door, keep_old_seconds=60)
        with pytest.raises(SecretInUse):
            make_door(owner, DoorKind.GITLAB, secret=LONG)
        DoorSecret.objects.filter(valid_until_at__isnull=False).update(valid_until_at=now() - timedelta(seconds=1))
        assert secrets.forget_ended() == 1
        make_door(owner, DoorKind.GITLAB, secret=LONG)

    @pytest.mark.parametrize(
        "name", ["SECRET_KEY", "JWT_SIGNING_KEY", "PERSONALQ_ENCRYPTION_KEYS", "PERSONALQ_AUDIT_KEYS"]
    )
    def test_none_is_a_secret_of_the_installation(self, name: str, owner: User) -> None:
        value = getattr(django_settings, name)
        with pytest.raises(SecretInUse):
            make_door(owner, DoorKind.GITHUB, secret=value if isinstance(value, str) else value[0])


def rotated(owner: User, new: NewDoor, keep_old_seconds: int) -> NewDoor:
    plain = secrets.rotate(actor=owner, door=new.door, keep_old_seconds=keep_old_seconds)
    return NewDoor(door=new.door, secret=plain)


@pytest.mark.django_db
class TestRotation:
    @pytest.mark.parametrize("kind", list(SIGN))
    def test_both_count_until_the_old_ones_time_is_over(self, kind: str, owner: User) -> None:
        old = make_door(owner, kind)
        fresh = rotated(owner, old, 3600)
        assert [knock(request_of(each, {"n": n})).status_code for n, each in enumerate((old, fresh))] == [200, 200]
        DoorSecret.objects.filter(valid_until_at__isnull=False).update(valid_until_at=now() - timedelta(seconds=1))
        assert [knock(request_of(each, {"m": n})).status_code for n, each in enumerate((old, fresh))] == [401, 200]

    def test_zero_ends_the_old_one_at_once(self, owner: User) -> None:
        old = make_door(owner, DoorKind.GITHUB)
        rotated(owner, old, 0)
        assert knock(request_of(old)).status_code == 401

    def test_older_ones_never_get_more_time(self, owner: User) -> None:
        first = make_door(owner, DoorKind.GITHUB)
        second = rotated(owner, first, 60)
        rotated(owner, second, 3600)
        ends = DoorSecret.objects.get(digest=secrets.digest_of(first.secret)).valid_until_at
        assert ends is not None
        assert ends < now() + timedelta(seconds=61)
        rotated(owner, second, 0)
        assert secrets.valid_secrets(first.door) == [secrets.valid_secrets(first.door)[0]]

    @pytest.mark.parametrize("seconds", [-1, secrets.LONGEST_OVERLAP_SECONDS + 1])
    def test_overlap_is_bounded(self, seconds: int, owner: User) -> None:
        with pytest.raises(InvalidInput):
            rotated(owner, make_door(owner, DoorKind.GITHUB), seconds)

    def test_it_is_written_down_without_the_secret(self, owner: User) -> None:
        fresh = rotated(owner, make_door(owner, DoorKind.GITHUB), 60)
        event = AuditEvent.objects.get(kind="door.rotated")
        assert (event.actor_uuid, event.facts) == (owner.uuid, {"keep_old_seconds": 60})
        assert fresh.secret not in json.dumps(event.facts)

    def test_secret_that_is_in_use_leaves_the_present_one(self, owner: User) -> None:
        make_door(owner, DoorKind.GITLAB, secret=LONG)
        new = make_door(owner, DoorKind.GITHUB)
        with pytest.raises(SecretInUse):
            secrets.rotate(actor=owner, door=new.door, keep_old_seconds=0, secret=LONG)
        assert knock(request_of(new)).status_code == 200


@pytest.mark.django_db
class TestKeysOfTheInstallation:
    def test_new_encryption_key_leaves_doors_open(self, owner: User, settings: Settings) -> None:
        new = make_door(owner, DoorKind.GITHUB)
        key = make_secret()
        settings.PERSONALQ_ENCRYPTION_KEYS = [key, *settings.PERSONALQ_ENCRYPTION_KEYS]
        for column in sealed_columns():
            rotate_key(column, lambda _progress: None)
        settings.PERSONALQ_ENCRYPTION_KEYS = [key]
        assert knock(request_of(new)).status_code == 200

    def test_secret_whose_key_is_lost_opens_nothing(self, owner: User, settings: Settings) -> None:
        new = make_door(owner, DoorKind.GITHUB)
        settings.PERSONALQ_ENCRYPTION_KEYS = [make_secret()]
        assert knock(request_of(new)).status_code == 401

    def test_secrets_are_found_again_after_secret_key_was_changed(
        self, owner: User, settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        new = make_door(owner, DoorKind.AGENT_TOOLS)
        kinds = {DoorKind.AGENT_TOOLS}
        assert secrets.door_by_secret(new.secret, kinds=kinds) == new.door
        settings.SECRET_KEY = make_secret()
        assert secrets.door_by_secret(new.secret, kinds=kinds) is None
        call_command("renew_door_digests")
        assert "1 digests" in capsys.readouterr().out
        assert secrets.door_by_secret(new.secret, kinds=kinds) == new.door

    @pytest.mark.parametrize("text", ["", " ", "None", "short", "x" * 40])
    def test_no_door_is_found_by_what_is_no_secret(self, text: str, owner: User) -> None:
        make_door(owner, DoorKind.AGENT_TOOLS)
        assert secrets.door_by_secret(text, kinds=set(DoorKind)) is None
