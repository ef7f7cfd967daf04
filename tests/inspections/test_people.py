"""People and their tokens, each as they should not be and as they should."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from accounts.models import PersonalToken, SecondFactor, User
from personalq.lib import sealing
from tests.inspections.looking import grade_of, look
from tests.makers import make_operator, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]

NOW = timezone.now


def give_factor(user: User, *, is_confirmed: bool = True) -> None:
    factor = SecondFactor(user=user, confirmed_at=NOW() if is_confirmed else None)
    factor.secret = sealing.seal("A" * 32, context=sealing.context_of(factor, "secret"))
    factor.save()


def test_operators_without_a_second_factor_are_found() -> None:
    operator = make_operator("olga")
    result = look("users.operators")
    assert (result.grade, "olga" in result.sentence) == ("high", True)
    give_factor(operator, is_confirmed=False)
    assert grade_of("users.operators") == "high"
    SecondFactor.objects.update(confirmed_at=NOW())
    assert grade_of("users.operators") == "ok"


def test_others_without_a_second_factor_are_counted() -> None:
    alice = make_user("alice")
    assert "1 of 1" in look("users.second_factor").sentence
    give_factor(alice)
    assert grade_of("users.second_factor") == "ok"


@pytest.mark.parametrize(("hasher", "grade"), [("default", "ok"), ("pbkdf2_sha256", "low"), ("md5", "high")])
def test_how_passwords_are_kept(hasher: str, grade: str, settings: object) -> None:
    settings.PASSWORD_HASHERS = [  # type: ignore[attr-defined]
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    user = make_user("alice")
    User.objects.filter(pk=user.pk).update(password=make_password("a perfectly ordinary passphrase", hasher=hasher))
    assert grade_of("users.passwords") == grade


def test_users_without_a_password_cannot_have_a_weak_one() -> None:
    User.objects.create(username="machine", password=make_password(None))
    assert grade_of("users.passwords") == "ok"


def test_operators_who_are_not_there_are_found() -> None:
    operator = make_operator("olga")
    assert grade_of("users.idle") == "ok"
    User.objects.filter(pk=operator.pk).update(last_login=NOW() - timedelta(days=91))
    assert grade_of("users.idle") == "low"
    User.objects.filter(pk=operator.pk).update(last_login=None, date_joined=NOW() - timedelta(days=91))
    assert grade_of("users.idle") == "low"


def test_tokens_that_nobody_uses_are_found() -> None:
    token = make_token(make_user("alice")).token
    assert grade_of("tokens.unused") == "ok"
    PersonalToken.objects.filter(pk=token.pk).update(last_used_at=NOW() - timedelta(days=91))
    result = look("tokens.unused")
    assert (result.grade, f"{token.prefix}… of alice" in result.sentence) == ("low", True)
    PersonalToken.objects.filter(pk=token.pk).update(last_used_at=None, created_at=NOW() - timedelta(days=80))
    assert grade_of("tokens.unused") == "ok"


def test_tokens_that_end_late_are_found() -> None:
    make_token(make_user(), expires_in_days=90)
    assert grade_of("tokens.long") == "ok"
    make_token(make_user(), expires_in_days=366)
    assert grade_of("tokens.long") == "low"


def test_tokens_that_act_as_operators_are_found() -> None:
    make_token(make_user(), "operator:write")
    make_token(make_operator(), "operator:read")
    assert grade_of("tokens.operator") == "ok"
    make_token(make_operator(), "operator:write")
    assert grade_of("tokens.operator") == "low"


def test_tokens_of_people_who_were_deactivated_are_found() -> None:
    user = make_user("gone")
    make_token(user)
    assert grade_of("tokens.inactive") == "ok"
    User.objects.filter(pk=user.pk).update(is_active=False)
    result = look("tokens.inactive")
    assert (result.grade, "gone" in result.sentence) == ("medium", True)
